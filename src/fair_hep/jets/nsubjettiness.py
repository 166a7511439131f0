"""N-subjettiness: how badly N axes describe a jet; the ratio tau_3 / tau_2 is small for jets of three prongs.

Reference: Thaler and Van Tilburg, JHEP 03 (2011) 015 (arXiv:1011.2268), with beta = 1, the axes of exclusive kT jets
without minimisation, and the normalised measure.
"""

from __future__ import annotations

import warnings

import numpy as np

from ..bundle.quantities import difference_in_phi

__all__ = ["RADIUS", "tau"]

RADIUS = 0.8


def tau(particles: np.ndarray, n: int, *, radius: float = RADIUS) -> np.ndarray:
    """Return N-subjettiness of jets: the sum of pT times the distance to the nearest of ``n`` axes.

    Parameters
    ----------
    particles
        ``[jets, constituents, 4]``: E, px, py, pz in any unit, zero-padded; a constituent has E > 0.
    n
        Number of axes, 1 or more.
    radius
        The jets' radius, by which the sum is divided, as by the sum of pT.

    Returns
    -------
    tau
        ``[jets]``, 0 or more; 0 for a jet of at most ``n`` constituents (each is an axis), NaN for an empty one.

    Raises
    ------
    ValueError
        If ``n`` is below 1.

    Examples
    --------
    >>> two = np.array([[[5.0, 3.0, 0.0, 4.0], [5.0, 0.0, 3.0, 4.0]]])
    >>> tau(two, 2).tolist()
    [0.0]
    """
    if n < 1:
        raise ValueError(f"n: got {n}, expected 1 or more")
    momenta = np.asarray(particles, np.float64)
    real = momenta[..., 0] > 0
    counts = real.sum(1)
    result = np.where(counts > 0, 0.0, np.nan)
    spread = counts > n
    if not spread.any():
        return result
    axes = _kt_axes(momenta[spread], real[spread], n)
    pt, y, phi = _place(momenta[spread])
    _, axis_y, axis_phi = _place(axes)
    turn = difference_in_phi(phi[:, :, None], axis_phi[:, None])
    distance = np.hypot(y[:, :, None] - axis_y[:, None], turn).min(2)
    result[spread] = np.sum(np.where(real[spread], pt * distance, 0.0), 1) / (pt.sum(1) * radius)
    return result


def _kt_axes(momenta: np.ndarray, real: np.ndarray, n: int) -> np.ndarray:
    """Return the momenta of ``n`` exclusive kT jets of every jet, ``[jets, n, 4]``."""
    import awkward as ak
    import fastjet

    energy, px, py, pz = np.moveaxis(momenta[real], -1, 0)
    flat = ak.zip({"px": px, "py": py, "pz": pz, "E": energy}, with_name="Momentum4D")
    # A radius so large that nothing is ever the beam's.
    definition = fastjet.JetDefinition(fastjet.kt_algorithm, fastjet.JetDefinition.max_allowable_R)
    clusters = fastjet.ClusterSequence(ak.unflatten(flat, real.sum(1)), definition)
    layout = warnings.formatwarning
    with warnings.catch_warnings():
        # FastJet's Python warns of every algorithm, kT too, and changes how all later warnings look.
        warnings.filterwarnings("ignore", "dcut and exclusive jets")
        found = clusters.exclusive_jets(n)
    warnings.formatwarning = layout
    return np.stack([ak.to_numpy(found[name]) for name in ("E", "px", "py", "pz")], -1)


def _place(momenta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pT, rapidity and azimuth; 0 for padding. FastJet's measure of distance is in rapidity."""
    energy, px, py, pz = np.moveaxis(momenta, -1, 0)
    pt = np.hypot(px, py)
    # E - |pz| loses its digits for fast particles: mT^2 / (E + |pz|) doesn't.
    squared_mt = np.maximum(energy**2 - px**2 - py**2 - pz**2, 0.0) + pt**2
    some = squared_mt > 0
    along = np.where(some, energy + np.abs(pz), 1.0)
    y = np.sign(pz) * np.log(along / np.sqrt(np.where(some, squared_mt, 1.0)))
    return pt, np.where(some, y, 0.0), np.arctan2(py, px)
