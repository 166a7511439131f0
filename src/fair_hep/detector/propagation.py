"""Where particles leave the solenoid and enter the calorimeter: a helix for charged ones, a line for neutral ones.

The tracker is a cylinder in a field along the beam; a card tells its size and the field. A slow charged particle (below
0.7 GeV of pT in 3.8 T and 1.29 m) never reaches the side: it curls until it leaves through an end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .particles import Particles

__all__ = ["Exit", "Solenoid", "leave"]

# GeV of transverse momentum per tesla and metre of radius: the speed of light in 1e9 m/s.
_GEV = 0.299792458
_SLOWEST = 3e-5


@dataclass(frozen=True)
class Solenoid:
    """The cylinder in which charged particles turn.

    Parameters
    ----------
    radius, half_length
        In metres.
    field
        In tesla, along +z.
    """

    radius: float
    half_length: float
    field: float


class Exit:
    """Where particles leave the tracker.

    Parameters
    ----------
    place
        x, y, z in metres ``[n, 3]``; NaN for a particle that is made outside, or along the beam without any pT.

    Attributes
    ----------
    inside
        Particles that were made inside and leave ``[n]``.
    eta, phi
        Pseudorapidity and azimuth of the place as seen from the centre ``[n]``; NaN for the others.
    """

    def __init__(self, place: np.ndarray) -> None:
        self.place = place
        across = np.hypot(place[:, 0], place[:, 1])
        self.inside = across > 0  # False for NaN
        with np.errstate(divide="ignore", invalid="ignore"):
            self.eta = np.where(self.inside, np.arcsinh(place[:, 2] / across), np.nan)
        self.phi = np.arctan2(place[:, 1], place[:, 0])


def leave(particles: Particles, solenoid: Solenoid) -> Exit:
    """Return where particles leave the tracker; particles don't interact or decay in it."""
    pt = np.hypot(particles.momentum[:, 0], particles.momentum[:, 1])
    made_at = np.hypot(particles.vertex[:, 0], particles.vertex[:, 1])
    ours = (made_at < solenoid.radius) & (np.abs(particles.vertex[:, 2]) < solenoid.half_length) & (pt > _SLOWEST)
    place = np.full((len(particles), 3), np.nan)
    charged = ours & (particles.charge != 0)
    place[charged] = _helix(particles[charged], solenoid)
    place[ours & ~charged] = _line(particles[ours & ~charged], solenoid)
    return Exit(place)


def _to_the_end(z: np.ndarray, slope: np.ndarray, solenoid: Solenoid) -> np.ndarray:
    """Return the path across the beam until an end of the cylinder; infinite for a particle that doesn't advance."""
    with np.errstate(divide="ignore"):
        path: np.ndarray = (np.copysign(solenoid.half_length, slope) - z) / slope
    return path


def _line(particles: Particles, solenoid: Solenoid) -> np.ndarray:
    x, y, z = particles.vertex.T
    px, py, pz = particles.momentum.T
    pt = np.hypot(px, py)
    along = (x * px + y * py) / pt
    side = -along + np.sqrt(along**2 + solenoid.radius**2 - x**2 - y**2)
    path = np.minimum(side, _to_the_end(z, pz / pt, solenoid))
    return np.stack([x + path * px / pt, y + path * py / pt, z + path * pz / pt], 1)


def _helix(particles: Particles, solenoid: Solenoid) -> np.ndarray:
    x, y, z = particles.vertex.T
    px, py, pz = particles.momentum.T
    pt, phi = np.hypot(px, py), np.arctan2(py, px)
    # With a sign: positive particles turn clockwise in a field along +z.
    radius = pt / (_GEV * solenoid.field * particles.charge)
    centre_x, centre_y = x + radius * np.sin(phi), y - radius * np.cos(phi)
    distance, direction = np.hypot(centre_x, centre_y), np.arctan2(centre_y, centre_x)
    reaches = distance + np.abs(radius) >= solenoid.radius
    with np.errstate(divide="ignore", invalid="ignore"):
        sine = (solenoid.radius**2 - distance**2 - radius**2) / (2 * radius * distance)
    bend = np.arcsin(np.clip(np.where(reaches, sine, 0.0), -1.0, 1.0))
    # The circle meets the side twice; the particle gets to the one first that needs the smaller turn.
    turns = [np.sign(radius) * (phi - there) % (2 * np.pi) for there in (direction - bend, direction - np.pi + bend)]
    side = np.where(reaches, np.abs(radius) * np.minimum(*turns), np.inf)
    path = np.minimum(side, _to_the_end(z, pz / pt, solenoid))
    # Neither the side nor an end: a particle that turns in one plane for ever.
    path = np.where(np.isfinite(path), path, np.nan)
    now = phi - path / radius
    return np.stack(
        [centre_x - radius * np.sin(now), centre_y + radius * np.cos(now), z + path * pz / pt],
        1,
    )
