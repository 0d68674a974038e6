"""Why a record is not kept: every code of rejected.parquet with its meaning (cures: docs/reasons.md)."""

from hunmin.schema import Refusal as Refusal

# Of readers.
BROKEN_JSON = "broken_json"
NOT_AN_OBJECT = "not_an_object"
DUPLICATE_KEY = "duplicate_key"
BROKEN_ROW = "broken_row"
BAD_ENCODING = "bad_encoding"
MISSING_FIELD = "missing_field"
WRONG_TYPE = "wrong_type"
NO_PROMPT = "no_prompt"
NO_ANSWER = "no_answer"
LABEL_NOT_MAPPED = "label_not_mapped"
FILTERED = "filtered"
EMPTY_CONVERSATION = "empty_conversation"
UNKNOWN_ROLE = "unknown_role"
UNEVEN_PARALLEL_LINE = "uneven_parallel_line"
NO_ITEMS = "no_items"
UNANSWERED_TURN = "unanswered_turn"
DELETED_MESSAGE = "deleted_message"
EMPTY_TRANSLATION = "empty_translation"
FUZZY_ENTRY = "fuzzy_entry"
OBSOLETE_ENTRY = "obsolete_entry"
TEMPLATE_NOT_APPLICABLE = "template_not_applicable"
CONTRADICTION = "contradiction"
UNSUPPORTED_KEY = "unsupported_key"
NOT_TEXT = "not_text"
BROKEN_TOOL_CALL = "broken_tool_call"
BROKEN_TOOLS = "broken_tools"
JOIN_MISSING = "join_missing"
JOIN_AMBIGUOUS = "join_ambiguous"

# Of checks.
EMPTY_ANSWER = "empty_answer"
EMPTY_INSTRUCTION = "empty_instruction"
MEANINGLESS_ANSWER = "meaningless_answer"
ROLE_ORDER = "role_order"
TOOL_ORDER = "tool_order"
LABEL_UNKNOWN = "label_unknown"
LENGTH_OUT_OF_BOUNDS = "length_out_of_bounds"
MOJIBAKE = "mojibake"
PRIVATE_USE = "private_use"
TEMPLATE_LEFTOVER = "template_leftover"
PLACEHOLDER = "placeholder"
STACKED_INSTRUCTIONS = "stacked_instructions"
LANGUAGE_MISMATCH = "language_mismatch"
TRUNCATED_TEXT = "truncated_text"
REPEATED_TEXT = "repeated_text"

# What readers refuse.
READING: dict[str, str] = {
    BROKEN_JSON: "the line is not JSON",
    NOT_AN_OBJECT: "the record is JSON, but not an object with named fields",
    DUPLICATE_KEY: "an object of the record has a key twice, so it says two things",
    BROKEN_ROW: "the table row has other fields than the header, or its quotes do not match",
    BAD_ENCODING: "a text holds bytes that the encoding does not know, or half a surrogate pair",
    MISSING_FIELD: "a field that the mapping needs is not in the record, or is empty",
    WRONG_TYPE: "a field holds another kind of value than text",
    NO_PROMPT: "there is nothing to answer: instruction and input are empty",
    NO_ANSWER: "there is no answer to learn",
    LABEL_NOT_MAPPED: "the label is not among the source's `labels`",
    FILTERED: "the source's `filters` leave the record out",
    EMPTY_CONVERSATION: "the conversation has no turns",
    UNKNOWN_ROLE: "a turn's role is none of system, user, assistant, tool or their known names",
    UNEVEN_PARALLEL_LINE: "the line is empty on one side of the parallel files, or on both",
    NO_ITEMS: "the list that `each` names is empty",
    UNANSWERED_TURN: "a message of a tree that no answer follows; its thread ends before it",
    DELETED_MESSAGE: "a message of a tree marked as deleted, left out with all below it",
    EMPTY_TRANSLATION: "the catalogue entry has no translation yet",
    FUZZY_ENTRY: "the translation is marked as fuzzy: made for an earlier text, not checked",
    OBSOLETE_ENTRY: "the entry is no longer in the program (`#~`)",
    TEMPLATE_NOT_APPLICABLE: "the template writes no prompt or no answer for this record",
    CONTRADICTION: "two keys that mean the same part hold different values",
    UNSUPPORTED_KEY: "a key that changes what the record means, such as a weight, is not read by the format",
    NOT_TEXT: "a turn holds something other than text, such as an image",
    BROKEN_TOOL_CALL: "a call of a tool has no name, or its arguments are no JSON object",
    BROKEN_TOOLS: "the tools are no list of objects with names, nor its JSON text",
    JOIN_MISSING: "no record of the files that `join` names has the id of this one",
    JOIN_AMBIGUOUS: "several records of the files that `join` names have the id of this one",
}

# What `validate` looks for.
CHECKS: dict[str, str] = {
    EMPTY_ANSWER: "nothing to train on: the answer is empty after normalization",
    EMPTY_INSTRUCTION: "neither an instruction, nor an input, nor a wording of the task",
    ROLE_ORDER: "roles do not alternate user, assistant (after at most one system message)",
    TOOL_ORDER: "a tool's turn answers no call, or a call stands there without its result",
    LABEL_UNKNOWN: "the label is not one of the task's labels",
    MEANINGLESS_ANSWER: "the answer has no letter, no digit and no sign that says something",
    LENGTH_OUT_OF_BOUNDS: "instruction, input or answer outside data.bounds",
    MOJIBAKE: "bytes were read in the wrong encoding, or letters were lost",
    PRIVATE_USE: "a text holds a sign of Unicode's private areas, which only some font or program knows",
    TEMPLATE_LEFTOVER: "a mark or an unfilled variable of a prompt template stands in the text",
    PLACEHOLDER: "the whole text is filler that was meant to be replaced",
    STACKED_INSTRUCTIONS: "two complete requests stand one after another over one missing text",
    LANGUAGE_MISMATCH: "the answer is not in the language that was asked for or declared",
    TRUNCATED_TEXT: "the answer breaks off",
    REPEATED_TEXT: "the answer repeats itself over and over",
}

# What the steps after it look for.
LATER: dict[str, str] = {
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
    "template_without_calls": "an answer calls tools, and the chat template has no place for calls",
    "undecodable_text": "the tokenizer cannot give the answer back exactly",
    "no_trained_tokens": "no answer of the row can be trained",
}

REASONS: dict[str, str] = READING | CHECKS | LATER

# The rest of the pipeline counts on an answer being there.
SWITCHABLE = tuple(name for name in CHECKS if name != EMPTY_ANSWER)
