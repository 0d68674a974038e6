"""Reading the sources once as the data stage will, to say what is kept and to fit the defaults."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from data_pipeline.config import DataConfig, SourceConfig
from data_pipeline.rows.prepare import prepare
from data_pipeline.sources import expand, read
from data_pipeline.tasks.tasks import Task
from hunmin.errors import InputError
from hunmin.rows import Kept, Rejected, texts_of

HARM = ("harmful_content", "biased_content")
READ = 20_000  # records of a source that are read
MOST_NARROW, MOST_WIDE = 5, 2.5  # characters that a token of a small vocabulary holds at best: ASCII, Hangul


@dataclass
class Counts:
    """What reading the sources gave."""

    kept: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)  # reason -> the first detail
    chars: list[int] = field(default_factory=list)  # of kept rows
    least_tokens: list[float] = field(default_factory=list)  # of kept rows, if all their words were tokens
    letters: set[str] = field(default_factory=set)
    seen: Counter[str] = field(default_factory=Counter)  # kept rows with thoughts, tools, weights
    unread: Counter[str] = field(default_factory=Counter)  # kept rows by keys that no reader knows
    labels: dict[str, Counter[str]] = field(default_factory=dict)  # source -> label -> rows
    flagged: dict[str, Counter[str]] = field(default_factory=dict)  # as labels: rows kept, flagged as harmful
    dropped: dict[str, Counter[str]] = field(default_factory=dict)  # as labels: rows rejected for harm
    partly: bool = False  # there are more records

    @property
    def total(self) -> int:
        """Records that were read."""
        return self.kept + self.rejected.total()


def read_all(sources: Sequence[SourceConfig], tasks: Mapping[str, Task], *, base: Path) -> Counts:
    """Read and judge the rows of the sources as the data stage will, up to READ records each.

    Raises:
        InputError: not one record can be kept.
    """
    counts = Counts()
    config = DataConfig.model_validate({"sources": list(sources)})
    for index, source in enumerate(sources):
        units = expand(source, index=index, base=base)
        rows = (row for unit in units for row in read(unit, source))
        before = counts.total
        for draft in islice(rows, READ):
            row = prepare(draft, config=config, tasks=dict(tasks), seed=0)
            label = None if "reason" in draft else draft["fields"]["label"]
            if label:
                counts.labels.setdefault(source.name, Counter())[label] += 1
                if (harmful := _harm_of(row, counts)) is not None:
                    harmful.setdefault(source.name, Counter())[label] += 1
            if "reason" in row:
                where = "" if "reason" in draft else f"record {row['record'] + 1}: "
                counts.rejected[row["reason"]] += 1
                counts.examples.setdefault(row["reason"], f"{where}{row['detail']}")
                continue
            counts.kept += 1
            texts = [str(text) for name, text in row["fields"].items() if text and name != "label"]
            texts += [text for turn in row["messages"] or [] for text in texts_of(turn)]
            counts.seen.update(_seen_in(row))
            counts.unread.update(row["unread_keys"] if source.format != "table" else ())
            counts.chars.append(sum(map(len, texts)))
            narrow = sum(char.isascii() for text in texts for char in text)
            counts.least_tokens.append(narrow / MOST_NARROW + (counts.chars[-1] - narrow) / MOST_WIDE)
            counts.letters.update("".join(texts))
        counts.partly |= counts.total - before == READ
    if not counts.kept:
        reason, number = (counts.rejected.most_common(1) or [("no record", 0)])[0]
        example = f", first {counts.examples[reason]}" if number else ""
        raise InputError(
            f"none of {counts.rejected.total()} records can be kept ({reason} {number} times{example}); "
            "see whether the columns and labels are the right ones (--column)"
        )
    return counts


def _harm_of(row: Kept | Rejected, counts: Counts) -> dict[str, Counter[str]] | None:
    """Where a row is counted in which harm was found."""
    if "reason" in row:
        return counts.dropped if row["reason"] in HARM else None
    return counts.flagged if any(flag.startswith("harmful:") for flag in row["flags"]) else None


def _seen_in(row: Kept) -> set[str]:
    """What a row has beside questions and answers."""
    answers = [turn for turn in row["messages"] or [] if turn["role"] == "assistant"]
    found = {
        "thoughts, which data.reasoning trains, shows or drops": any(
            turn.get("reasoning") for turn in answers
        ),
        "calls of tools": any(turn.get("tool_calls") for turn in answers),
        "tools": bool(row.get("tools")),
        "answers that are context": any(not turn.get("train") for turn in answers),
        "weights": row["weight"] != 1 or any(turn.get("weight") for turn in answers),
    }
    return {kind for kind, there in found.items() if there}


def harm_notes(counts: Counts) -> list[str]:
    """What to decide where harm is found among rows whose answers are labels: it may be what they tell."""
    lines = []
    for found, what in (
        (counts.flagged, "are flagged as harmful and kept ({}); safety: drop in the source drops them, "
         "safety: keep flags none"),
        (counts.dropped, "are dropped as harmful ({}); if that is what the labels are about, write "
         "safety: keep in the source"),
    ):  # fmt: skip
        for source, labels in found.items():
            rows = counts.labels[source]
            shares = ", ".join(
                f"{n} of the {rows[label]} labelled {label}" for label, n in labels.most_common()
            )
            lines.append(f"{source}: safety: {labels.total()} of {rows.total()} rows {what.format(shares)}")
    return lines


def summary_lines(counts: Counts) -> list[str]:
    """Records in = kept + rejected, with the first detail of each reason."""
    more = f"the first {counts.total}" if counts.partly else str(counts.total)
    lines = [f"{more} records read: {counts.kept} kept, {counts.rejected.total()} rejected"]
    lines += [
        f"  {reason} {number}: {counts.examples[reason]}" for reason, number in counts.rejected.most_common()
    ]
    if counts.seen:
        kinds = ", ".join(f"{kind} ({number})" for kind, number in counts.seen.most_common())
        lines.append(f"  rows with {kinds}")
    if counts.unread:
        keys = ", ".join(f"{key} ({number})" for key, number in counts.unread.most_common())
        lines.append(f"  not used, by rows that have it: {keys}")
    return lines
