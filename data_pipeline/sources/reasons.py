"""Why a record is not kept by its reader: every reason code, with what it means."""

BROKEN_JSON = "broken_json"
NOT_AN_OBJECT = "not_an_object"
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

REASONS: dict[str, str] = {
    BROKEN_JSON: "the line is not JSON",
    NOT_AN_OBJECT: "the record is JSON, but not an object with named fields",
    BROKEN_ROW: "the table row has other fields than the header, or its quotes do not match",
    BAD_ENCODING: "a text holds bytes that the encoding does not know, or half a surrogate pair",
    MISSING_FIELD: "a field that the mapping needs is not in the record, or is empty",
    WRONG_TYPE: "a field holds another kind of value than text",
    NO_PROMPT: "there is nothing to answer: instruction and input are empty",
    NO_ANSWER: "there is no answer to learn",
    LABEL_NOT_MAPPED: "the label is not among the source's `labels`",
    FILTERED: "the source's `filters` leave the record out",
    EMPTY_CONVERSATION: "the conversation has no turns",
    UNKNOWN_ROLE: "a turn's role is none of system, user, assistant or their known names",
    UNEVEN_PARALLEL_LINE: "the line is empty on one side of the parallel files, or on both",
    NO_ITEMS: "the list that `each` names is empty",
    UNANSWERED_TURN: "a message of a tree that no answer follows; its thread ends before it",
    DELETED_MESSAGE: "a message of a tree marked as deleted, left out with all below it",
    EMPTY_TRANSLATION: "the catalogue entry has no translation yet",
    FUZZY_ENTRY: "the translation is marked as fuzzy: made for an earlier text, not checked",
    OBSOLETE_ENTRY: "the entry is no longer in the program (`#~`)",
    TEMPLATE_NOT_APPLICABLE: "the template writes no prompt or no answer for this record",
}
