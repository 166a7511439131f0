"""The software in a bundle: the wheel of this library that the project carries, so that no index is needed to use it.

It lies in the bundle itself, not only in its archive: so it stands in ``SHA256SUMS`` like every other file, and each
copy (archive, image, registry, hub) is whole without a rule of its own. The price is about a megabyte. Nothing here or
in `load` ever installs it: whoever trusts the record does, by its path.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ..bundle.errors import ConfigError

__all__ = ["LICENCE", "SOFTWARE", "carried", "carry"]

SOFTWARE = "software"
#: Licence of the library itself, whatever that of the model is.
LICENCE = "MIT"
_VENDOR = "vendor"
_WHEEL = "fair_hep-*.whl"


def carry(root: Path, folder: Path) -> Path | None:
    """Copy the wheel of a project into its bundle, in the place of an earlier one.

    Returns
    -------
    wheel
        Where it lies in the bundle; None where the project has none, since fair-hep is installed in place there.

    Raises
    ------
    ConfigError
        If the project has several: which one runs the model isn't known.
    """
    found = sorted((root / _VENDOR).glob(_WHEEL))
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise ConfigError(f"{_VENDOR}/: got {names}, expected one wheel of fair-hep: remove what isn't used")
    if not found:
        return carried(folder)
    shutil.rmtree(folder / SOFTWARE, ignore_errors=True)
    (folder / SOFTWARE).mkdir()
    return Path(shutil.copyfile(found[0], folder / SOFTWARE / found[0].name))


def carried(folder: Path) -> Path | None:
    """Return the wheel in a bundle; None if it has none."""
    return next(iter(sorted((folder / SOFTWARE).glob(_WHEEL))), None)
