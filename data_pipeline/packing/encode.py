"""A row in one epoch: variant drawn, template applied, tokenized and masked; or a reason why not."""

from data_pipeline.augment.draw import Drawn, draw_unseen, draw_variant
from data_pipeline.augment.few_shot import ExamplePool
from data_pipeline.build.context import BuildContext
from data_pipeline.packing.fit import Fitter, Part
from hunmin.models.renderer import RenderedIds, RowRefused
from hunmin.rows import Drawing, InEpoch, Rendered, Row, Unrendered, texts_of


def encode(row: Row, *, build: BuildContext, epoch: int, repeat: int) -> list[Rendered | Unrendered]:
    """A row in one epoch, but for part and idx: what it is rendered as, by `turn`, and what is refused of it.

    Most rows are rendered as one. A conversation gives several where its answers have several weights, or
    where its template writes a turn's history otherwise than the turns before it were asked; then each answer
    is trained in one of them. A held-out row is one, whose answers are all asked.

    Args:
        epoch, repeat: choose the variant. Validation and held-out rows are rendered plainly, once.
    """
    fitter = _fitter(build, row)
    drawn = _draw(row, build, epoch, repeat, examples=build.examples if row["split"] == "train" else None)
    try:
        if drawn.wrapper and not fitter.fits(drawn.messages):  # rather bare than not at all
            drawn = _draw(row, build, epoch, repeat, examples=None)
            if not fitter.fits(drawn.messages):
                drawn = _draw(row, build, epoch, repeat, examples=None, plain=True)
        found = [fitter.whole(drawn)] if row["split"] == "heldout" else fitter.parts(drawn)
    except RowRefused as refused:
        found = [refused]
    return [
        _unrendered(_in_epoch(row, epoch, repeat, turn), row, drawn, part)
        if isinstance(part, RowRefused)
        else _rendered(_in_epoch(row, epoch, repeat, turn), row, part)
        for turn, part in enumerate(found)
    ]


def _fitter(build: BuildContext, row: Row) -> Fitter:
    config = build.config
    return Fitter(
        build.renderer,
        seq_len=config.seq_len,
        shorten=config.too_long == "shorten_input",
        tools=row.get("tools"),
        train_reasoning=config.reasoning == "train",
    )


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


def _rendered(where: InEpoch, row: Row, part: Part) -> Rendered:
    return Rendered(
        **where,
        **_as_drawn(row, part.drawn, part.ids),
        weight=part.weight,
        num_behind=part.num_behind,
        num_tokens=len(part.ids.input_ids),
        num_trained_tokens=part.ids.num_trained_tokens,
        num_chars=sum(len(text) for message in part.drawn.messages for text in texts_of(message)),
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


def encode_unseen(row: Row, *, build: BuildContext) -> list[Drawing]:
    """A held-out row asked in held-out wordings of its task: `row`, and what was drawn for it.

    Those that are true of the row and whose prompts fit, `data.split.heldout_wordings` at most.
    """
    config, fitter = build.config, _fitter(build, row)
    found: list[Drawing] = []
    for drawn in draw_unseen(
        row,
        tasks=build.tasks,
        augment=config.augment,
        seed=build.seed,
        at_most=config.split.heldout_wordings,
    ):
        try:
            whole = fitter.whole(drawn)
        except RowRefused:  # the row itself is asked in another wording, or counted as refused
            continue
        found.append(_as_drawn(row, whole.drawn, whole.ids))
    return found


def _as_drawn(row: Row, drawn: Drawn, rendered: RenderedIds) -> Drawing:
    """What was drawn, in columns of the ledger and of heldout.parquet."""
    return {
        "row": row,
        "wording_id": drawn.wording_id,
        "wrapper": drawn.wrapper,
        "constraints": drawn.constraints,
        "transforms": [*drawn.transforms, *_left_out(rendered)],
        "messages": drawn.messages,
        "references": drawn.references or row["references"],
    }


def _left_out(rendered: RenderedIds) -> list[str]:
    """What the template does not write of a row, and a reader of the ledger should know."""
    thoughts = [f"thought_left_out:{at}" for at in rendered.dropped_thoughts]
    return [*thoughts, *(["tools_left_out"] if rendered.dropped_tools else [])]


def _draw(
    row: Row,
    build: BuildContext,
    epoch: int,
    repeat: int,
    *,
    examples: ExamplePool | None,
    plain: bool = False,
) -> Drawn:
    return draw_variant(
        row,
        tasks=build.tasks,
        augment=build.config.augment,
        seed=build.seed,
        epoch=epoch,
        repeat=repeat,
        examples=examples,
        plain=plain or row["split"] != "train",
    )
