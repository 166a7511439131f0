"""Requests of several clients in one pass: the answers of single ones, faster where the model is, fair to all."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fair_hep.bundle import read_arrays
from fair_hep.bundle.inputs import ELEMENTS, cut
from fair_hep.bundle.runtime import Answer, LoadedModel, load
from fair_hep.bundle.stored import Stored
from fair_hep.serve.pace import Pace
from support.kept import kept
from support.serving import inside, post, serving
from support.soak import soak


class Held(LoadedModel):
    """A model whose first pass waits until it is let go, so that other requests gather; it counts its passes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, threads=1)
        self.go, self.passes = threading.Event(), list[int]()

    def predict_each(self, inputs: Any, **more: Any) -> list[Answer]:
        return self._counted(super().predict_each, inputs, **more)

    def explain(self, inputs: Any, *given: Any, **more: Any) -> list[Answer]:
        return self._counted(super().explain, inputs, *given, **more)

    def _counted(self, ask: Any, inputs: Any, *given: Any, **more: Any) -> list[Answer]:
        if not threading.current_thread().name.startswith("place"):  # the stored examples, asked beside
            unasked: list[Answer] = ask(inputs, *given, **more)
            return unasked
        first = not self.passes
        self.passes.append(len(next(iter(inputs.values()))))
        if first:
            assert self.go.wait(60)
        found: list[Answer] = ask(inputs, *given, **more)
        return found


@pytest.mark.parametrize("name", ["particlenet", "mlpf", "imported", "third_party"])
@pytest.mark.parametrize("explain", [False, True])
def test_answers_are_those_of_single_requests(name: str, explain: bool, tmp_path: Path) -> None:
    folder = kept(name, tmp_path)
    model = Held(folder)
    if explain and not model.signature.explained:
        return
    stored = Stored.read(folder)
    values = read_arrays(folder / "examples" / "inputs.npz")
    count, padded = stored.examples.count, model.signature.padded
    examples = [
        {
            s.name: cut(s, values[s.name][n % count])[:100] if padded else values[s.name][n % count]
            for s in model.signature.inputs
        }
        for n in range(6)
    ]
    requests = [
        {"inputs": [{name: one.tolist() for name, one in example.items()}], "params": {"explain": explain}}
        for example in examples
    ]
    alone = load(folder, threads=1)
    found: list[Any] = [None] * len(requests)

    def ask(number: int) -> None:
        found[number] = post(url, requests[number])

    with inside(model, SERVE_PARALLEL="1") as url:
        asking = [threading.Thread(target=ask, args=(number,)) for number in range(len(requests))]
        for thread in asking:
            thread.start()
        end = time.monotonic() + 60
        while _waiting(url) < len(requests):
            assert time.monotonic() < end
            time.sleep(0.05)
        model.go.set()
        for thread in asking:
            thread.join()
    assert sum(model.passes) >= len(requests)
    assert max(model.passes) > 1
    unsteady = {number for number in range(6) if number % count in stored.examples.unsteady}
    for number, (status, told) in enumerate(found):
        assert status == 200
        (got,) = told["predictions"]
        columns = {name: [one] for name, one in examples[number].items()}
        (one,) = alone.explain(columns) if explain else alone.predict_each(columns)
        for output in model.signature.outputs:
            tolerance = stored.examples.tolerance
            np.testing.assert_allclose(got[output.name], one[output.name], rtol=tolerance, atol=tolerance)
        if explain and number not in unsteady:
            assert model.signature.explained is not None
            largest = np.abs(one["relevance"]).max()
            difference = np.abs(np.array(got["relevance"]) - one["relevance"]).max()
            assert difference <= model.signature.explained.how.tolerance * largest


def _waiting(url: str) -> float:
    from urllib.request import urlopen

    with urlopen(f"{url}/metrics", timeout=10) as told:
        lines = told.read().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("fair_hep_waiting "))


class Burning(LoadedModel):
    """A model that takes time for each pass, and the more for each element of it, with padding, the more there are."""

    def __init__(self, folder: Path, each_pass: float, beyond: int) -> None:
        super().__init__(folder, threads=1)
        self.each_pass, self.beyond = each_pass, beyond

    def predict_each(self, inputs: Any, **_: Any) -> list[Answer]:
        values = next(iter(inputs.values()))
        padded = len(values) * max(map(len, values))
        end = time.thread_time() + self.each_pass + 1e-7 * max(0, padded - self.beyond) ** 2
        while time.thread_time() < end:
            pass
        return [Answer() for _ in values]

    explain = predict_each  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("each_pass", "beyond", "chosen"),
    [(2e-3, 10**6, (ELEMENTS,)), (1e-5, 0, (1, ELEMENTS // 4))],
)
def test_a_pass_has_the_size_that_is_fastest(
    each_pass: float, beyond: int, chosen: tuple[int, ...], tmp_path: Path
) -> None:
    model = Burning(kept("particlenet", tmp_path), each_pass, beyond)
    pace = Pace()
    assert pace.elements(model, explain=False) == ELEMENTS
    assert pace.measure(model, Stored.read(model.folder))["predict"] in chosen
    assert pace.elements(model, explain=False) in chosen


def test_what_fails_among_others_fails_alone(tmp_path: Path) -> None:
    class Failing(Held):
        def predict_each(self, inputs: Any, **more: Any) -> list[Answer]:
            found = super().predict_each(inputs, **more)
            if any(len(one) == 3 for one in next(iter(inputs.values()))):
                raise RuntimeError("three")
            return found

    model = Failing(kept("particlenet", tmp_path))
    row = [10.0, 1.0, 2.0, 3.0]
    found: dict[int, int] = {}

    def ask(count: int) -> None:
        found[count] = post(url, {"inputs": [[row] * count]})[0]

    with inside(model, SERVE_PARALLEL="1") as url:
        asking = [threading.Thread(target=ask, args=(count,)) for count in range(1, 6)]
        for thread in asking:
            thread.start()
        while _waiting(url) < 5:
            time.sleep(0.05)
        model.go.set()
        for thread in asking:
            thread.join()
    assert found == {1: 200, 2: 200, 3: 500, 4: 200, 5: 200}


@pytest.mark.slow
def test_a_minute_among_hostile_clients(tmp_path: Path) -> None:
    folder = kept("particlenet", tmp_path)
    seconds = float(os.environ.get("SOAK_SECONDS", "60"))
    variables = {"SERVE_CONNECTIONS": "100", "SERVE_LOG_LINES": "1", "SERVE_HEADER_SECONDS": "5"}
    with serving(folder, **variables) as (url, process):
        found = soak(url, process.pid, load(folder, threads=1), seconds)
        assert process.poll() is None
    told = found.summary()
    print(json.dumps(told))
    assert found.wrong == []
    assert found.statuses[200] > seconds
    # Times are printed, not judged: the machine has other work.
    assert told["memory_mib"]["at the end"] < 1.2 * told["memory_mib"]["after a third"] + 20
