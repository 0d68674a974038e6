"""`hunmin show RUN`: what is trained and what is context, in the terminal, as a page, or as JSON."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.rule import Rule

from hunmin.errors import InputError
from hunmin.readable import parts_of_messages
from launcher.commands.run_folder import find_run, stage_command
from launcher.inspect.packed_data import Corpus
from launcher.inspect.rejected import FEW, ShownRejected, print_rejected, show_rejected
from launcher.inspect.show_page import page
from launcher.inspect.shown import (
    ShownPack,
    ShownRow,
    ShownSegment,
    drawn_facts,
    num_trained,
    rendered_facts,
    show_pack,
    show_row,
)
from launcher.inspect.token_marks import (
    console,
    has_colour,
    legend,
    part_text,
    running_text,
    token_lines,
    visible,
)

Shown = ShownPack | ShownRow | ShownRejected


def show(
    run: Path,
    *,
    pack: int | None,
    row: str | None,
    split: str,
    epoch: int,
    rejected: str | None = None,
    source: str | None = None,
    limit: int | None = None,
) -> Shown:
    """A pack (the first of the split where nothing is asked for), a row, or rejected records.

    Raises:
        InputError: there is no such run, pack, row, reason or source; says which there are.
        ArtifactError: a file of the data stage is missing or differs from its manifest.
    """
    asked = {"--pack": pack, "--row": row, "--rejected": rejected}
    given = [name for name, value in asked.items() if value is not None]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)}: name one of them")
    if rejected is not None:
        return show_rejected(run, reason=rejected, source=source, limit=FEW if limit is None else limit)
    if source is not None or limit is not None:
        raise InputError("--source and --limit: only with --rejected; leave out")
    corpus = open_corpus(run)
    if row is not None:
        return show_row(corpus, row)
    return show_pack(corpus, split=split, epoch=epoch, number=pack or 0)


def open_corpus(run: Path) -> Corpus:
    """The finished data stage of a run.

    Raises:
        InputError: there is no such run, or its data stage is not finished.
    """
    folder = find_run(run)
    return Corpus(folder / "data", cure=stage_command(folder, "data"))


def write_page(path: Path, shown: Shown, *, ids: bool) -> None:
    """Write what is shown as one HTML file.

    Raises:
        InputError: the file cannot be written there, or rejected records are shown.
    """
    if isinstance(shown, ShownRejected):
        raise InputError("--html: not with --rejected; the run's corpus.html shows some of each reason")
    try:
        path.write_text(page(shown, ids=ids), encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise InputError(f"--html {path}: cannot be written ({error.strerror}); name a file") from error


def as_json(shown: Shown) -> str:
    """One JSON object."""
    return json.dumps(shown.as_json(), ensure_ascii=False)


def print_text(shown: Shown, *, ids: bool) -> None:
    """Show it in the terminal."""
    out = console()
    if isinstance(shown, ShownRejected):
        print_rejected(out, shown)
        return
    if isinstance(shown, ShownPack):
        _print_pack(out, shown, ids=ids)
        return
    for line in shown.rejected:
        _say(out, f"{shown.row_id} was rejected: {line['reason']}: {line['detail']}")
        _say(out, visible(line.get("text") or ""))
    for line in shown.heldout:
        _print_heldout(out, line)
    if shown.shown is not None:
        _print_pack(out, shown.shown, ids=ids)
        others = shown.lines[1:]
        if others:
            _say(out, f"also in {', '.join(_place(line) for line in others)}")


def pack_heading(shown: ShownPack) -> str:
    """Where the pack lies and how full it is."""
    pack, trained = shown.pack, num_trained(shown.pack)
    size = len(pack.input_ids)
    return (
        f"{pack.place} of {pack.num_packs} ({pack.shard}): {size} of {pack.seq_len} tokens, "
        f"{trained} trained ({trained / size:.1%}), {len(pack.segments)} row(s)"
    )


def segment_heading(segment: ShownSegment) -> str:
    """Which row a segment is, and what was done to it."""
    line = segment.line
    facts = [f"segment {segment.index}", f"row {line['row']}", line["row_id"], line["task"]]
    return " · ".join([*facts, *drawn_facts(line)])


def _print_pack(out: Console, shown: ShownPack, *, ids: bool) -> None:
    colour = has_colour(out)
    _say(out, pack_heading(shown))
    _say(out, legend(out))
    for segment in shown.segments:
        if out.is_terminal:
            out.print(Rule(style="dim"))
        else:
            out.print()
        _say(out, segment_heading(segment))
        out.print()
        if ids:
            for line in token_lines(segment.groups, colour=colour):
                out.print(line, soft_wrap=True)
        else:
            out.print(running_text(segment.groups, colour=colour), soft_wrap=not out.is_terminal)
    out.print()


def _print_heldout(out: Console, line: dict[str, Any]) -> None:
    seen = "seen" if line["seen_task"] else "not seen"
    _say(out, f"{line['row_id']} is held out: eval asks it, nothing trains on it; its task {line['task']}")
    wording = line["wording_id"] or "its own instruction"
    trained = "" if line["seen_wording"] else ", which nothing is trained in"
    _say(out, f"is {seen} in training. Wording: {wording}{trained}")
    for part in parts_of_messages(line["messages"]):
        out.print()
        out.print(part_text(part), soft_wrap=not out.is_terminal)
    for reference in line["references"]:
        out.print()
        _say(out, f"reference:\n{visible(reference)}")


def _place(line: dict[str, Any]) -> str:
    facts = rendered_facts(line)
    again = f" ({', '.join(facts)})" if facts else ""
    return f"{line['split']}, epoch {line['epoch']}, pack {line['pack']}{again}"


def _say(out: Console, text: str) -> None:
    out.print(text, soft_wrap=not out.is_terminal)
