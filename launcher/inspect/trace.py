"""`hunmin trace RUN`: where a token of a pack came from, and where a row went."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hunmin.errors import InputError
from launcher.inspect.show import open_corpus
from launcher.inspect.shown import rendered_facts
from launcher.inspect.token_marks import console, visible
from launcher.inspect.trace_row import RowTrace, trace_row

if TYPE_CHECKING:  # it loads transformers, for which a row need not wait
    from launcher.inspect.trace_token import TokenTrace
PARTS = {
    "template": "the template's own text",
    "role": "the text of a role",
    "prefix": "the task's prefix",
    "wording": "a wording of the task",
    "rewording": "a rewording of the row's own instruction",
    "instruction": "the row's own instruction",
    "input": "the row's input",
    "steps": "a request for the steps",
    "rationale": "the row's rationale",
    "answer": "the row's answer",
    "message": "a message of the conversation",
    "thought": "the thought of an answer, with the template's mark before it",
    "call": "a call of a tool, with the template's mark before it",
    "example": "a worked example",
    "joint": "what joins two parts",
}


def trace(
    run: Path, *, pack: int | None, token: int | None, row: str | None, split: str, epoch: int
) -> "TokenTrace | RowTrace":
    """A token's way back to its source, or a row's way into the packs.

    Raises:
        InputError: not exactly one of them is asked for; there is no such run, pack, token or row; or a
            source does not give the packed row any more.
        ArtifactError: a file of the data stage is missing or differs from its manifest.
    """
    if row is not None and pack is None and token is None:
        return trace_row(open_corpus(run), row)
    if row is not None or pack is None or token is None:
        raise InputError("name a token (--pack N --token T), or a row (--row ID)")
    from launcher.inspect.rebuild import build_of
    from launcher.inspect.trace_token import trace_token

    corpus = open_corpus(run)
    return trace_token(corpus, build_of(run, corpus), split=split, epoch=epoch, number=pack, token=token)


def as_json(traced: "TokenTrace | RowTrace") -> str:
    """One JSON object."""
    return json.dumps(traced.as_json(), ensure_ascii=False)


def print_text(traced: "TokenTrace | RowTrace") -> None:
    """Tell it in the terminal."""
    out = console()
    lines = row_lines(traced) if isinstance(traced, RowTrace) else token_lines(traced)
    for line in lines:
        out.print(line, soft_wrap=not out.is_terminal)


def token_lines(traced: "TokenTrace") -> list[str]:
    """A token's way back, a fact a line."""
    pack, line, origin = traced.pack, traced.line, traced.origin
    trained = "trained" if traced.trained else "context"
    ids = f", one of {len(traced.group.ids)} tokens of it" if len(traced.group.ids) > 1 else ""
    message = f", message {origin.message} ({origin.role})" if origin.role else ", behind the last message"
    before, own, behind = map(visible, origin.around)
    facts = [
        ("token", f"{traced.position} of {pack.place}: id {traced.token_id}, {trained}"),
        ("text", f"{visible(traced.group.text)!r}{ids}"),
        ("segment", f"{traced.segment} of {len(pack.segments)}, in {pack.shard}"),
        ("row", f"{line['row_id']} (line {line['row']} of rows.parquet)"),
        ("source", f"{line['source']}: {' and '.join(traced.rebuilt.paths)}, {_record(line)}"),
        *_ledger_facts(line),
        ("part", f"{PARTS[origin.part]}{message}, characters {origin.start} to {origin.end}"),
        ("around", f"{before}⟦{own}⟧{behind}".replace("\n", "")),
    ]
    if origin.example:
        facts.append(("example", origin.example))
    same = f"read again from the source: the same {len(traced.rebuilt.input_ids)} ids and mask"
    return [*(f"{name:<11}{text}" for name, text in facts), f"{'checked':<11}{same}"]


def row_lines(traced: RowTrace) -> list[str]:
    """Where a row went, a place a line."""
    lines = []
    for line in traced.lines:
        which = "".join(f", {fact}" for fact in rendered_facts(line))
        wording = f", wording {line['wording_id']}" if line["wording_id"] else ""
        wrapper = f", wrapper {line['wrapper']}" if line["wrapper"] else ""
        lines.append(
            f"{line['split']}, epoch {line['epoch']}{which}, pack {line['pack']} ({line['shard']}): "
            f"{line['num_tokens']} tokens, {line['num_trained_tokens']} trained{wording}{wrapper}"
        )
    lines += [f"held out: eval asks it, in the task {line['task']}" for line in traced.heldout]
    lines += [f"rejected: {line['reason']}: {line['detail']}" for line in traced.rejected]
    lines = [f"{traced.row_id} {line}" if index == 0 else f"  {line}" for index, line in enumerate(lines)]
    if traced.winner is not None:
        lines += ["the row kept in its place:", *(f"  {line}" for line in row_lines(traced.winner))]
    return lines


def _record(line: dict[str, Any]) -> str:
    sub = f", part {line['sub_record']}" if line["sub_record"] else ""
    return f"record {line['record']}{sub}, licence {line['licence']}"


def _ledger_facts(line: dict[str, Any]) -> list[tuple[str, str]]:
    """What the data stage did to the row; what it did not is left out."""
    names = ("task", "wording_id", "wrapper", "transforms", "constraints", "flags")
    shown = {"wording_id": "wording"}
    facts = [(shown.get(name, name), line[name]) for name in names if line.get(name)]
    facts = [(name, ", ".join(value) if isinstance(value, list) else value) for name, value in facts]
    which = rendered_facts(line)
    return [*facts, ("rendered", ", ".join(which))] if which else facts
