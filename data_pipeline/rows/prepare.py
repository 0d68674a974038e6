"""From a draft row of a source to a row of the pipeline: normalized, judged, identified, split."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from data_pipeline.augment.draw import num_variants
from data_pipeline.config import DataConfig, SourceConfig
from data_pipeline.dedup.leak_keys import gate_keys
from data_pipeline.dedup.signatures import signature
from data_pipeline.rows.identity import answer_key, family_id, prompt_key, split_of, text_key
from data_pipeline.rows.normalize_rows import normalize_draft
from data_pipeline.rows.validate import drop_unanswered, validate
from data_pipeline.rows.written_roles import take_roles_apart
from data_pipeline.tasks.tasks import DEFAULT_CHAT_TASK, DEFAULT_TASK, Task, attests_of, task_of
from hunmin.hashing import stable_hash
from hunmin.language.script import language_of
from hunmin.safety import judge
from hunmin.safety.config import SafetyConfig
from hunmin.safety.detector import Detector

SHORT_ANSWER = 100  # characters; longer answers are not counted for the commonest one


def row_id_of(item: dict[str, Any]) -> str:
    """`source:file:record.sub_record`; no machine in it."""
    return f"{item['source']}:{item['file']}:{item['record']}.{item['sub_record']}"


def prepare(
    draft: dict[str, Any],
    *,
    config: DataConfig,
    tasks: dict[str, Task],
    seed: int,
    base: Path | None = None,
) -> dict[str, Any]:
    """A line of PREPARED but for `ord`.

    Args:
        draft: what `sources.read` gives: a row, or a rejection.
        config: the data section.
        tasks: task files by name.
        seed: of the splits.
        base: the config file's folder; absent: the working folder.
    """
    origin: dict[str, Any] = {name: draft[name] for name in ("source", "file", "record", "sub_record")}
    origin["row_id"] = row_id_of(draft)
    if "reason" in draft:
        return origin | {"reason": draft["reason"], "detail": draft["detail"]}
    draft, transforms = _clean(draft)
    task = task_of(tasks, draft["task"])
    refusal = validate(
        draft,
        config=config,
        task_labels=task.labels,
        has_bank=bool(task.wordings),
        task_bounds={str(name): bounds for name, bounds in task.bounds.items()},
    )
    if refusal:
        return origin | {"reason": refusal[0], "detail": refusal[1]}
    judged = judge.apply(
        draft,
        config.safety,
        source_of(config, draft["source"]).safety,
        detector=_detector(config.safety.classifier, config.safety.threshold, base or Path()),
    )
    if judged.refusal:
        return origin | {"reason": judged.refusal[0], "detail": judged.refusal[1]}
    row: dict[str, Any] = (
        origin | _described(judged.draft, task) | {"transforms": transforms + judged.transforms}
    )
    row |= {
        "flags": judged.flags,
        "split": split_of(row["family_id"], task.name, config=config.split, seed=seed),
    }
    return row | _keys(judged.draft, row["row_id"]) | {"num_variants": _variants(row, config, tasks)}


def _clean(draft: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The draft as it is judged: normalized, its roles taken apart, unanswered turns gone, with a task."""
    draft, transforms = normalize_draft(draft)
    draft, apart = take_roles_apart(draft)
    transforms += apart
    if draft["messages"]:
        messages, dropped = drop_unanswered(draft["messages"])
        draft |= {"messages": messages}
        transforms += dropped
    task = draft["task"] or (DEFAULT_CHAT_TASK if draft["messages"] else DEFAULT_TASK)
    return draft | {"task": task}, transforms


def _described(draft: dict[str, Any], task: Task) -> dict[str, Any]:
    """The columns of ROW that tell of a draft."""
    answer = answer_text(draft)
    return {
        "family_id": family_id(draft),
        "task": task.name,
        "domain": draft["domain"] or task.domain,
        "language": draft["language"] or language_of(answer),
        "licence": draft["licence"],
        "synthetic": draft["synthetic"],
        "weight": 1.0,
        "constraints": [],
        "fields": draft["fields"],
        "messages": [m | {"train": m["role"] == "assistant"} for m in draft["messages"] or []] or None,
        "references": draft["references"],
        "num_answer_chars": len(answer),
        "short_answer": answer if len(answer) <= SHORT_ANSWER else None,
    }


def _keys(draft: dict[str, Any], row_id: str) -> dict[str, Any]:
    """What rows are compared by, without their texts."""
    return {
        "text_key": text_key(draft),
        "prompt_key": prompt_key(draft),
        "answer_key": answer_key(draft),
        "signature": signature(draft),
        **gate_keys(draft)._asdict(),
        "row_hash": stable_hash("row", row_id),
    }


def _variants(row: dict[str, Any], config: DataConfig, tasks: dict[str, Task]) -> int:
    """How often the row stands in an epoch beside the mix: once, or once for each of its variants."""
    if config.augment.materialize == "epochs" or row["split"] != "train":
        return 1
    vouched = row | {"attests": attests_of(source_of(config, row["source"]))}
    return num_variants(vouched, tasks=tasks, augment=config.augment)


def source_of(config: DataConfig, name: str) -> SourceConfig:
    """The source of that name."""
    return next(source for source in config.sources if source.name == name)


@lru_cache(maxsize=1)
def _detector(classifier: str | None, threshold: float | None, base: Path) -> Detector:
    return judge.load_detector(SafetyConfig(classifier=classifier, threshold=threshold), base)  # type: ignore[call-arg]


def answer_text(draft: dict[str, Any]) -> str:
    """The answer, or the last one of a conversation."""
    if draft["messages"]:
        return draft["messages"][-1]["content"]
    return draft["fields"]["answer"]
