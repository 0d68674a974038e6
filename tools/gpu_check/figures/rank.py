"""A rank of one measurement: a process that measures and writes down what it found as it comes."""

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tools.gpu_check.figures.measurements import Measurement


@dataclass(frozen=True)
class Given:
    """What a rank is told: what to measure, the files that it reads and writes, until when."""

    measurement: Measurement
    model: str
    packs: str
    scratch: str  # empty, for checkpoints
    results: str  # lines of JSON objects, written by the first rank; their sum is what was found
    log: str  # what all ranks print
    until: float  # time.time()


Emit = Callable[[Mapping[str, Any]], None]


def main(given: Given, place: Mapping[str, str]) -> None:
    """Measure as the rank that `place` names: the variables of the rank contract."""
    os.environ.update(place)
    log = os.open(given.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    with open(given.results, "a", encoding="utf-8") as file:

        def emit(found: Mapping[str, Any]) -> None:
            if place["RANK"] == "0":
                print(json.dumps(found), file=file, flush=True)

        try:
            from tools.gpu_check.figures import acts  # here: whoever starts ranks need not load torch

            acts.act(given, emit)
        except BaseException as error:
            traceback.print_exc()
            _tell(error, file)
            sys.exit(1)


def use_device() -> None:
    """End well if this process can use a GPU, where there is one."""
    import torch

    if torch.cuda.is_available():
        torch.zeros(1, device="cuda")


def _tell(error: BaseException, file: Any) -> None:
    """Any rank's failure, for the others only wait: a setting that is refused here, or an error."""
    from hunmin.errors import ConfigError, EnvironmentFailure, one_line

    key = "refused" if isinstance(error, ConfigError | EnvironmentFailure) else "failed"
    said = str(error) if key == "refused" else f"{type(error).__name__}: {one_line(error)}"
    print(json.dumps({key: said}), file=file, flush=True)
