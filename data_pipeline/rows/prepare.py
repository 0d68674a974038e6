"""From a draft row of a source to a row of the pipeline: normalized, identified, judged, split."""

from typing import Any

from data_pipeline.config import DataConfig
from data_pipeline.rows.normalize import normalize_draft
from data_pipeline.rows.split import family_id, split_of, text_key
from data_pipeline.rows.validate import drop_unanswered, validate_fields, validate_messages
from data_pipeline.text.korean import language_of
from data_pipeline.variants.tasks import DEFAULT_CHAT_TASK, DEFAULT_TASK, Task, task_of

SHORT_ANSWER = 100  # characters; longer answers are not counted for the commonest one


def row_id_of(item: dict[str, Any]) -> str:
    """`source:file:record.sub_record`; no machine in it."""
    return f"{item['source']}:{item['file']}:{item['record']}.{item['sub_record']}"


def prepare(
    draft: dict[str, Any], *, config: DataConfig, tasks: dict[str, Task], seed: int
) -> dict[str, Any]:
    """A line of schema.ROW with `split`, `text_key`, and `reason`, `detail` where it is refused."""
    origin = {name: draft[name] for name in ("source", "file", "record", "sub_record")}
    origin["row_id"] = row_id_of(draft)
    if "reason" in draft:
        return origin | {"reason": draft["reason"], "detail": draft["detail"]}
    draft, transforms = normalize_draft(draft)
    if draft["messages"]:
        draft["messages"], dropped = drop_unanswered(draft["messages"])
        transforms += dropped
    draft["task"] = draft["task"] or (DEFAULT_CHAT_TASK if draft["messages"] else DEFAULT_TASK)
    task = task_of(tasks, draft["task"])
    if draft["messages"] is not None:
        refusal = validate_messages(draft["messages"], bounds=config.bounds)
    else:
        refusal = validate_fields(
            draft["fields"], bounds=config.bounds, labels=list(task.labels), has_bank=bool(task.wordings)
        )
    if refusal:
        return origin | {"reason": refusal[0], "detail": refusal[1]}
    family = family_id(draft)
    answer = _answer_text(draft)
    return origin | {
        "family_id": family,
        "task": task.name,
        "domain": draft["domain"] or task.domain,
        "language": draft["language"] or language_of(answer),
        "licence": draft["licence"],
        "synthetic": draft["synthetic"],
        "weight": 1.0,
        "constraints": [],
        "transforms": transforms,
        "fields": draft["fields"],
        "messages": [m | {"train": m["role"] == "assistant"} for m in draft["messages"] or []] or None,
        "references": draft["references"],
        "split": split_of(family, task.name, config=config.split, seed=seed),
        "text_key": text_key(draft),
        "short_answer": answer if len(answer) <= SHORT_ANSWER else None,
    }


def _answer_text(draft: dict[str, Any]) -> str:
    if draft["messages"]:
        return draft["messages"][-1]["content"]
    return draft["fields"]["answer"]
