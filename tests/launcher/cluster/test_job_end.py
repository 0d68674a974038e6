"""What follows from how a job's attempt ended."""

from pathlib import Path

import pytest

from launcher.cluster.job_end import (
    OF_A_HUMAN,
    OF_PREEMPTION,
    OF_THE_LIMIT,
    Attempt,
    judge,
    progress_of,
)


def attempt(
    exit_code: int, stopped_by: str | None = None, *, number: int = 0, progressed: bool = True
) -> Attempt:
    return Attempt(number, exit_code, stopped_by, progressed)


@pytest.mark.parametrize(
    ("last", "requeue", "why"),
    [
        (attempt(0), False, "done"),
        (attempt(2), False, "would end in the same way"),
        (attempt(3), False, "would end in the same way"),
        (attempt(1), False, "fault of the program"),
        (attempt(-11), False, "fault of the program"),
        (attempt(75, OF_A_HUMAN), False, "was cancelled"),
        (attempt(75, OF_THE_LIMIT), True, "its time is over"),
        (attempt(75, OF_PREEMPTION), True, "another job takes its place"),
        (attempt(4), True, "a machine or a file failed"),
        (attempt(4, number=20), False, "started 21 times"),
        (attempt(2, OF_THE_LIMIT), False, "would end in the same way"),
    ],
)
def test_the_end_of_an_attempt_is_of_one_class(last: Attempt, requeue: bool, why: str) -> None:
    verdict = judge([last], max_requeues=20)
    assert verdict.requeue is requeue
    assert why in verdict.why


def test_two_attempts_that_finish_nothing_are_the_last() -> None:
    idle = attempt(75, OF_THE_LIMIT, progressed=False)
    assert judge([idle], max_requeues=20).requeue
    assert judge([idle, attempt(75, OF_THE_LIMIT)], max_requeues=20).requeue
    stuck = judge([attempt(75, OF_THE_LIMIT), idle, idle], max_requeues=20)
    assert (stuck.requeue, stuck.why) == (False, "two attempts in a row finished nothing")


def test_a_host_that_was_lost_twice_is_left_out() -> None:
    lost = [Attempt(number, 4, None, True, hosts) for number, hosts in enumerate([["n1"], ["n2"], ["n1"]])]
    assert judge(lost[:2], max_requeues=20).exclude == []
    assert judge(lost, max_requeues=20).exclude == ["n1"]


def test_progress_is_what_was_finished(tmp_path: Path) -> None:
    seen = [progress_of(tmp_path)]
    for path in (
        "data/.work/read/0.json",
        "data/manifest.json",
        "train/checkpoints/step-00000010/x",
        "eval/parts/0.json",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
        seen.append(progress_of(tmp_path))
    assert len({tuple(one) for one in seen}) == 5
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "x.json").touch()
    assert progress_of(tmp_path) == seen[-1]
