"""From a draft row of a source to a row of the pipeline: normalized, judged, identified, split."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from data_pipeline.augment.draw import num_variants
from data_pipeline.config import DataConfig, SourceConfig
from data_pipeline.rows.checks.exchange import is_code
from data_pipeline.rows.identity import (
    answer_key,
    asked_key,
    family_id,
    prompt_key,
    prompt_text,
    split_of,
    text_key,
)
from data_pipeline.rows.normalize_rows import normalize_draft
from data_pipeline.rows.turn_order import drop_unanswered, join_turns
from data_pipeline.rows.validate import validate
from data_pipeline.rows.written_roles import take_roles_apart
from data_pipeline.tasks.derived import works_on_text
from data_pipeline.tasks.tasks import DEFAULT_CHAT_TASK, DEFAULT_TASK, Task, attests_of, task_of
from hunmin.hashing import stable_hash
from hunmin.language.script import language_of
from hunmin.readable import parts_of, shown, transcript
from hunmin.rows import DraftRow, Kept, Message, Origin, Rejected, Row, said_by, with_values
from hunmin.safety import judge
from hunmin.safety.config import SafetyConfig
from hunmin.safety.detector import Detector

SHORT_ANSWER = 100  # characters; longer answers are not counted for the commonest one
REASONING_DROPPED = "reasoning_dropped"

StepOfTurns: TypeAlias = Callable[[list[Message]], tuple[list[Message], list[str]]]


def row_id_of(item: Origin) -> str:
    """`source:file:record.sub_record`; no machine in it."""
    return f"{item['source']}:{item['file']}:{item['record']}.{item['sub_record']}"


def prepare(
    draft: DraftRow | Rejected,
    *,
    config: DataConfig,
    tasks: dict[str, Task],
    seed: int,
    base: Path | None = None,
) -> Kept | Rejected:
    """A line of PREPARED but for `ord`, and for what is computed of many rows at once (COMPARED).

    Args:
        draft: what `sources.read` gives.
        tasks: task files by name.
        seed: of the splits.
        base: the config file's folder; absent: the working folder.
    """
    if "reason" in draft:
        return _rejected(draft, (draft["reason"], draft["detail"]), draft.get("text", ""))
    cleaned, transforms = _clean(draft, config)
    task = task_of(tasks, cleaned["task"] or "")
    refusal = validate(
        cleaned,
        config=config,
        task_labels=task.labels,
        has_bank=bool(task.wordings),
        task_bounds={str(name): bounds for name, bounds in task.bounds.items()},
    )
    if refusal:
        return _rejected(draft, refusal, transcript(parts_of(draft)))
    judged = judge.apply_safety(
        cleaned,
        config.safety,
        source_of(config, draft["source"]).safety,
        detector=_detector(config.safety.classifier, config.safety.threshold, base or Path()),
        works_on_text=works_on_text(task.name, cleaned["fields"]["instruction"]),
    )
    if judged.refusal:
        return _rejected(draft, judged.refusal, transcript(parts_of(draft)))
    draft = judged.draft
    if draft["messages"] and draft["messages"][-1].get("tool_calls"):  # JSON is masked otherwise than text
        draft = _with_last_pair(draft, draft["messages"])
    row = _kept(draft, task, attests=attests_of(source_of(config, draft["source"])))
    row["transforms"] = transforms + judged.transforms
    row["flags"] = judged.flags
    row["split"] = split_of(row["family_id"], task.name, config=config.split, seed=seed)
    row["num_variants"] = _variants(row, config, tasks)
    return row


def _rejected(item: Origin, refusal: tuple[str, str], text: str) -> Rejected:
    """A record that is not kept; detail and text may quote it, so what is personal in them is masked."""
    reason, detail = refusal
    return Rejected(
        **_origin(item), row_id=row_id_of(item), reason=reason, detail=shown(detail), text=shown(text)
    )


def _origin(draft: Origin) -> Origin:
    return {
        "source": draft["source"],
        "file": draft["file"],
        "record": draft["record"],
        "sub_record": draft["sub_record"],
    }


def _clean(draft: DraftRow, config: DataConfig) -> tuple[DraftRow, list[str]]:
    """The draft as it is judged: normalized, its roles taken apart, its turns in order, with a task."""
    draft, transforms = normalize_draft(draft)
    draft, apart = take_roles_apart(draft)
    transforms += apart
    if draft["messages"]:
        messages = draft["messages"]
        for step in _steps_of_turns(config, draft["source"]):
            messages, done = step(messages)
            transforms += done
        if messages != draft["messages"]:
            draft = _with_last_pair(draft, messages)
    task = draft["task"] or (DEFAULT_CHAT_TASK if draft["messages"] else DEFAULT_TASK)
    return with_values(draft, task=task), transforms


def _steps_of_turns(config: DataConfig, source: str) -> list[StepOfTurns]:
    steps: list[StepOfTurns] = [_drop_thoughts] if config.reasoning == "drop" else []
    steps += [join_turns] if source_of(config, source).join_turns else []
    return [*steps, drop_unanswered]


def _drop_thoughts(messages: list[Message]) -> tuple[list[Message], list[str]]:
    """Without the thoughts before answers."""
    thoughts = any(message.get("reasoning") for message in messages)
    if not thoughts:
        return messages, []
    return [with_values(message, reasoning=None) for message in messages], [REASONING_DROPPED]


def _with_last_pair(draft: DraftRow, messages: list[Message]) -> DraftRow:
    """The draft with other turns, and the last question and answer of them as its fields."""
    asked = [message["content"] for message in messages if message["role"] == "user"]
    answer = said_by(messages[-1]) if messages else ""
    fields = {**draft["fields"], "instruction": asked[-1] if asked else None, "answer": answer}
    return with_values(draft, messages=messages, fields=fields, references=[answer])


def _kept(draft: DraftRow, task: Task, *, attests: list[str]) -> Kept:
    """What a draft tells by itself; what is decided about it is filled in by `prepare`."""
    answer, row_id = answer_text(draft), row_id_of(draft)
    language = draft["language"] or language_of(answer)
    asked_language = language_of(prompt_text(draft))
    weight = draft.get("weight", 1.0)
    messages = [_marked(message, weight) for message in draft["messages"] or []]
    return {
        **_origin(draft),
        "ord": 0,
        "row_id": row_id,
        "family_id": family_id(draft),
        "task": task.name,
        "domain": draft["domain"] or task.domain,
        "language": language,
        "licence": draft["licence"],
        "synthetic": draft["synthetic"],
        "weight": weight,
        "constraints": [],
        "transforms": [],
        "flags": [],
        "fields": draft["fields"],
        "messages": messages or None,
        "tools": draft.get("tools"),
        "attests": attests,
        "references": draft["references"],
        "split": "train",
        "row_hash": stable_hash("row", row_id),
        "text_key": text_key(draft),
        "prompt_key": prompt_key(draft),
        "answer_key": answer_key(draft),
        "num_variants": 1,
        "num_answer_chars": len(answer),
        "short_answer": answer if len(answer) <= SHORT_ANSWER else None,
        "asked_key": asked_key(draft),
        "asked_language": asked_language,
        # Of two that differ, the answer may be a program, which is no language of people.
        "said_language": "code" if language != asked_language and is_code(answer) else language,
        "unread_keys": draft.get("unread", []),
    }


def _marked(message: Message, weight: float) -> Message:
    """The message with whether it is trained, and its weight where that is not 1."""
    train = message["role"] == "assistant" and message.get("train") is not False
    marked = with_values(message, train=train)
    weight *= message.get("weight") or 1.0
    return with_values(marked, weight=weight) if train and weight != 1 else marked


def _variants(row: Kept, config: DataConfig, tasks: dict[str, Task]) -> int:
    """How often the row stands in an epoch beside the mix: once, or once for each of its variants."""
    if config.augment.materialize == "epochs" or row["split"] != "train":
        return 1
    return num_variants(row, tasks=tasks, augment=config.augment)


def source_of(config: DataConfig, name: str) -> SourceConfig:
    """The source of that name."""
    return next(source for source in config.sources if source.name == name)


@lru_cache(maxsize=1)
def _detector(classifier: str | None, threshold: float | None, base: Path) -> Detector:
    return judge.load_detector(SafetyConfig(classifier=classifier, threshold=threshold), base)  # type: ignore[call-arg]


def answer_text(draft: DraftRow | Row) -> str:
    """The answer, or the last one of a conversation."""
    if draft["messages"]:
        return said_by(draft["messages"][-1])
    return draft["fields"]["answer"]
