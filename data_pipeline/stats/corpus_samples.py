"""data/corpus.json: a few rows of everything that became of the corpus, for people to look at.

How many there are is bounded, whatever the corpus holds; which, is drawn by the seed.
"""

from collections.abc import Iterable

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
    """Everything that the corpus page shows of single rows; all rows are rendered."""
    parts = [work.path("read", part) for part in work.parts("read")]
    database.view_of_parts(
        "looks", "ord, source, task, fields.label AS label, request_language, language", parts
    )
    return CorpusSamples(
        schema_version=SCHEMA_VERSION,
        kept=_kept(database, build, work),
        rejected=(rejected := _rejected(database, build, work)),
        meanings={reason: REASONS[reason] for reason in rejected},
        near_pairs=_near_pairs(database, work) if build.config.dedup.near else [],
        num_near_pairs=database.number("SELECT count(*) FROM refused WHERE reason = 'near_duplicate'"),
        labels=_labels(database),
        languages=_languages(database),
    )


def draw(ords: np.ndarray, few: int, *place: object) -> list[int]:
    """At most `few` of these, evenly, in their order; the same for the same place."""
    chosen = np.random.default_rng(stable_hash("corpus page", *place)).permutation(len(ords))[:few]
    return sorted(int(one) for one in ords[chosen])


def _kept(database: RowDatabase, build: BuildContext, work: WorkFolder) -> dict[str, list[KeptSample]]:
    sources = [source.name for source in build.config.sources]
    each = max(1, min(KEPT_PER_SOURCE, KEPT // len(sources)))
    found: dict[str, list[KeptSample]] = {}
    for source in sources:
        ords = database.arrays("SELECT ord FROM alive WHERE source = ? ORDER BY ord", [source])["ord"]
        chosen = draw(ords, each, build.seed, source)
        first = {
            line["ord"]: line
            for line in database.rows(
                "SELECT ord, arg_min({'epoch': epoch, 'repeat': repeat}, (epoch, repeat)) AS at FROM renders "
                "WHERE reason IS NULL AND ord IN (SELECT unnest(?::BIGINT[])) GROUP BY ord",
                [chosen],
            )
        }
        encoded = (encode(row, build=build, **first[row["ord"]]["at"]) for row in rows_at(work, chosen))
        found[source] = [_kept_sample(line) for line in encoded if "messages" in line]
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


def _rejected(
    database: RowDatabase, build: BuildContext, work: WorkFolder
) -> dict[str, list[RejectedSample]]:
    counts = database.counts("SELECT reason, count(*) FROM refused GROUP BY 1")
    found: dict[str, list[RejectedSample]] = {}
    for reason in counts:
        ords = database.arrays("SELECT ord FROM refused WHERE reason = ? ORDER BY ord", [reason])["ord"]
        samples = _samples(database, work, draw(ords, REJECTED_PER_REASON, build.seed, reason))
        found[reason] = list(samples.values())
    return found


def _near_pairs(database: RowDatabase, work: WorkFolder) -> list[NearPair]:
    """The pairs that are least alike, for a threshold is judged by them."""
    lines = database.rows(
        "SELECT ord, winner_ord, similarity FROM near_losers "
        "SEMI JOIN (SELECT ord FROM refused WHERE reason = 'near_duplicate') USING (ord) "
        "ORDER BY similarity, ord LIMIT ?",
        [NEAR_PAIRS],
    )
    said = _samples(database, work, [line[name] for line in lines for name in ("ord", "winner_ord")])
    return [
        NearPair(
            dropped=said[line["ord"]],
            kept=said[line["winner_ord"]],
            similarity=round(float(line["similarity"]), 3),
        )
        for line in lines
    ]


def _samples(database: RowDatabase, work: WorkFolder, ords: Iterable[int]) -> dict[int, RejectedSample]:
    """By place, in canonical order: where records lie and what they say; refused ones with the detail."""
    texts = texts_at(work, ords)
    lines = database.rows(
        "SELECT ord, row_id, source, detail FROM rows LEFT JOIN refused USING (ord) "
        "WHERE ord IN (SELECT unnest(?::BIGINT[])) ORDER BY ord",
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
        "SELECT source, request_language AS request, language AS answer, count(*) AS rows FROM looks "
        "GROUP BY 1, 2, 3 ORDER BY source, rows DESC, request, answer"
    )
    found: dict[str, list[LanguagePair]] = {}
    for line in lines:
        pair = LanguagePair(request=line["request"], answer=line["answer"], rows=line["rows"])
        found.setdefault(line["source"], []).append(pair)
    return found
