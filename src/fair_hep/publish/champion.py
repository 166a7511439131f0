"""Which version is the champion: a rule over all versions of a model, so that it doesn't matter who comes when."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import bundle
from ..bundle.errors import BundleError, ServiceError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from ..models.contract import Model

__all__ = ["BUNDLE_TAG", "CHAMPION", "OUTPUTS", "TEST_TAG", "WITHDRAWN_TAG", "champion", "settle", "versions"]

CHAMPION = "champion"
#: Raw outputs and targets of the evaluation, among the artifacts of a version's run.
OUTPUTS = "evaluation/outputs.npz"
#: Tags of a version that the rule reads; whoever sets `WITHDRAWN_TAG` takes a version out of the race.
BUNDLE_TAG, TEST_TAG, WITHDRAWN_TAG = "bundle_sha256", "test_set_sha256", "withdrawn"
#: Tag for what the rule chose among the versions up to this one, so that old ones aren't compared again.
THEN_TAG = "champion_then"
TRIES = 10

log = logging.getLogger(__name__)

Arrays = Mapping[str, np.ndarray]


def champion(client: MlflowClient, name: str) -> ModelVersion | None:
    """Return the version that the alias points to; None if there is no such model or alias."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def versions(client: MlflowClient, name: str) -> list[ModelVersion]:
    """Return all versions of a model, the oldest first."""
    found: list[ModelVersion] = []
    token = None
    while True:
        page = client.search_model_versions(f"name = '{name}'", page_token=token)
        found += page
        token = page.token
        if not token:
            return sorted(found, key=_number)


def settle(client: MlflowClient, version: ModelVersion, model: Model) -> tuple[bool, str]:
    """Let the alias point to the rule's choice among all versions; say what came of this one, and why.

    In the order of their numbers, each version on the champion's test set takes over unless it is worse than the best
    before it. Aliases have no compare-and-set: somebody else may set one in between. So everything is read again after
    it was set, and set again, until the alias points to what the rule chooses among the versions that are there now.
    Whoever sets it last looks last, so the end doesn't depend on the order.

    Returns
    -------
    moved, reason
        Whether this version became the champion by this call; one line for a human.

    Raises
    ------
    BundleError
        If the outputs of this version or of the champion can't be read.
    ServiceError
        If the alias doesn't come to rest.
    """
    before = champion(client, version.name)
    with tempfile.TemporaryDirectory() as folder:
        rule = _Rule(model, version, _Outputs(model, Path(folder)))
        for _ in range(TRIES):
            leader = champion(client, version.name)
            choice = rule(versions(client, version.name), leader)
            if leader is not None and _number(leader) == _number(choice):
                if rule.then:
                    client.set_model_version_tag(version.name, str(version.version), THEN_TAG, rule.then)
                ours = _number(choice) == _number(version)
                if ours and before is not None and _number(before) == _number(version):
                    return False, f"version {version.version} is the champion already"
                return ours, rule.reason
            client.set_registered_model_alias(version.name, CHAMPION, str(choice.version))
    raise ServiceError(
        f"registry: alias {CHAMPION} of {version.name} keeps changing: somebody else registers; try again"
    )


class _Rule:
    """The rule, and what it says about one version.

    Parameters
    ----------
    model
        What compares two versions.
    version
        The version that was just registered.
    outputs
        Gives the evaluation of a version.
    """

    def __init__(self, model: Model, version: ModelVersion, outputs: _Outputs) -> None:
        self.model, self.version, self.outputs = model, version, outputs
        self.reason = ""
        #: The best version up to this one; empty if this one isn't compared.
        self.then = ""

    def __call__(self, found: Sequence[ModelVersion], leader: ModelVersion | None) -> ModelVersion:
        """Choose among all versions; without an alias, the oldest version says which test set counts."""
        tested = [one for one in found if one.tags.get(TEST_TAG) and not one.tags.get(WITHDRAWN_TAG)]
        anchor = leader or (tested[0] if tested else self.version)
        group = [one for one in tested if one.tags[TEST_TAG] == anchor.tags.get(TEST_TAG)]
        by_hand = f"the champion stays version {anchor.version}; set the alias by hand if you mean it"
        self.then = ""
        if not group:
            self.reason = f"not compared: version {anchor.version} names no test set; {by_hand}"
            return anchor
        best = self._best(group, anchor)
        if not self.then:
            why = (
                "withdrawn"
                if self.version.tags.get(WITHDRAWN_TAG)
                else f"other test data than version {anchor.version}"
            )
            self.reason = f"not compared: {why}; {by_hand}"
        elif len(group) == 1:
            self.reason = f"version {best.version} is the first champion"
        return best

    def _best(self, group: Sequence[ModelVersion], anchor: ModelVersion) -> ModelVersion:
        """Let each version take over unless it is worse than the best before it."""
        best, rest = _start(group, self.version)
        _, targets = self.outputs(anchor)
        for one in rest:
            if not self._comparable(one, targets):
                continue
            best = one if best is None else self._better(one, best)
            if _number(one) == _number(self.version):
                self.then = str(best.version)
        return best or anchor

    def _better(self, one: ModelVersion, best: ModelVersion) -> ModelVersion:
        ours, targets = self.outputs(one)
        theirs, _ = self.outputs(best)
        better, why = self.model.not_worse(ours, theirs, targets)
        verdict = "is the new champion" if better else f"is worse: the champion stays version {best.version}"
        if _number(self.version) in (_number(one), _number(best)):
            self.reason = f"version {one.version} {verdict} ({why})"
        return one if better else best

    def _comparable(self, one: ModelVersion, targets: Arrays) -> bool:
        """Say whether a version was evaluated on these targets."""
        try:
            _, own = self.outputs(one)
        except BundleError as error:
            if _number(one) == _number(self.version):
                raise
            log.warning("version %s takes no part: %s", one.version, error)
            return False
        return set(own) == set(targets) and all(np.array_equal(own[key], targets[key]) for key in targets)


def _start(group: Sequence[ModelVersion], version: ModelVersion) -> tuple[ModelVersion | None, Sequence[ModelVersion]]:
    """Return where the comparison starts: the last choice on record before a version, and who comes after it."""
    there = {str(one.version): one for one in group}
    for place in range(len(group) - 1, -1, -1):
        then = group[place].tags.get(THEN_TAG, "")
        if then in there and _number(group[place]) < _number(version):
            return there[then], group[place + 1 :]
    return None, group


class _Outputs:
    """The evaluations of versions, fetched once."""

    def __init__(self, model: Model, folder: Path) -> None:
        self.names = {spec.name for spec in model.outputs}
        self.folder = folder
        self.paths: dict[int, Path] = {}

    def __call__(self, version: ModelVersion) -> tuple[Arrays, Arrays]:
        """Return raw outputs and targets.

        Raises
        ------
        BundleError
            If they can't be read.
        """
        import mlflow
        from mlflow.exceptions import MlflowException

        number = _number(version)
        try:
            if number not in self.paths:
                folder = self.folder / str(number)
                folder.mkdir(exist_ok=True)
                self.paths[number] = Path(
                    mlflow.artifacts.download_artifacts(
                        run_id=version.run_id, artifact_path=OUTPUTS, dst_path=str(folder)
                    )
                )
            arrays = bundle.read_arrays(self.paths[number])
        except (MlflowException, OSError, BundleError) as error:
            line = " ".join(str(error).split())[:200]
            raise BundleError(
                f"version {number}: the outputs of its evaluation can't be read ({line}): "
                "delete that version, or set the alias by hand"
            ) from error
        return {k: v for k, v in arrays.items() if k in self.names}, {
            k: v for k, v in arrays.items() if k not in self.names
        }


def _number(version: ModelVersion) -> int:
    return int(version.version)
