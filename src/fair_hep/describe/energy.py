"""What a training cost: its measured time, and an estimate of its energy that is said to be one.

The estimate is time times power. Power isn't measured, since most machines don't let a program do so; it is assumed
to be the same for every core and every accelerator. Where the electricity came from isn't known, so nothing is said
about carbon dioxide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["ACCELERATOR_WATTS", "CORE_WATTS", "Cost", "cost"]

#: Assumed power of one busy core of a CPU with its share of memory and cooling, in watts.
CORE_WATTS = 15.0
#: Assumed power of one busy accelerator, in watts.
ACCELERATOR_WATTS = 300.0


@dataclass(frozen=True)
class Cost:
    """The cost of a training.

    Parameters
    ----------
    seconds
        Measured time, start to end.
    processes, threads
        Processes at work, and threads of each.
    device
        Kind of device of each process: ``cpu``, ``cuda``, ...
    resumed
        Whether the time is that of the last start only.
    trainings
        How many there were, with different seeds; the time is that of all.
    """

    seconds: float
    processes: int
    threads: int
    device: str
    resumed: bool = False
    trainings: int = 1

    @property
    def watts(self) -> float:
        """Assumed power of all processes together."""
        each = CORE_WATTS * self.threads if self.device == "cpu" else ACCELERATOR_WATTS
        return each * self.processes

    @property
    def kilowatt_hours(self) -> float:
        """Estimated energy."""
        return self.watts * self.seconds / 3.6e6

    def sentence(self) -> str:
        """Return time and energy for a human."""
        on = (
            f"{self.threads} thread{'s' * (self.threads > 1)} of a CPU"
            if self.device == "cpu"
            else f"one accelerator ({self.device})"
        )
        how = f"{CORE_WATTS:g} W for each thread" if self.device == "cpu" else f"{ACCELERATOR_WATTS:g} W for each"
        work = f"in {self.processes} processes, each on" if self.processes > 1 else "on"
        what = f"{self.trainings} trainings" if self.trainings > 1 else "Training"
        return (
            f"{what} took {duration(self.seconds)} (measured) {work} {on}"
            f"{'; it was resumed, and only its last part was timed' if self.resumed else ''}. "
            f"Energy: {self.kilowatt_hours:.2g} kWh, an estimate from this time and an assumed power of {how}; "
            "nothing was measured with a meter, and where the electricity came from isn't known."
        )


def cost(result: Mapping[str, Any]) -> Cost | None:
    """Return the cost of a training from what ``train`` recorded, or None where it recorded too little."""
    if any(name not in result for name in ("seconds", "processes", "threads", "device")):
        return None
    return Cost(
        seconds=result.get("seconds_of_all", result["seconds"]),
        processes=result["processes"],
        threads=result["threads"],
        device=result["device"],
        resumed=bool(result.get("resumed", False)),
        trainings=int(result.get("trainings", 1)),
    )


def duration(seconds: float) -> str:
    """Return a time for a human.

    Examples
    --------
    >>> [duration(seconds) for seconds in (12.3, 190, 9000, 400000)]
    ['12 s', '3.2 min', '2.5 h', '4.6 d']
    """
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length * (2 if unit == "d" else 1):
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
