"""The check that all others stand on: the network takes the example batch. What stops here is told once."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

from ..bundle.errors import ProjectError
from .trial import Broken, Trial, promise

__all__ = ["miscounted", "network_runs", "step"]

_NAMES = "FEATURES in inputs.py"


@promise("mend what is named: nothing else can be tried before the network runs")
def network_runs(trial: Trial) -> None:
    """The network can be built and takes the example batch: features first, then the body."""
    batch = trial.batch(4)
    network = step("building the network", trial.network)
    if missing := [part for part in ("features", "body") if not hasattr(network, part)]:
        raise Broken(
            f"the network has no {' and no '.join(missing)}",
            "split it into two modules: self.features computes the features from the inputs and learns nothing, "
            "self.body learns, and forward is self.body(*self.features(*inputs)); see network.py as it was generated",
        )
    values = step("features()", lambda: trial.features(network, batch))
    try:
        step("the body", lambda: network.body(*values))
    except Broken as error:
        if said := miscounted(trial, values[0]):
            raise Broken(said, f"compute as many in network.features as {_NAMES} names, in that order") from error
        raise
    step("the network", lambda: trial.outputs(network, batch))
    # A body may know what is wrong with the network that it was given.
    complain = getattr(network.body, "complaint", None)
    if complain is not None and (said := complain(*values)):
        raise Broken(said)


def miscounted(trial: Trial, values: Any) -> str:
    """Say how many features are computed and how many are named, if these differ."""
    names = trial.model.features.columns
    computed = values.shape[-1] if getattr(values, "ndim", 0) else 0
    if computed == len(names):
        return ""
    more = f", {', '.join(names[computed:])} being the last" if len(names) > computed else ""
    return f"features() computes {computed} features, and {_NAMES} names {len(names)}{more}"


def step(what: str, attempt: Any) -> Any:
    """Do one step; say of whatever it raises where in the recipe that was."""
    try:
        return attempt()
    except (Broken, ProjectError):
        raise
    except Exception as error:  # a broken model may raise anything
        text = " ".join(str(error).split())[:300] or "without a word"
        raise Broken(f"{what} raised {type(error).__name__}: {text}{_place(error)}") from error


def _place(error: Exception) -> str:
    """Return the last line of code on the way to an error that is neither a library's nor ours."""
    ours = Path(__file__).parents[1]
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in Path(frame.filename).parts and ours not in Path(frame.filename).parents
    ]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno}: {frames[-1].line})" if frames else ""
