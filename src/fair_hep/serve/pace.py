"""How many elements in one pass a model is fastest with: measured at the start, with the stored examples.

A small network spends most of a pass on what doesn't depend on its size, so it gains by computing many examples
together; a large one loses, as its layers' values leave the caches and shorter examples are padded. The two
ParticleNets show both: together, Lite takes a quarter of the time, the full network 1.4 times as long.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from ..bundle.inputs import ELEMENTS, cut, cuts
from ..bundle.runtime import BATCH, EXPLAINED_BATCH, Answer, Judge, LoadedModel
from ..bundle.stored import Stored

__all__ = ["Pace"]

#: Elements in a pass that are tried: each example alone, up to what the library itself takes.
TRIED = (1, ELEMENTS // 4, ELEMENTS // 2, ELEMENTS)
#: Examples that are tried, and how much faster another size must be than `ELEMENTS`.
_EXAMPLES, _GAIN = 12, 0.95


class Pace:
    """Elements in one pass, by model and by whether it explains."""

    def __init__(self) -> None:
        self._elements: dict[tuple[int, bool], int] = {}

    def elements(self, model: LoadedModel, *, explain: bool) -> int:
        """Return how many elements a pass has at most, with padding."""
        return self._elements.get((id(model), explain), ELEMENTS)

    def measure(self, model: LoadedModel, stored: Stored) -> dict[str, int]:
        """Try some sizes of a pass; time of this thread alone counts, whatever else the machine does.

        Returns
        -------
        elements
            What was chosen for scores and, if the model explains, for explanations.
        """
        specs = model.signature.inputs
        examples = [
            {spec.name: cut(spec, stored.inputs[spec.name][number]) for spec in specs}
            for number in range(min(_EXAMPLES, stored.examples.count))
        ]
        examples.sort(key=lambda example: _length(example[specs[0].name]))
        sizes = [_length(example[specs[0].name]) for example in examples]
        chosen = {}
        for explain in (False, True)[: 1 + (model.signature.explained is not None)]:
            times: dict[int, tuple[list[tuple[int, int]], float]] = {}
            for elements in TRIED:
                passes = list(cuts(sizes, EXPLAINED_BATCH if explain else BATCH, elements))
                if passes not in [known for known, _ in times.values()]:
                    times[elements] = passes, self._time(model, examples, passes, explain=explain)
            most = max(times)
            best = min(times, key=lambda elements: times[elements][1])
            if times[best][1] > _GAIN * times[most][1]:
                best = most
            self._elements[id(model), explain] = ELEMENTS if best == most else best
            chosen["explain" if explain else "predict"] = self._elements[id(model), explain]
        return chosen

    @staticmethod
    def _time(
        model: LoadedModel,
        examples: Sequence[Mapping[str, object]],
        passes: Sequence[tuple[int, int]],
        *,
        explain: bool,
    ) -> float:
        """Return the seconds for all examples in these passes, the better of two times."""

        def once() -> float:
            started = time.thread_time()
            for start, stop in passes:
                columns = {name: [one[name] for one in examples[start:stop]] for name in examples[0]}
                judge = Judge(model.signature)
                found: list[Answer] = (
                    model.explain(columns, judge=judge) if explain else model.predict_each(columns, judge=judge)
                )
                assert len(found) == stop - start
            return time.thread_time() - started

        return min(once(), once())


def _length(values: object) -> int:
    return max(1, len(values)) if hasattr(values, "__len__") else 1
