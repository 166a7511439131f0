from __future__ import annotations

import itertools
import os
import subprocess
import sys

import pytest

from fair_hep.bundle.cores import cores
from fair_hep.bundle.errors import DataError
from fair_hep.data.parallel import in_processes


def square(number: int) -> int:
    return number * number


def refuse(number: int) -> int:
    if number == 3:
        raise DataError("three is no good")
    return number


def die(number: int) -> int:
    os._exit(number)


def test_results_come_in_order_also_of_endless_work() -> None:
    with in_processes(square, itertools.count(), 2) as results:
        assert list(itertools.islice(results, 12)) == [n * n for n in range(12)]


def test_an_error_in_the_work_is_raised_here() -> None:
    with pytest.raises(DataError, match="three"), in_processes(refuse, range(10), 2) as results:
        list(results)


def test_a_process_that_dies_is_told_in_one_line() -> None:
    with pytest.raises(DataError, match="ended before its work was done"), in_processes(die, [7], 1) as results:
        list(results)


def test_there_is_at_least_one_core() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)


#: Pages that a process gets while it makes and drops an array of 64 MiB over and over.
_PAGES = """
import resource, sys
import numpy as np
from fair_hep.data.parallel import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
np.ones(2**23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(2**23)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it asks the C library of Linux")
def test_freed_memory_is_kept() -> None:
    def pages(mode: str) -> int:
        done = subprocess.run([sys.executable, "-c", _PAGES, mode], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert pages("keep") < pages("return") / 10
