"""Which rows can be trained on. A filter is a pure function: None to keep, or (reason, detail)."""

from typing import Any

from data_pipeline.config import BoundsConfig

REASONS = {
    "empty_answer": "nothing to train on: the answer is empty after normalization",
    "empty_instruction": "neither an instruction, nor an input, nor a wording of the task",
    "length_out_of_bounds": "instruction, input or answer outside data.bounds",
    "role_order": "roles do not alternate user, assistant (after at most one system message)",
    "label_unknown": "the label is not one of the task's labels",
    "duplicate": "the same text as another row; the detail names the row kept",
    "heldout_family": "shares its family with a row of a held-out task",
    "too_long": "more tokens than data.seq_len in every epoch",
    "template_mismatch": "the chat template does not write the messages as they are",
    "undecodable_text": "the tokenizer cannot give the answer back exactly",
    "no_trained_tokens": "no answer of the row can be trained",
}

Refusal = tuple[str, str] | None


def validate_fields(
    fields: dict[str, str | None], *, bounds: BoundsConfig, labels: list[str], has_bank: bool
) -> Refusal:
    """A row made of fields. Label answers are exempt from the bounds."""
    answer = fields["answer"] or ""
    if not answer:
        return "empty_answer", "answer"
    if not fields["instruction"] and not fields["input"] and not has_bank:
        return "empty_instruction", "instruction and input"
    if fields["label"] and labels and fields["label"] not in labels:
        return "label_unknown", f"{fields['label']!r} is not one of {', '.join(labels)}"
    exempt = fields["label"] is not None
    for name, (low, high) in (
        ("instruction", bounds.instruction),
        ("input", bounds.input),
        ("answer", bounds.answer),
    ):
        text = fields[name]
        if text is None or (name == "answer" and exempt) or (name == "instruction" and not text):
            continue
        if not low <= len(text) <= high:
            return "length_out_of_bounds", f"{name} has {len(text)} characters, allowed {low} to {high}"
    return None


def validate_messages(messages: list[dict[str, Any]], *, bounds: BoundsConfig) -> Refusal:
    """A conversation: at most one system message, then user and assistant in turn, an answer last."""
    turns = messages[1:] if messages and messages[0]["role"] == "system" else messages
    for index, message in enumerate(turns):
        expected = ("user", "assistant")[index % 2]
        if message["role"] != expected:
            return "role_order", f"message {index} is {message['role']}, expected {expected}"
        if not message["content"]:
            return (
                ("empty_answer", f"message {index}")
                if index % 2
                else ("empty_instruction", f"message {index}")
            )
        low, high = bounds.answer if index % 2 else bounds.instruction
        if not low <= len(message["content"]) <= high:
            return (
                "length_out_of_bounds",
                f"message {index} has {len(message['content'])} characters, allowed {low} to {high}",
            )
    if len(turns) < 2:
        return "empty_answer", "no answered turn"
    return None


def drop_unanswered(messages: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Without the user turns at the end that nobody answered."""
    end = len(messages)
    while end and messages[end - 1]["role"] != "assistant":
        end -= 1
    return messages[:end], ["unanswered_turn_dropped"] if end < len(messages) else []
