r"""How features, observables and metrics are shown: their names in files as formulas for figures, and as plain text.

Examples
--------
>>> formula("log_pt_fraction"), plain("log_pt_fraction")
('$\\log\\,(p_T\\,/\\,p_T^{\\,jet})$', 'log(pT / pT of the jet)')
>>> plain("part_pt_log"), plain("charge_of_track")
('log pT', 'charge of track')
>>> in_formulas("|eta| and pT of the jet")
'$|\\eta|$ and $p_T$ of the jet'
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["formula", "in_formulas", "plain"]

#: By name: as a formula, and as plain text.
_SYMBOLS: Mapping[str, tuple[str, str]] = {
    "E": ("$E$", "E"),
    "px": ("$p_x$", "px"),
    "py": ("$p_y$", "py"),
    "pz": ("$p_z$", "pz"),
    "pt": ("$p_T$", "pT"),
    "eta": (r"$\eta$", "η"),
    "phi": (r"$\phi$", "φ"),
    "m": ("$m$", "m"),
    "mass": ("$m$", "m"),
    "energy": ("$E$", "E"),
    "tau21": (r"$\tau_{21}$", "τ21"),
    "tau32": (r"$\tau_{32}$", "τ32"),
    "delta_eta": (r"$\Delta\eta$", "Δη"),
    "delta_phi": (r"$\Delta\phi$", "Δφ"),
    "delta_r": (r"$\Delta R$", "ΔR"),
    "log_pt": (r"$\log\,p_T$", "log pT"),
    "log_energy": (r"$\log\,E$", "log E"),
    "log_pt_fraction": (r"$\log\,(p_T\,/\,p_T^{\,jet})$", "log(pT / pT of the jet)"),
    "log_energy_fraction": (r"$\log\,(E\,/\,E^{\,jet})$", "log(E / E of the jet)"),
    "auc": ("AUC", "AUC"),
    "mlpf_mean_f1": ("Mean $F_1$ of the classes", "mean F1"),
}
#: Names of JetClass and weaver for the same.
_OTHER_NAMES: Mapping[str, str] = {
    "part_deta": "delta_eta",
    "part_dphi": "delta_phi",
    "part_deltaR": "delta_r",
    "part_pt_log": "log_pt",
    "part_e_log": "log_energy",
    "part_logptrel": "log_pt_fraction",
    "part_logerel": "log_energy_fraction",
    "part_energy": "energy",
    "part_px": "px",
    "part_py": "py",
    "part_pz": "pz",
}
#: Words of titles that have a symbol.
_WORDS: Mapping[str, str] = {"|eta|": r"$|\eta|$", "Delta R": r"$\Delta R$", "pT": "$p_T$", "tau32": r"$\tau_{32}$"}
_ANY_WORD = re.compile("|".join(re.escape(word) for word in _WORDS))


def formula(name: str) -> str:
    """Return a name as a formula of Matplotlib; one that isn't known, in words."""
    return _shown(name)[0]


def plain(name: str) -> str:
    """Return a name as plain text with symbols; one that isn't known, in words."""
    return _shown(name)[1]


def in_formulas(text: str) -> str:
    """Return a title with formulas in the place of words that have one."""
    return _ANY_WORD.sub(lambda found: _WORDS[found[0]], text)


def _shown(name: str) -> tuple[str, str]:
    words = name.replace("_", " ")
    return _SYMBOLS.get(_OTHER_NAMES.get(name, name), (words, words))
