"""A row in one epoch: variant drawn, template applied, tokenized and masked; or a reason why not."""

from dataclasses import dataclass, replace

from data_pipeline.augment.draw import Drawn, draw_variant
from data_pipeline.augment.few_shot import ExamplePool
from data_pipeline.build.context import BuildContext
from data_pipeline.packing.trained_turns import by_weight, ending_with, last_question, without_oldest_exchange
from hunmin.models.renderer import RenderedIds, RowRefused
from hunmin.rows import Drawing, InEpoch, Message, Rendered, Row, Unrendered, with_values


@dataclass(frozen=True)
class _Part:
    """One rendered row. `drawn.messages` end with its last trained answer; `num_behind` come after that."""

    drawn: Drawn
    ids: RenderedIds
    weight: float = 1.0
    num_behind: int = 0


def encode(row: Row, *, build: BuildContext, epoch: int, repeat: int) -> list[Rendered | Unrendered]:
    """A row in one epoch, but for part and idx: what it is rendered as, by `turn`, and what is refused of it.

    Most rows are rendered as one. A conversation gives several where its answers have several weights, or
    where its template writes a turn's history otherwise than the turns before it were asked; then each answer
    is trained in one of them. A held-out row is one, whose answers are all asked.

    Args:
        epoch, repeat: choose the variant. Validation and held-out rows are rendered plainly, once.
    """
    drawn = _draw(row, build, epoch, repeat, examples=build.examples if row["split"] == "train" else None)
    try:
        if drawn.wrapper and not _fits(drawn.messages, build):  # rather bare than not at all
            drawn = _draw(row, build, epoch, repeat, examples=None)
            if not _fits(drawn.messages, build):
                drawn = _draw(row, build, epoch, repeat, examples=None, plain=True)
        found = [_whole(drawn, build)] if row["split"] == "heldout" else _parts(drawn, row["weight"], build)
    except RowRefused as refused:
        found = [refused]
    return [
        _unrendered(_in_epoch(row, epoch, repeat, turn), row, drawn, part)
        if isinstance(part, RowRefused)
        else _rendered(_in_epoch(row, epoch, repeat, turn), row, part)
        for turn, part in enumerate(found)
    ]


def _in_epoch(row: Row, epoch: int, repeat: int, turn: int) -> InEpoch:
    return {
        "ord": row["ord"],
        "split": row["split"],
        "task": row["task"],
        "language": row["language"],
        "source": row["source"],
        "row_hash": row["row_hash"],
        "epoch": epoch,
        "repeat": repeat,
        "turn": turn,
    }


def _rendered(where: InEpoch, row: Row, part: _Part) -> Rendered:
    return Rendered(
        **where,
        **_as_drawn(row, part.drawn, part.ids),
        weight=part.weight,
        num_behind=part.num_behind,
        num_tokens=len(part.ids.input_ids),
        num_trained_tokens=part.ids.num_trained_tokens,
        num_chars=sum(len(m["content"]) for m in part.drawn.messages),
        instruction=part.drawn.instruction,
        examples=part.drawn.examples,
        input_ids=part.ids.input_ids,
        labels=part.ids.labels,
    )


def _unrendered(where: InEpoch, row: Row, drawn: Drawn, refused: RowRefused) -> Unrendered:
    return Unrendered(
        **where,
        row=row,
        wording_id=drawn.wording_id,
        wrapper=drawn.wrapper,
        constraints=[],
        transforms=[],
        reason=refused.reason,
        detail=refused.detail,
    )


def encode_unseen(row: Row, *, build: BuildContext) -> Drawing | None:
    """A held-out row asked in a held-out wording of its task: `row`, and what was drawn for it.

    None where no held-out wording is true of the row, or its prompt does not fit.
    """
    drawn = _draw(row, build, 0, 0, examples=None, plain=True, heldout=True)
    if drawn.wording_id is None:
        return None
    try:
        whole = _whole(drawn, build)
    except RowRefused:  # the row itself is asked in another wording, or counted as refused
        return None
    return _as_drawn(row, whole.drawn, whole.ids)


def _as_drawn(row: Row, drawn: Drawn, rendered: RenderedIds) -> Drawing:
    """What was drawn, in columns of the ledger and of heldout.parquet."""
    return {
        "row": row,
        "wording_id": drawn.wording_id,
        "wrapper": drawn.wrapper,
        "constraints": drawn.constraints,
        "transforms": [*drawn.transforms, *(f"untrained_turn:{turn}" for turn in rendered.untrained_turns)],
        "messages": drawn.messages,
        "references": drawn.references or row["references"],
    }


def _draw(
    row: Row,
    build: BuildContext,
    epoch: int,
    repeat: int,
    *,
    examples: ExamplePool | None,
    plain: bool = False,
    heldout: bool = False,
) -> Drawn:
    return draw_variant(
        with_values(row, attests=build.attests[row["source"]]),
        tasks=build.tasks,
        augment=build.config.augment,
        seed=build.seed,
        epoch=epoch,
        repeat=repeat,
        examples=examples,
        plain=plain or row["split"] != "train",
        heldout=heldout,
    )


def _whole(drawn: Drawn, build: BuildContext) -> _Part:
    """A row of which every answer fits; its ids are the longest that it is rendered as.

    Raises:
        RowRefused: it does not fit, or nothing of it can be trained.
    """
    if not _fits(drawn.messages, build) and build.config.too_long == "shorten_input":
        drawn = _shortened(drawn, build)
    ids = max(_renderings(drawn.messages, build), key=lambda one: len(one.input_ids))
    _require_trainable(ids, build)
    return _Part(drawn, ids)


def _parts(drawn: Drawn, row_weight: float, build: BuildContext) -> list[_Part | RowRefused]:
    """What a row is rendered as, by the last answer that each trains; then what is refused of it.

    Each fits by itself, of a shortened context where the config says so; answers are never cut.

    Raises:
        RowRefused: nothing of it is to be trained.
    """
    parts: list[_Part] = []
    refusals: list[RowRefused] = []
    for weight, messages in by_weight(drawn.messages, row_weight=row_weight).items():
        try:
            renderings = _renderings(messages, build)
        except RowRefused as refused:
            refusals.append(refused)
            continue
        for ids in renderings:
            try:
                num_behind = len(drawn.messages) - len(messages)
                parts.append(_part(replace(drawn, messages=messages), ids, weight, num_behind, build))
            except RowRefused as refused:
                refusals.append(refused)
    if not parts and not refusals:
        raise RowRefused("no_trained_tokens", "no answer of it is trained")
    parts.sort(key=lambda part: -part.num_behind)
    return [*parts, *refusals]


def _part(drawn: Drawn, ids: RenderedIds, weight: float, num_behind: int, build: BuildContext) -> _Part:
    """One rendering of a row.

    Raises:
        RowRefused: it does not fit, or nothing of it can be trained.
    """
    own = replace(drawn, messages=ending_with(drawn.messages, ids.turns)) if ids.turns else drawn
    num_behind += len(drawn.messages) - len(own.messages)
    if len(ids.input_ids) > build.config.seq_len and build.config.too_long == "shorten_input":
        own = _shortened(own, build)
        ids = _renderings(own.messages, build)[-1]  # a shorter history of what one sequence held is one too
    _require_trainable(ids, build)
    return _Part(own, ids, weight, num_behind)


def _require_trainable(ids: RenderedIds, build: BuildContext) -> None:
    seq_len = build.config.seq_len
    if len(ids.input_ids) > seq_len:
        raise RowRefused("too_long", f"{len(ids.input_ids)} tokens, seq_len is {seq_len}")
    if not ids.num_trained_tokens:
        raise RowRefused("no_trained_tokens", "every answer was left out by the template")


def _shortened(drawn: Drawn, build: BuildContext) -> Drawn:
    """Without as many of the oldest exchanges as it takes, then without the end of the last question."""
    messages, transforms = drawn.messages, list(drawn.transforms)
    dropped = 0
    while not _fits(messages, build) and (rest := without_oldest_exchange(messages)):
        messages = rest
        dropped += 1
    if dropped:
        transforms.append(f"exchanges_dropped:{dropped}")
    asked = messages[last_question(messages)]["content"]
    low = asked.find("\n\n") + 2 if "\n\n" in asked else len(asked)  # the instruction stays whole
    high = len(asked)
    if not _fits(messages, build) and low < high and _fits(_cut(messages, low), build):
        while high - low > 1:  # the beginning of `low` characters fits, that of `high` does not
            middle = (low + high) // 2
            low, high = (middle, high) if _fits(_cut(messages, middle), build) else (low, middle)
        messages = _cut(messages, low)
        transforms.append(f"input_cut:{len(asked) - low}")
    return replace(drawn, messages=messages, transforms=transforms)


def _fits(messages: list[Message], build: BuildContext) -> bool:
    return all(len(ids.input_ids) <= build.config.seq_len for ids in _renderings(messages, build))


def _renderings(messages: list[Message], build: BuildContext) -> list[RenderedIds]:
    """The ids of a conversation, once for each run of its trained answers that one sequence can hold."""
    return [build.renderer.row(messages)]


def _cut(messages: list[Message], size: int) -> list[Message]:
    """With the first `size` characters of the last question."""
    at = last_question(messages)
    asked = with_values(messages[at], content=messages[at]["content"][:size])
    return [*messages[:at], asked, *messages[at + 1 :]]
