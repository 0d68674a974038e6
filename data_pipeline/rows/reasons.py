"""Why a row that was read is not kept: every reason code, with what it means (cures: docs/reasons.md)."""

from typing import TypeAlias

Refusal: TypeAlias = tuple[str, str] | None  # (reason code, detail), or None to keep

EMPTY_ANSWER = "empty_answer"
EMPTY_INSTRUCTION = "empty_instruction"
ROLE_ORDER = "role_order"
LABEL_UNKNOWN = "label_unknown"
LENGTH_OUT_OF_BOUNDS = "length_out_of_bounds"
MOJIBAKE = "mojibake"
TEMPLATE_LEFTOVER = "template_leftover"
PLACEHOLDER = "placeholder"
STACKED_INSTRUCTIONS = "stacked_instructions"
LANGUAGE_MISMATCH = "language_mismatch"
TRUNCATED_TEXT = "truncated_text"
REPEATED_TEXT = "repeated_text"

# What `validate` looks for.
CHECKS: dict[str, str] = {
    EMPTY_ANSWER: "nothing to train on: the answer is empty after normalization",
    EMPTY_INSTRUCTION: "neither an instruction, nor an input, nor a wording of the task",
    ROLE_ORDER: "roles do not alternate user, assistant (after at most one system message)",
    LABEL_UNKNOWN: "the label is not one of the task's labels",
    LENGTH_OUT_OF_BOUNDS: "instruction, input or answer outside data.bounds",
    MOJIBAKE: "bytes were read in the wrong encoding, or letters were lost",
    TEMPLATE_LEFTOVER: "a mark or an unfilled variable of a prompt template stands in the text",
    PLACEHOLDER: "the whole text is filler that was meant to be replaced",
    STACKED_INSTRUCTIONS: "two complete requests stand one after another over one missing text",
    LANGUAGE_MISMATCH: "the answer is not in the language that was asked for or declared",
    TRUNCATED_TEXT: "the answer breaks off",
    REPEATED_TEXT: "the answer repeats itself over and over",
}

# What the steps after it look for.
_LATER: dict[str, str] = {
    "harmful_content": "a field, or the request with its answer, is harmful",
    "biased_content": "a field is biased against a group of people",
    "personal_data": "a text holds personal data, and the source's action is to drop such rows",
    "duplicate": "the same text as another row; the detail names the row kept",
    "near_duplicate": "nearly the same text as a row of another family; the detail names the row kept",
    "same_prompt": "the same prompt has other answers, and data.same_prompt keeps another one or none",
    "heldout_family": "shares its family with a row of a held-out task",
    "over_mix": "drawn in no epoch: its source is over its share in data.mix, or over its cap",
    "too_long": "more tokens than data.seq_len in every epoch",
    "template_mismatch": "the chat template does not write the messages as they are",
    "undecodable_text": "the tokenizer cannot give the answer back exactly",
    "no_trained_tokens": "no answer of the row can be trained",
}

REASONS: dict[str, str] = CHECKS | _LATER

# The rest of the pipeline counts on an answer being there.
SWITCHABLE = tuple(name for name in CHECKS if name != EMPTY_ANSWER)
