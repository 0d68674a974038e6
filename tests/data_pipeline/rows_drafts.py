"""Literal drafts for the tests of rows: what a reader gives, as short as can be."""

from typing import Any

from data_pipeline.config import DataConfig


def draft(
    instruction: str | None = "무엇을 먹을까요?",
    answer: str = "비빔밥이 좋겠습니다.",
    *,
    asked: str | None = None,
    label: str | None = None,
    messages: list[tuple[str, str]] | None = None,
    task: str = "instruction",
    language: str | None = None,
) -> Any:
    fields = {"instruction": instruction, "input": asked, "answer": answer, "label": label}
    return {
        "task": task,
        "language": language,
        "fields": fields | {"rationale": None, "value": None},
        "messages": messages and [{"role": role, "content": content} for role, content in messages],
        "references": [answer],
        "family_key": None,
    }


def data_config(**settings: Any) -> DataConfig:
    return DataConfig.model_validate(
        {"sources": [{"name": "s", "format": "alpaca", "path": "x"}], **settings}
    )
