"""The ParticleNet of weaver-core, and what it takes."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from top_tagger.network import PRESETS, JetFeatures
from torch import Tensor

from support.needs import require


def weaver_network() -> Any:
    require(importlib.util.find_spec("weaver"), "weaver-core isn't installed: make peers")
    module = importlib.import_module("weaver.nn.model.ParticleNet")
    blocks, head = PRESETS["lite"]
    return module.ParticleNet(7, 2, conv_params=list(blocks), fc_params=[(head, 0.1)], use_fusion=False)


def as_weaver_takes(particles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return points, features and mask with weaver's order of axes."""
    features, points, mask = JetFeatures()(particles)
    return points.transpose(1, 2), features.transpose(1, 2), mask[:, None].float()
