"""Which rows can be trained on. A check is a pure function: None to keep, or (reason, detail)."""

from collections.abc import Callable, Mapping, Sequence

from data_pipeline import reasons
from data_pipeline.config import DataConfig
from data_pipeline.reasons import Refusal
from data_pipeline.rows.checks.answer_language import language_mismatch
from data_pipeline.rows.checks.bounds import length_out_of_bounds, ranges_of
from data_pipeline.rows.checks.broken import repeated_text, truncated_text
from data_pipeline.rows.checks.exchange import Exchange, exchanges_of
from data_pipeline.rows.checks.leftovers import placeholder, stacked_instructions, template_leftover
from data_pipeline.rows.checks.mojibake import mojibake
from data_pipeline.rows.checks.private_use import private_use
from hunmin.rows import DraftRow, Fields, Message

# Of the texts of an exchange, in the order in which they are tried: the first that refuses is the reason.
_OF_TEXTS: dict[str, Callable[[Exchange], Refusal]] = {
    reasons.MOJIBAKE: mojibake,
    reasons.PRIVATE_USE: private_use,
    reasons.TEMPLATE_LEFTOVER: template_leftover,
    reasons.PLACEHOLDER: placeholder,
    reasons.STACKED_INSTRUCTIONS: stacked_instructions,
    reasons.LANGUAGE_MISMATCH: language_mismatch,
    reasons.TRUNCATED_TEXT: truncated_text,
    reasons.REPEATED_TEXT: repeated_text,
}


def validate(
    draft: DraftRow,
    *,
    config: DataConfig,
    task_labels: Sequence[str],
    has_bank: bool,
    task_bounds: Mapping[str, Sequence[int]] | None,
) -> Refusal:
    """Why a normalized draft cannot be trained on, as (reason, detail); None where it can.

    Args:
        draft: a draft row with its task set, its roles taken apart, and no unanswered turn at its end.
        task_labels: of the row's task; empty where it has none.
        has_bank: the task has wordings, so the row needs no instruction of its own.
        task_bounds: characters {instruction | input | answer: (low, high)} of the task's own file.
    """
    skip = config.validation.skip
    refusal = _structure(draft, task_labels, has_bank=has_bank, skip=skip)
    if refusal:
        return refusal
    ranges = ranges_of(config.bounds, task_bounds)
    for exchange in exchanges_of(draft):
        if reasons.LENGTH_OUT_OF_BOUNDS not in skip:
            refusal = length_out_of_bounds(exchange, ranges, in_chat=bool(draft["messages"]))
        for name, check in _OF_TEXTS.items():
            refusal = refusal or (None if name in skip else check(exchange))
        if refusal:
            return refusal
    return None


def _structure(
    draft: DraftRow, task_labels: Sequence[str], *, has_bank: bool, skip: Sequence[str]
) -> Refusal:
    """Whether the row has all its parts, each in its place."""
    if draft["messages"] is not None:
        found = _turn_order(draft["messages"])
    else:
        found = _parts(draft["fields"], task_labels, has_bank=has_bank)
    return next((refusal for refusal in found if refusal and refusal[0] not in skip), None)


def _parts(fields: Fields, labels: Sequence[str], *, has_bank: bool) -> list[Refusal]:
    found: list[Refusal] = []
    if not fields["answer"]:
        found.append((reasons.EMPTY_ANSWER, "answer"))
    if not fields["instruction"] and not fields["input"] and not has_bank:
        found.append((reasons.EMPTY_INSTRUCTION, "instruction and input"))
    if fields["label"] and labels and fields["label"] not in labels:
        found.append((reasons.LABEL_UNKNOWN, f"{fields['label']!r} is not one of {', '.join(labels)}"))
    return found


def _turn_order(messages: list[Message]) -> list[Refusal]:
    """At most one system message, then user and assistant in turn, an answer last; none empty."""
    start = int(bool(messages) and messages[0]["role"] == "system")
    turns = messages[start:]
    found: list[Refusal] = []
    for index, message in enumerate(turns):
        place, is_answer = f"message {start + index}", index % 2 == 1
        expected = "assistant" if is_answer else "user"
        if message["role"] != expected:
            found.append((reasons.ROLE_ORDER, f"{place} is {message['role']}, expected {expected}"))
        elif not message["content"]:
            found.append((reasons.EMPTY_ANSWER if is_answer else reasons.EMPTY_INSTRUCTION, place))
    if len(turns) < 2 or turns[-1]["role"] != "assistant":
        found.append((reasons.EMPTY_ANSWER, "no answered turn"))
    return found


def drop_unanswered(messages: list[Message]) -> tuple[list[Message], list[str]]:
    """Without the user turns at the end that nobody answered."""
    end = len(messages)
    while end and messages[end - 1]["role"] != "assistant":
        end -= 1
    return messages[:end], ["unanswered_turn_dropped"] if end < len(messages) else []
