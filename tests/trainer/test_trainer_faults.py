"""What GPUs and links do to ranks, raised in ranks of a real Ray: the run is started again and ends as if
nothing had been; full memory ends it with what was planned.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rank_helpers import make_data
from test_trainer_runs import as_ray, losses, weights

from hunmin.errors import GateError
from trainer import ray_workers

# As NCCL, its watchdog and CUDA say it; the last is raised by nobody: the watchdog aborts the process.
FAULTS = [
    "NCCL error in: ProcessGroupNCCL.cpp:3690, remote process exited or there was a network error, NCCL "
    "version 2.27.5\nncclRemoteError: A call failed possibly due to a network error or a remote process "
    "exiting prematurely.",
    "[Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=41, OpType=ALLREDUCE, "
    "Timeout(ms)=600000) ran for 600026 milliseconds before timing out.",
    "CUDA error: uncorrectable ECC error encountered\nCUDA kernel errors might be asynchronously reported",
    "abort",
]
FULL = (
    "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.02 "
    "GiB is free. Of the allocated memory 75.31 GiB is allocated by PyTorch, and 1.20 GiB is reserved."
)
SETTINGS: dict[str, Any] = {"num_steps": 12, "save_interval": 2, "val_interval": 6}


def failing(marks: Path, faults: list[str], kind: str) -> Callable[[dict[str, Any]], None]:
    """What a rank runs: in the n-th start the second rank has the n-th fault, two steps after the last."""

    def rank(config: dict[str, Any]) -> None:
        import os

        import torch
        import torch.distributed as dist

        from trainer import loop

        marks.mkdir(exist_ok=True)
        start = len(list(marks.iterdir()))
        real = loop.update_weights

        def update(engine: Any, work: Any, rate: float, *, state: Any, **rest: Any) -> Any:
            if dist.get_rank() == 1 and start < len(faults) and state.step == 2 * start + 2:
                (marks / str(start)).touch()
                if faults[start] == "abort":
                    os.abort()
                raise {"nccl": dist.DistBackendError, "memory": torch.OutOfMemoryError}[kind](faults[start])
            return real(engine, work, rate, state=state, **rest)

        loop.update_weights = update
        loop.train(config["job"])

    return rank


@pytest.mark.slow
@pytest.mark.usefixtures("ray_local")
def test_each_fault_of_a_link_or_gpu_is_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calm, hit = tmp_path / "calm", tmp_path / "hit"
    for run_dir in (calm, hit):
        make_data(run_dir / "data")
    as_ray(calm, train=SETTINGS)
    monkeypatch.setattr(ray_workers, "_rank", failing(tmp_path / "marks", FAULTS, "nccl"))
    capsys.readouterr()
    as_ray(hit, train=SETTINGS | {"max_restarts": len(FAULTS)})
    said = capsys.readouterr().out
    for restart in range(1, len(FAULTS) + 1):
        assert f"(restart {restart} of {len(FAULTS)})" in said
    assert len(list((tmp_path / "marks").iterdir())) == len(FAULTS), "each was raised"
    assert losses(hit) == losses(calm)
    assert weights(hit) == weights(calm)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_local")
def test_full_memory_is_told_with_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_data(tmp_path / "data")
    monkeypatch.setattr(ray_workers, "_rank", failing(tmp_path / "marks", [FULL], "memory"))
    with pytest.raises(
        GateError, match=r"allocated 75\.31 GiB of 79\.11 GiB.*planned were \d+\.\d+ GiB at most"
    ):
        as_ray(tmp_path, train=SETTINGS)
    assert len(list((tmp_path / "marks").iterdir())) == 1, "no restart"
