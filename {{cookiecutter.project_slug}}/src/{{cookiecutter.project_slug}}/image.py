"""Make what the image serves: ``python -m PACKAGE.image BUNDLE FOLDER`` saves a bundle as an MLflow model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from .bundle import check_files
from .errors import BundleError, ProjectError
from .mlflow_model import save_model

__all__ = ["main"]

ARGUMENTS = 2


def main(arguments: Sequence[str]) -> None:
    """Check a bundle, and save it as an MLflow model.

    Raises
    ------
    MissingStepError
        If there is no bundle.
    BundleError
        If the bundle is damaged, or the arguments aren't two.
    """
    if len(arguments) != ARGUMENTS:
        raise BundleError(f"image: got {len(arguments)} arguments, expected the bundle's folder and a new one")
    folder, target = (Path(argument) for argument in arguments)
    check_files(folder)
    save_model(target, folder=folder)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ProjectError as error:
        sys.exit(f"error: {error}")
