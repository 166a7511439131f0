"""What tests of the shared verbs must know of ParticleNet."""

from __future__ import annotations

from typing import Any

DOI = "10.5281/zenodo.2603256"
HYPERPARAMETERS: dict[str, Any] = {"preset": "lite"}
#: Examples to evaluate, and overrides that make a whole chain short.
EVALUATED = 200
OVERRIDES = ("train.epochs=2", "train.limit=256", "train.batch_size=32", "evaluate.limit=300", "explain.size=12")
#: The part of the network that is scaled up, so that random weights give answers as large as trained ones.
HEAD = "body.classify"
#: Rules that a graph is also written with.
COMPOSITES = ("epsilon-plus", "epsilon-gamma-box+proportional")
