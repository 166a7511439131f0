"""What the training loop says before and after its epochs."""

from __future__ import annotations

from pathlib import Path

import pytest

from fair_hep.bundle.errors import ConfigError
from fair_hep.provenance.configuration import TrainConfig


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"accelerator": "tpu2"}, "train.accelerator=tpu2, train.devices=1, .*invalid accelerator name"),
        ({"accelerator": "mps"}, "train.accelerator=mps"),
    ],
)
def test_what_this_machine_does_not_have_is_one_line(tmp_path: Path, settings: dict[str, str], words: str) -> None:
    from fair_hep.project.training import _trainer

    with pytest.raises(ConfigError, match=words) as error:
        _trainer(TrainConfig.model_validate(settings), [], False, tmp_path)
    assert "\n" not in str(error.value)
