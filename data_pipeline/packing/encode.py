"""A row in one epoch: variant drawn, template applied, tokenized and masked; or a reason why not."""

from dataclasses import replace

from data_pipeline.augment.draw import Drawn, draw_variant
from data_pipeline.augment.few_shot import ExamplePool
from data_pipeline.build.context import BuildContext
from hunmin.models.renderer import RenderedIds, RowRefused
from hunmin.rows import Drawing, InEpoch, Message, Rendered, Row, Unrendered, texts_of, with_values


def encode(row: Row, *, build: BuildContext, epoch: int, repeat: int) -> Rendered | Unrendered:
    """A row in one epoch, but for its part and idx.

    Args:
        epoch, repeat: choose the variant. Validation and held-out rows are rendered plainly, once.
    """
    drawn = _draw(row, build, epoch, repeat, examples=build.examples if row["split"] == "train" else None)
    in_epoch: InEpoch = {
        "ord": row["ord"],
        "split": row["split"],
        "task": row["task"],
        "language": row["language"],
        "source": row["source"],
        "row_hash": row["row_hash"],
        "epoch": epoch,
        "repeat": repeat,
    }
    try:
        if drawn.wrapper and not _fits(drawn.messages, build):  # rather bare than not at all
            drawn = _draw(row, build, epoch, repeat, examples=None)
            if not _fits(drawn.messages, build):
                drawn = _draw(row, build, epoch, repeat, examples=None, plain=True)
        drawn, ids = _fitted(drawn, build)
    except RowRefused as refused:
        return Unrendered(
            **in_epoch,
            row=row,
            wording_id=drawn.wording_id,
            wrapper=drawn.wrapper,
            constraints=[],
            transforms=[],
            reason=refused.reason,
            detail=refused.detail,
        )
    return Rendered(
        **in_epoch,
        **_as_drawn(row, drawn, ids),
        num_tokens=len(ids.input_ids),
        num_trained_tokens=ids.num_trained_tokens,
        num_chars=sum(len(text) for message in drawn.messages for text in texts_of(message)),
        instruction=drawn.instruction,
        examples=drawn.examples,
        input_ids=ids.input_ids,
        labels=ids.labels,
    )


def encode_unseen(row: Row, *, build: BuildContext) -> Drawing | None:
    """A held-out row asked in a held-out wording of its task: `row`, and what was drawn for it.

    None where no held-out wording is true of the row, or its prompt does not fit.
    """
    drawn = _draw(row, build, 0, 0, examples=None, plain=True, heldout=True)
    if drawn.wording_id is None:
        return None
    try:
        drawn, rendered = _fitted(drawn, build)
    except RowRefused:  # the row itself is asked in another wording, or counted as refused
        return None
    return _as_drawn(row, drawn, rendered)


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


def _fitted(drawn: Drawn, build: BuildContext) -> tuple[Drawn, RenderedIds]:
    """The rendering, of a shortened context where the config says so; answers are never cut.

    Raises:
        RowRefused: it does not fit, or nothing of it can be trained.
    """
    rendered = build.renderer.row(drawn.messages)
    seq_len = build.config.seq_len
    if len(rendered.input_ids) > seq_len and build.config.too_long == "shorten_input":
        drawn, rendered = _shortened(drawn, build)
    if len(rendered.input_ids) > seq_len:
        raise RowRefused("too_long", f"{len(rendered.input_ids)} tokens, seq_len is {seq_len}")
    if not rendered.num_trained_tokens:
        raise RowRefused("no_trained_tokens", "every answer was left out by the template")
    return drawn, rendered


def _shortened(drawn: Drawn, build: BuildContext) -> tuple[Drawn, RenderedIds]:
    """Without as many of the oldest exchanges as it takes, then without the end of the last question."""
    messages, transforms = drawn.messages, list(drawn.transforms)
    start = 1 if messages[0]["role"] == "system" else 0
    dropped = 0
    while not _fits(messages, build) and (questions := _questions(messages))[1:]:
        messages = [*messages[:start], *messages[questions[1] :]]
        dropped += 1
    if dropped:
        transforms.append(f"exchanges_dropped:{dropped}")
    asked = messages[_questions(messages)[-1]]["content"]
    low = asked.find("\n\n") + 2 if "\n\n" in asked else len(asked)  # the instruction stays whole
    high = len(asked)
    if not _fits(messages, build) and low < high and _fits(_cut(messages, low), build):
        while high - low > 1:  # the beginning of `low` characters fits, that of `high` does not
            middle = (low + high) // 2
            low, high = (middle, high) if _fits(_cut(messages, middle), build) else (low, middle)
        messages = _cut(messages, low)
        transforms.append(f"input_cut:{len(asked) - low}")
    return replace(drawn, messages=messages, transforms=transforms), build.renderer.row(messages)


def _fits(messages: list[Message], build: BuildContext) -> bool:
    return len(build.renderer.row(messages).input_ids) <= build.config.seq_len


def _questions(messages: list[Message]) -> list[int]:
    """Where the user's turns stand: each begins an exchange, calls of tools and their results included."""
    return [index for index, message in enumerate(messages) if message["role"] == "user"]


def _cut(messages: list[Message], size: int) -> list[Message]:
    """With the first `size` characters of the last question."""
    at = _questions(messages)[-1]
    asked = with_values(messages[at], content=messages[at]["content"][:size])
    return [*messages[:at], asked, *messages[at + 1 :]]
