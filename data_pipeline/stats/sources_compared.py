"""What only shows over a whole source, and is said once: texts of two tasks, answers in another language."""

from collections.abc import Sequence

from data_pipeline.config import SourceConfig
from data_pipeline.database.row_database import RowDatabase
from hunmin.schema import SharedTexts

MIN_SHARED = 0.1  # of the smaller source's texts; fewer are chance: greetings, set questions
NEARLY_ALL = 0.9  # of a source's rows
TRANSLATION = "translation"  # whose answers are in another language by right
SPOKEN = ("ko", "en", "other")


def shared_texts(database: RowDatabase) -> list[SharedTexts]:
    """Pairs of sources that ask about the same texts under two tasks, the most texts first."""
    lines = database.rows(
        """
        WITH asked AS (SELECT DISTINCT source, task, asked_key FROM alive WHERE asked_key IS NOT NULL),
        sizes AS (SELECT source, task, count(*) AS n FROM asked GROUP BY ALL)
        SELECT a.source AS one, b.source AS other, a.task AS task, b.task AS other_task, count(*) AS texts,
               least(any_value(mine.n), any_value(theirs.n)) AS fewer
        FROM asked a JOIN asked b ON a.asked_key = b.asked_key AND a.source < b.source AND a.task <> b.task
        JOIN sizes mine ON mine.source = a.source AND mine.task = a.task
        JOIN sizes theirs ON theirs.source = b.source AND theirs.task = b.task
        GROUP BY ALL ORDER BY texts DESC, one, other, task, other_task
        """
    )
    return [
        SharedTexts(
            sources=[line["one"], line["other"]],
            tasks=[line["task"], line["other_task"]],
            texts=line["texts"],
            share=round(line["texts"] / line["fewer"], 4),
        )
        for line in lines
        if line["texts"] >= max(2, MIN_SHARED * line["fewer"])
    ]


def languages_of(database: RowDatabase, source: str, *, without_task: str = "") -> dict[str, dict[str, int]]:
    """Of a source's kept rows: language asked in -> language answered in -> rows."""
    lines = database.rows(
        "SELECT asked_language AS asked, said_language AS said, count(*) AS n FROM alive "
        "WHERE source = ? AND task <> ? AND asked_language IS NOT NULL GROUP BY ALL ORDER BY ALL",
        [source, without_task],
    )
    found: dict[str, dict[str, int]] = {}
    for line in lines:
        found.setdefault(line["asked"], {})[line["said"]] = line["n"]
    return found


def notes(database: RowDatabase, sources: Sequence[SourceConfig], shared: Sequence[SharedTexts]) -> list[str]:
    """One line for each thing that a person should know of a source."""
    found = [
        f"data: sources {' and '.join(one['sources'])} hold {one['texts']} of the same texts "
        f"({one['share']:.0%} of the smaller one's) under two tasks, {' and '.join(one['tasks'])}; if that "
        "is not meant, look at their paths; if it is, a `family:` of the same column keeps them in one split"
        for one in shared
    ]
    for source in sources:
        note = _language_note(database, source.name)
        found += [note] if note else []
    return found


def _language_note(database: RowDatabase, source: str) -> str | None:
    pairs = {
        (asked, said): count
        for asked, answers in languages_of(database, source, without_task=TRANSLATION).items()
        for said, count in answers.items()
        if asked in SPOKEN and said in SPOKEN
    }
    if not pairs:
        return None
    differing = {pair: count for pair, count in pairs.items() if pair[0] != pair[1]}
    num_differing = sum(differing.values())
    if num_differing < NEARLY_ALL * sum(pairs.values()):
        return None
    asked, said = max(differing, key=lambda pair: (differing[pair], pair))
    return (
        f"data: source {source}: {num_differing} of {sum(pairs.values())} answers are in another language "
        f"than what is asked, mostly {said} to {asked}; if that is not meant, look at its columns and labels"
    )
