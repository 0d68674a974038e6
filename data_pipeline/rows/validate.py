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
from data_pipeline.rows.checks.meaningless import meaningless_answer
from data_pipeline.rows.checks.mojibake import mojibake
from data_pipeline.rows.checks.private_use import private_use
from data_pipeline.rows.turn_order import turn_faults
from hunmin.rows import DraftRow, Fields

# Of the texts of an exchange, in the order in which they are tried: the first that refuses is the reason.
_OF_TEXTS: dict[str, Callable[[Exchange], Refusal]] = {
    reasons.MEANINGLESS_ANSWER: meaningless_answer,
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
        found = turn_faults(draft["messages"])
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
