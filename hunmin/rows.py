"""A row in its shapes, from the reader to Arrow.

What becomes of it, in order:

    DraftRow | Rejected     a format has read it, or could not            data_pipeline/sources/read.py
    Kept | Rejected         normalized, judged, identified, split         data_pipeline/rows/prepare.py
    Rendered | Unrendered   drawn and tokenized in one epoch, or why not  data_pipeline/packing/encode.py

They are dictionaries, for that is what Arrow takes; the columns they end in are in hunmin/schema.py.
"""

from typing import NotRequired, TypedDict, TypeVar, cast

from hunmin.schema import Split


class ToolCall(TypedDict):
    """A call that an assistant makes. `arguments` is JSON text in the file's spelling."""

    id: str | None
    name: str
    arguments: str


class Message(TypedDict):
    """A turn of the system, the user, the assistant or a tool.

    `train`: what an assistant says is a training target, with `weight` (absent: 1). `reasoning` is its
    thought before the answer, `tool_calls` are its calls after it; a tool's turn answers the call
    `tool_call_id` of the function `name`.
    """

    role: str
    content: str
    train: NotRequired[bool]
    reasoning: NotRequired[str | None]
    tool_calls: NotRequired[list[ToolCall] | None]
    tool_call_id: NotRequired[str | None]
    name: NotRequired[str | None]
    weight: NotRequired[float | None]


class Fields(TypedDict):
    """The parts a row was made of. `value` is the raw label as the file spells it."""

    instruction: str | None
    input: str | None
    answer: str
    rationale: str | None
    label: str | None
    value: str | None


class Origin(TypedDict):
    """Where a row came from: 0-based record of the file, 0-based row of the record."""

    source: str
    file: str
    record: int
    sub_record: int


class DraftRow(Origin):
    """A row as its source has it. `family_key` names its family where the source declares one.

    `weight` is on all its answers (absent: 1); `unread` are the keys of its record that no reader knows.
    """

    task: str | None
    domain: str | None
    language: str | None
    licence: str
    synthetic: bool
    family_key: str | None
    fields: Fields
    messages: list[Message] | None
    tools: NotRequired[str | None]  # JSON text: the list of function schemas that the row's tools have
    weight: NotRequired[float]
    unread: NotRequired[list[str]]
    references: list[str]


class Rejected(Origin):
    """A record that gives no row: a code of data_pipeline/reasons.py, and the place in words.

    `text` is what it says, as far as that could be read.
    """

    ord: NotRequired[int]
    row_id: NotRequired[str]
    reason: str
    detail: str
    text: NotRequired[str]


class Row(Origin):
    """A row as rendering reads it.

    `attests` is what its source says of every answer: it decides which wordings are true of it.
    """

    row_id: str
    family_id: str
    task: str
    domain: str
    language: str
    licence: str
    synthetic: bool
    weight: float
    constraints: list[str]
    transforms: list[str]
    flags: list[str]
    fields: Fields
    messages: list[Message] | None
    tools: NotRequired[str | None]
    references: list[str]
    split: Split
    row_hash: int
    attests: NotRequired[list[str]]
    ord: int  # its canonical place; 0 until it lies in a part


class Kept(Row):
    """A row that was kept, with what it is compared by; build/prepared_rows.py adds the rest."""

    unread_keys: list[str]

    text_key: str
    prompt_key: str
    answer_key: str
    num_variants: int
    num_answer_chars: int
    short_answer: str | None
    asked_key: int | None
    asked_language: str
    said_language: str


class Drawing(TypedDict):
    """A row as it was asked in one epoch."""

    row: Row
    wording_id: str | None
    wrapper: str | None
    constraints: list[str]
    transforms: list[str]
    messages: list[Message]
    references: list[str]


class InEpoch(TypedDict):
    """Which row of which epoch. `turn` numbers what it was rendered as: refused renderings come last, so the
    one of turn 0 tells whether the row is trained at all.
    """

    ord: int
    split: Split
    task: str
    language: str
    source: str
    row_hash: int
    epoch: int
    repeat: int
    turn: int


class Rendered(InEpoch, Drawing):
    """A row in one epoch as ids; `part` and `idx` say where they lie, once they do.

    `messages` end with the last answer that is trained, and `train` is true of those that are; `num_behind`
    messages of the conversation come after them. `weight` is of every trained token.
    """

    weight: float
    num_behind: int
    num_tokens: int
    num_trained_tokens: int
    num_chars: int
    instruction: str | None
    examples: list[str]
    input_ids: list[int]
    labels: list[int]
    part: NotRequired[int]
    idx: NotRequired[int]


class Unrendered(InEpoch):
    """A row that cannot be trained in this epoch, and why."""

    row: Row
    wording_id: str | None
    wrapper: str | None
    constraints: list[str]
    transforms: list[str]
    reason: str
    detail: str


AnyRow = TypeVar("AnyRow", DraftRow, Row, Kept, Message)


def with_values(row: AnyRow, **values: object) -> AnyRow:
    """The row with other values under some of its keys."""
    return cast(AnyRow, {**row, **values})


def texts_of(message: Message) -> list[str]:
    """Every text of a message: its thought, its content, and the names and arguments of its calls."""
    calls = [text for call in message.get("tool_calls") or () for text in (call["name"], call["arguments"])]
    return [text for text in (message.get("reasoning"), message["content"]) if text is not None] + calls


def said_by(message: Message) -> str:
    """What a message says in the end: its content and its calls, a line each, without its thought."""
    calls = [f"{call['name']}({call['arguments']})" for call in message.get("tool_calls") or ()]
    return "\n".join([message["content"], *calls] if message["content"] else calls)
