"""Which text a token of a row stands for: the template's, or a part of the row, and its characters there."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from data_pipeline.augment.wrappers import STEPS
from data_pipeline.build.context import BuildContext
from data_pipeline.tasks.tasks import task_of
from hunmin.models.part_marks import spans_of
from hunmin.models.renderer import Piece
from hunmin.rows import Kept
from launcher.inspect.rebuild import Rebuilt

AROUND = 40  # characters shown on either side
_STEPS = {request for requests in STEPS.values() for request in requests}


@dataclass(frozen=True)
class Origin:
    """Where a token's text comes from: `text[start:end]` of a part's whole text."""

    part: str  # of trace.PARTS; joint: what stands between parts
    message: int  # the index of the chat message; for the template's text, of the message behind it
    role: str | None  # of that message; None behind the last
    text: str
    start: int
    end: int
    example: str | None = None  # the row id of the worked example, for `example`

    @property
    def around(self) -> tuple[str, str, str]:
        """The text before the token, the token's, and the text behind it."""
        before = self.text[max(0, self.start - AROUND) : self.start]
        return before, self.text[self.start : self.end], self.text[self.end : self.end + AROUND]


@dataclass(frozen=True)
class _Part:
    """`content[start:end]` of a message is the text of a part, or its beginning."""

    name: str
    start: int
    end: int
    text: str
    example: str | None = None

    def shared(self, start: int, end: int) -> int:
        """How many characters of content[start:end] are the part's."""
        return max(0, min(end, self.end) - max(start, self.start))


def origin_of(build: BuildContext, rebuilt: Rebuilt, token: int) -> Origin:
    """The origin of a token by its position in the row."""
    piece, index = _piece_of(rebuilt.pieces, token)
    start, end = piece.offsets[index]
    if not piece.is_content:
        if (marked := _marked(build, rebuilt, piece, start)) is not None:
            return replace(marked, start=start - marked.start, end=min(end, marked.end) - marked.start)
        role = rebuilt.messages[piece.message]["role"] if piece.message < len(rebuilt.messages) else None
        return Origin("template", piece.message, role, piece.text, start, end)
    message = rebuilt.messages[piece.message]
    content = message["content"]
    if piece.text != content:  # the template strips
        shift = len(content) - len(content.lstrip())
        start, end = start + shift, end + shift
    joint = _Part("joint", 0, len(content), content)
    # A token may begin with the space before a part, or end behind one: most of it decides.
    part = max(_parts(build, rebuilt, piece.message), key=lambda one: one.shared(start, end), default=joint)
    part = part if part.shared(start, end) else joint
    start, end = max(start, part.start) - part.start, min(end, part.end) - part.start
    return Origin(part.name, piece.message, message["role"], part.text, start, end, part.example)


def _marked(build: BuildContext, rebuilt: Rebuilt, piece: Piece, at: int) -> Origin | None:
    """The thought or call that holds a character of the template's text; its span is that in the piece.

    It is of the last answer that has some, up to the message behind the piece.
    """
    keys = {"thought": "reasoning", "call": "tool_calls"}
    for span in spans_of(piece.text, build.renderer.part_marks):
        having = [
            n for n, one in enumerate(rebuilt.messages[: piece.message + 1]) if one.get(keys[span.kind])
        ]
        if span.start <= at < span.end and having:
            return Origin(
                span.kind, having[-1], "assistant", piece.text[span.start : span.end], span.start, span.end
            )
    return None


def _piece_of(pieces: list[Piece], token: int) -> tuple[Piece, int]:
    """The piece that holds a token, and the token's place in it."""
    first = 0
    for piece in pieces:
        if token < first + len(piece.input_ids):
            return piece, token - first
        first += len(piece.input_ids)
    raise IndexError(f"token {token} of {first}")


def _parts(build: BuildContext, rebuilt: Rebuilt, index: int) -> list[_Part]:
    """The parts of a message's content, in order."""
    message, row = rebuilt.messages[index], rebuilt.row
    content = message["content"]
    from_end = len(rebuilt.messages) - index
    prefix = task_of(build.tasks, row["task"]).prefix
    if row["messages"]:
        return _message_parts(rebuilt, index, prefix)
    if message["role"] == "system":
        return [_Part("role", 0, len(content), content)]
    if from_end > 2:
        return [_example_part(rebuilt, index, from_end)]
    if message["role"] == "assistant":
        return _answer_parts(content, row)
    return list(_request_parts(content, row, prefix))


def _message_parts(rebuilt: Rebuilt, index: int, prefix: str | None) -> list[_Part]:
    """A turn of a conversation. Oldest exchanges may be left out, so turns count from its end."""
    message, own = rebuilt.messages[index], rebuilt.row["messages"] or []
    content = message["content"]
    whole = _Part("message", 0, len(content), content)
    if message["role"] == "system":
        return [whole if own[0]["role"] == "system" else replace(whole, name="role")]
    text = own[index - len(rebuilt.messages) - rebuilt.num_behind]["content"]
    if content == text or text.startswith(content):  # whole, or cut at its end
        return [replace(whole, text=text)]
    if prefix and content == f"{prefix} {text}":
        at = len(content) - len(text)
        return [_Part("prefix", 0, len(prefix), prefix), _Part("message", at, len(content), text)]
    return [replace(whole, name="rewording")]


def _example_part(rebuilt: Rebuilt, index: int, from_end: int) -> _Part:
    """A worked example of few-shot. The oldest may be left out, so they count from the end too."""
    content = rebuilt.messages[index]["content"]
    exchange = (from_end - 1) // 2  # 0 is the row itself
    return _Part("example", 0, len(content), content, example=rebuilt.examples[-exchange])


def _answer_parts(content: str, row: Kept) -> list[_Part]:
    """The rationale, and the answer at the end: the row's, or as an answer renderer wrote it."""
    answer, rationale = row["fields"]["answer"] or "", row["fields"]["rationale"]
    parts, at = [], 0
    if rationale and content.startswith(rationale.rstrip()) and content != answer:
        at = len(rationale.rstrip())
        parts.append(_Part("rationale", 0, at, rationale))
    if answer and content.endswith(answer):
        at = len(content) - len(answer)
        return [*parts, _Part("answer", at, len(content), answer)]
    return [*parts, *_rest("answer", content, at, len(content))]


def _request_parts(content: str, row: Kept, prefix: str | None) -> Iterator[_Part]:
    """Prefix, instruction, request for steps and input, in this order; what is absent leaves no part."""
    fields = row["fields"]
    at = len(prefix) if prefix and content.startswith(prefix) else 0
    if prefix and at:
        yield _Part("prefix", 0, at, prefix)
    start = _input_start(content, fields["input"])
    if fields["input"] and start < len(content):
        yield _Part("input", start, len(content), fields["input"])
    head = content[at:start].rstrip()
    steps = head.rpartition("\n")[2]
    if steps in _STEPS:
        yield from _rest("steps", content, at + len(head) - len(steps), at + len(head))
        head = head[: len(head) - len(steps)]
    own = fields["instruction"]
    if own and own in head:
        first = content.index(own, at)
        yield _Part("instruction", first, first + len(own), own)
    else:
        yield from _rest("rewording" if own else "wording", content, at, at + len(head))


def _input_start(content: str, text: str | None) -> int:
    """Where the input begins, which ends the content; it may be cut at its end. Without one: the end."""
    if not text:
        return len(content)
    if content.endswith(text):
        return len(content) - len(text)
    starts = (at + 2 for at in range(len(content)) if content.startswith("\n\n", at))
    return next((at for at in starts if text.startswith(content[at:])), len(content))


def _rest(name: str, content: str, start: int, end: int) -> Iterator[_Part]:
    """What stands between two parts, without the white space around it."""
    text = content[start:end]
    if stripped := text.strip():
        first = start + len(text) - len(text.lstrip())
        yield _Part(name, first, first + len(stripped), stripped)
