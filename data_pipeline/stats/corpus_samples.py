"""data/corpus.json: a few rows of everything that became of the corpus, for people to look at.

How many there are is bounded, whatever the corpus holds; which, is drawn by the seed.
"""

from collections.abc import Iterable
from itertools import chain

import numpy as np

from data_pipeline.build.context import BuildContext
from data_pipeline.build.prepared_rows import rows_at, texts_at
from data_pipeline.build.work_folder import WorkFolder
from data_pipeline.database.row_database import RowDatabase
from data_pipeline.packing.encode import encode
from data_pipeline.reasons import REASONS
from hunmin.hashing import stable_hash
from hunmin.readable import parts_of_messages, shown
from hunmin.rows import Rendered
from hunmin.safety import personal_data
from hunmin.schema import SCHEMA_VERSION, CorpusSamples, KeptSample, LanguagePair, NearPair, RejectedSample

KEPT = 240  # rows of all sources; a source gets an equal part of them
KEPT_PER_SOURCE = 20
REJECTED_PER_REASON = 12
NEAR_PAIRS = 40
LABELS = 40  # of a task; a histogram of more is none
PARTS = 16  # of a conversation; of a longer one the first and the last
KEPT_CHARS = 4_000  # of a row, in equal parts


def corpus_samples(database: RowDatabase, build: BuildContext, work: WorkFolder) -> CorpusSamples:
    """Everything that the corpus page shows of single rows; all rows are rendered.

    Reads the parts' texts twice, whatever the number of sources and reasons.
    """
    parts = [work.path("read", part) for part in work.parts("read")]
    database.view_of_parts(
        "looks", "ord, source, task, fields.label AS label, asked_language, said_language", parts
    )
    reasons = database.counts("SELECT reason, count(*) FROM refused GROUP BY 1")
    refused = {reason: _draw_refused(database, reason, build.seed) for reason in reasons}
    pairs = _near_pairs(database) if build.config.dedup.near else []
    said = _said(database, work, [*chain(*refused.values()), *chain(*(pair[:2] for pair in pairs))])
    return CorpusSamples(
        schema_version=SCHEMA_VERSION,
        kept=_kept(database, build, work),
        rejected={reason: [said[place] for place in drawn] for reason, drawn in refused.items()},
        meanings={reason: REASONS[reason] for reason in refused},
        near_pairs=[
            NearPair(dropped=said[dropped], kept=said[kept], similarity=similarity)
            for dropped, kept, similarity in pairs
        ],
        num_near_pairs=reasons.get("near_duplicate", 0),
        labels=_labels(database),
        languages=_languages(database),
    )


def draw(ords: np.ndarray, few: int, *place: object) -> list[int]:
    """At most `few` of these, evenly, in their order; the same for the same place."""
    chosen = np.random.default_rng(stable_hash("corpus page", *place)).permutation(len(ords))[:few]
    return sorted(int(one) for one in ords[chosen])


def _kept(database: RowDatabase, build: BuildContext, work: WorkFolder) -> dict[str, list[KeptSample]]:
    """Some rows of each source, made again as they were rendered first."""
    found: dict[str, list[KeptSample]] = {source.name: [] for source in build.config.sources}
    each = max(1, min(KEPT_PER_SOURCE, KEPT // len(found)))
    chosen: list[int] = []
    for source in found:
        ords = database.arrays("SELECT ord FROM alive WHERE source = ? ORDER BY ord", [source])["ord"]
        chosen += draw(ords, each, build.seed, source)
    lines = database.rows(
        "SELECT ord, arg_min({'epoch': epoch, 'repeat': repeat}, (epoch, repeat)) AS first FROM renders "
        "WHERE reason IS NULL AND turn = 0 AND ord IN (SELECT unnest(?::BIGINT[])) GROUP BY ord",
        [chosen],
    )
    first = {line["ord"]: line["first"] for line in lines}
    for row in rows_at(work, chosen):
        rendered = [one for one in encode(row, build=build, **first[row["ord"]]) if "messages" in one]
        if rendered:
            found[row["source"]].append(_kept_sample(rendered[-1]))  # of several, the one with most before it
    return found


def _kept_sample(line: Rendered) -> KeptSample:
    row, parts = line["row"], parts_of_messages(line["messages"])
    told = parts if len(parts) <= PARTS else [*parts[: PARTS // 2], *parts[-PARTS // 2 :]]
    return KeptSample(
        row_id=row["row_id"],
        task=line["task"],
        split=line["split"],
        label=row["fields"]["label"],
        wording_id=line["wording_id"],
        wrapper=line["wrapper"],
        transforms=[*row["transforms"], *line["transforms"]],
        num_tokens=line["num_tokens"],
        num_trained_tokens=line["num_trained_tokens"],
        said=[(part.kind, shown(part.text, max_chars=KEPT_CHARS // len(told))) for part in told],
        num_parts=len(parts),
    )


def _draw_refused(database: RowDatabase, reason: str, seed: int) -> list[int]:
    ords = database.arrays("SELECT ord FROM refused WHERE reason = ? ORDER BY ord", [reason])["ord"]
    return draw(ords, REJECTED_PER_REASON, seed, reason)


def _near_pairs(database: RowDatabase) -> list[tuple[int, int, float]]:
    """Dropped, kept and how alike: the pairs that are least so, for by them a threshold is judged."""
    lines = database.rows(
        "SELECT ord, winner_ord, similarity FROM near_losers "
        "SEMI JOIN (SELECT ord FROM refused WHERE reason = 'near_duplicate') USING (ord) "
        "ORDER BY similarity, ord LIMIT ?",
        [NEAR_PAIRS],
    )
    return [(line["ord"], line["winner_ord"], round(float(line["similarity"]), 3)) for line in lines]


def _said(database: RowDatabase, work: WorkFolder, ords: Iterable[int]) -> dict[int, RejectedSample]:
    """By place: where records lie and what they say; with the detail of those that were refused."""
    texts = texts_at(work, ords)
    lines = database.rows(
        "SELECT ord, row_id, source, detail FROM rows LEFT JOIN refused USING (ord) "
        "WHERE ord IN (SELECT unnest(?::BIGINT[]))",
        [list(texts)],
    )
    return {
        line["ord"]: RejectedSample(
            row_id=line["row_id"],
            source=line["source"],
            detail=shown(line["detail"] or ""),
            text=texts[line["ord"]],
        )
        for line in lines
    }


def _labels(database: RowDatabase) -> dict[str, dict[str, int]]:
    lines = database.rows(
        "SELECT task, label, count(*) AS rows FROM looks WHERE label IS NOT NULL GROUP BY 1, 2 "
        "QUALIFY row_number() OVER (PARTITION BY task ORDER BY count(*) DESC, label) <= ? "
        "ORDER BY task, rows DESC, label",
        [LABELS],
    )
    found: dict[str, dict[str, int]] = {}
    for line in lines:
        label, _ = personal_data.mask(line["label"])
        counts = found.setdefault(line["task"], {})
        counts[label] = counts.get(label, 0) + line["rows"]  # two may be one where they are masked
    return found


def _languages(database: RowDatabase) -> dict[str, list[LanguagePair]]:
    lines = database.rows(
        "SELECT source, asked_language AS request, said_language AS answer, count(*) AS rows FROM looks "
        "GROUP BY 1, 2, 3 ORDER BY source, rows DESC, request, answer"
    )
    found: dict[str, list[LanguagePair]] = {}
    for line in lines:
        pair = LanguagePair(request=line["request"], answer=line["answer"], rows=line["rows"])
        found.setdefault(line["source"], []).append(pair)
    return found
