"""Held-out rows, some in held-out wordings, and answers made up by a test: what probes are tested with."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from eval_stages import TASKS, default_rows, user

from eval.config import EvalConfig
from eval.probes import Answers, Material
from eval.samples.samples import Sample, make_samples
from eval.scores.metric import Answer
from eval.scores.score_table import metrics_of
from hunmin.schema import TaskInfo

WORDINGS = {"sentiment/ko-10": "tone", "sentiment/ko-36": "format"}
_SENTIMENT = TASKS["sentiment"].copy()
_SENTIMENT["heldout_wordings"] = WORDINGS
INFOS: dict[str, TaskInfo] = {**TASKS, "sentiment": _SENTIMENT}


def sentiment(count: int = 20) -> list[dict[str, Any]]:
    rows = [row for row in default_rows() if row["task"] == "sentiment"]
    return [rows[at % 5] | {"row_id": f"r{at}", "family_id": f"r{at}"} for at in range(count)]


def in_wordings(row: dict[str, Any]) -> list[dict[str, Any]]:
    given = row["fields"]["input"]
    return [
        row
        | {
            "messages": [user(f"{said}\n\n{given}"), row["messages"][1]],
            "wording_id": wording,
            "seen_wording": False,
        }
        for wording, said in zip(WORDINGS, ("어느 쪽인가요?", "긍정, 부정 중에 고르세요."), strict=True)
    ]


def material(rows: list[dict[str, Any]], **config: Any) -> Material:
    return Material(
        config=EvalConfig.model_validate({"bootstrap_samples": 50, **config}),
        seed=3,
        data_dir=Path(),
        tasks=INFOS,
        metrics={task: metrics_of(task, info) for task, info in INFOS.items()},
        samples=make_samples(rows, INFOS),
        unseen=make_samples(
            [one for row in rows if row["fields"]["input"] for one in in_wordings(row)], INFOS
        ),
    )


def said(samples: Sequence[Sample], answer: Callable[[Sample], str]) -> dict[str, Answer]:
    return {sample.sample_id: Answer(answer(sample), 1, True) for sample in samples}


def answers_of(given: Material, asked: Sequence[Sample], tuned: Callable[[Sample], str]) -> Answers:
    every = [*given.samples, *asked]
    return {"base": said(every, lambda _: "긍정"), "tuned": said(every, tuned)}


def right(sample: Sample) -> str:
    return sample.reference.texts[0]
