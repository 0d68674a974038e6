"""RUN/human: what is handed out, what came back, what it says.

    human/MODE/key.parquet      the items and who said what; never for raters
    human/MODE/for_raters/      a form a rater, as CSV, XLSX and a page: hand one of the three to each
    human/ratings.parquet       what came back, unblinded; scores.json and preferences.parquet follow from it
    human/manifest.json         for readers, last; seals all but the forms, which may be filled in in place

People's work is not to be lost: ratings are written whole or not at all, an import needs only the keys and
them, each with its own seal, and nothing that was filled in is overwritten.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from eval.human.forms import READERS, WRITERS
from eval.human.human_scores import score_study
from eval.human.preference_pairs import preference_pairs, preferences_table
from eval.human.returned import Placed, Rating, Study, check_lines, merge
from eval.human.study.blinding import (
    SYSTEMS,
    draw_evenly,
    items_of,
    key_table,
    make_form,
    make_items,
    study_name,
)
from eval.human.study.criteria import MODES, Language, Mode, criteria_of
from eval.samples.samples import make_samples, read_heldout
from hunmin import artifact
from hunmin.artifact import Manifest
from hunmin.errors import ArtifactError, InputError
from hunmin.hashing import sha256_json, table_sha256
from hunmin.schema import HUMAN_KEY, HUMAN_RATINGS, SCHEMA_VERSION, HumanScores, HumanStudy
from hunmin.schema import PREFERENCES as PREFERENCES_SCHEMA

FOLDER = "human"
KEY, FORMS = "key.parquet", "for_raters"
RATINGS, SCORES, PREFERENCES = "ratings.parquet", "scores.json", "preferences.parquet"
STAGE_VERSION = 1
MAX_BYTES = 2**26  # of a file that came back
SAMPLE_COLUMNS = ["sample_id", "row_id", "turn", "system", "task", "language", "answer", "scores"]


@dataclass(frozen=True)
class HandedOut:
    """What an export made."""

    folder: Path  # of the forms
    files: list[Path]
    samples: int
    asked: int  # items in each form
    equal_answers: int  # samples both systems answered alike, which are not asked


@dataclass(frozen=True)
class TakenIn:
    """What an import found."""

    scores: HumanScores
    rated: dict[str, dict[int, tuple[int, int]]]  # by mode and rater: items rated, items asked
    changed: int  # earlier judgements that are other ones now
    pairs: int
    unread: list[str]  # "FILE: columns nobody reads"


def export_forms(
    run_dir: Path, *, mode: Mode, samples: int, raters: int, language: Language, seed: int, cure: str
) -> HandedOut:
    """Write the forms of a mode: the same for the same run and arguments.

    Args:
        cure: the command that makes the run's eval, for messages.

    Raises:
        ArtifactError: eval is not finished, or a file of the run is not as its manifest says.
        InputError: nothing was asked; or forms that were filled in, or ratings, would be lost.
    """
    start = time.monotonic()
    eval_manifest = artifact.verify(run_dir / "eval", cure=cure, only=("samples.parquet",))
    artifact.verify(run_dir / "data", cure=cure, only=("heldout.parquet",))
    items = make_items(_drawn(run_dir, limit=samples, seed=seed), mode=mode, raters=raters, seed=seed)
    key = key_table(items)
    study = HumanStudy(
        study=study_name(key, mode=mode, raters=raters),
        mode=mode,
        raters=raters,
        seed=seed,
        language=language,
        eval_sha256=eval_manifest.content_sha256,
    )
    folder = run_dir / FOLDER
    _require_room(folder, study)
    for path in _forms(folder / mode):
        path.unlink()
    (folder / mode / FORMS).mkdir(parents=True, exist_ok=True)
    (folder / artifact.MANIFEST).unlink(missing_ok=True)
    artifact.write_parquet(
        folder / mode / KEY, key.replace_schema_metadata({"hunmin": json.dumps(study, ensure_ascii=False)})
    )
    files = []
    for rater in range(1, raters + 1):
        form = make_form(items, study=study["study"], rater=rater, mode=mode, language=language)
        for suffix, write in WRITERS.items():
            files.append(folder / mode / FORMS / f"rater-{rater}{suffix}")
            artifact.write_atomic(files[-1], write(form))
    _commit(folder, start=start)
    asked = sum(item.asked for item in items)
    return HandedOut(
        folder / mode / FORMS, files, len({one.sample_id for one in items}), asked, len(items) - asked
    )


def _drawn(run_dir: Path, *, limit: int, seed: int) -> list[dict[str, Any]]:
    """Drawn samples with what both models said, in the order of their ids."""
    path = run_dir / "eval" / "samples.parquet"
    listed = pq.read_table(path, columns=["sample_id", "task"], filters=[("system", "=", "tuned")])
    tasks = dict(zip(listed["sample_id"].to_pylist(), listed["task"].to_pylist(), strict=True))
    if not tasks:
        raise InputError(
            f"{path}: no held-out sample was asked, so there is no answer to rate; raise data.split.heldout"
        )
    chosen = draw_evenly(tasks, limit=limit, seed=seed)
    wanted = [("sample_id", "in", chosen), ("system", "in", list(SYSTEMS))]
    said: dict[str, dict[str, dict[str, Any]]] = {}
    for row in pq.read_table(path, columns=SAMPLE_COLUMNS, filters=wanted).to_pylist():
        said.setdefault(row["sample_id"], {})[row["system"]] = row
    rows, infos = read_heldout(run_dir / "data" / "heldout.parquet")
    licences = {row["row_id"]: row["licence"] for row in rows}
    asked = {sample.sample_id: sample for sample in make_samples(rows, infos) if sample.sample_id in said}
    if lost := sorted(said.keys() - asked.keys()):
        raise ArtifactError(f"{path}: {lost[0]} is no held-out row of this run; make data and eval again")
    return [
        {name: said[sample_id]["tuned"][name] for name in ("sample_id", "row_id", "turn", "task", "language")}
        | {
            "family_id": asked[sample_id].family_id,
            "licence": licences[asked[sample_id].row_id],
            "messages": asked[sample_id].messages,
            "tools": asked[sample_id].tools,
            "answers": {system: said[sample_id][system]["answer"] for system in SYSTEMS},
            "scores": {system: dict(said[sample_id][system]["scores"] or []) for system in SYSTEMS},
        }
        for sample_id in chosen
    ]


def _require_room(folder: Path, study: HumanStudy) -> None:
    """Let nothing of people's work be lost by new forms.

    Raises:
        InputError: says what would be.
    """
    before = {told["mode"]: told for _, told in _keys(folder)}
    if any(told["eval_sha256"] != study["eval_sha256"] for told in before.values()):
        raise InputError(f"{folder} is of an earlier eval of this run; move it away to hand out new forms")
    mode = study["mode"]
    old = before.get(mode)
    if (
        old is not None
        and old["study"] != study["study"]
        and mode in _read_ratings(folder)["mode"].to_pylist()
    ):
        raise InputError(
            f"{folder} holds ratings of other {mode} forms ({old['raters']} raters), which new ones would "
            "not fit; move it away, or export as before"
        )
    for path in _forms(folder / mode):
        if _may_be_filled(path):
            raise InputError(f"{path} is filled in, and would be overwritten; import it, and move it away")


def _forms(mode_folder: Path) -> list[Path]:
    """The forms that an export wrote."""
    return sorted(path for path in (mode_folder / FORMS).glob("rater-*") if path.suffix in WRITERS)


def _may_be_filled(path: Path) -> bool:
    if path.suffix not in READERS:
        return False
    try:
        return any(line.values or line.note for line in READERS[path.suffix](path.read_bytes()).lines)
    except InputError:
        return True  # not as it was handed out


def import_forms(run_dir: Path, files: Sequence[Path], *, num_resamples: int, cure: str) -> TakenIn:
    """Take in what came back, beside what came before, and score it. The same files again change nothing.

    Raises:
        InputError: nothing was handed out; a file cannot be read, or holds faults: then nothing is taken in.
        ArtifactError: the key or earlier ratings are not as they were written.
    """
    start = time.monotonic()
    folder = run_dir / FOLDER
    keys = list(_keys(folder))
    if not keys:
        raise InputError(f"{folder}: no forms were handed out; run: {cure}")
    studies = {study.mode: study for study, _ in keys}
    placed, unread = _read_files(files)
    now = check_lines(placed, list(studies.values()))
    if not now:
        raise InputError(f"{', '.join(map(str, files))}: no rating in them yet")
    ratings, changed = merge([Rating(**row) for row in _read_ratings(folder).to_pylist()], now)
    by_mode = {mode: [one for one in ratings if one.mode == mode] for mode in studies}
    by_mode = {mode: members for mode, members in by_mode.items() if members}
    _, told = keys[0]
    scores = HumanScores(
        schema_version=SCHEMA_VERSION,
        seed=told["seed"],
        eval_sha256=told["eval_sha256"],
        modes={
            mode: score_study(studies[mode], members, num_resamples=num_resamples, seed=told["seed"])
            for mode, members in by_mode.items()
        },
    )
    pairs = [pair for mode, members in by_mode.items() for pair in preference_pairs(studies[mode], members)]
    (folder / artifact.MANIFEST).unlink(missing_ok=True)
    _write_ratings(folder, ratings)
    artifact.write_parquet(folder / PREFERENCES, preferences_table(pairs))
    artifact.write_json(folder / SCORES, scores)
    _commit(folder, start=start)
    rated = {mode: _progress(studies[mode], members) for mode, members in by_mode.items()}
    return TakenIn(scores, rated, changed, len(pairs), unread)


def _read_files(files: Sequence[Path]) -> tuple[list[Placed], list[str]]:
    placed, unread = [], []
    for path in files:
        read = READERS.get(path.suffix.lower())
        if read is None:
            raise InputError(
                f"{path}: what comes back is a file in {', '.join(READERS)}; save it as one of them"
            )
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: over {MAX_BYTES >> 20} MB; that is no form of ours")
        try:
            found = read(path.read_bytes())
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        placed += [Placed(str(path), line) for line in found.lines]
        if found.unread:
            unread.append(f"{path}: {', '.join(found.unread)}")
    return placed, unread


def _progress(study: Study, ratings: Sequence[Rating]) -> dict[int, tuple[int, int]]:
    asked = sum(item.asked for item in study.items.values())
    num_criteria = len(criteria_of(study.mode))
    counts = Counter(rating.rater for rating in ratings)
    return {rater: (count // num_criteria, asked) for rater, count in sorted(counts.items())}


def _keys(folder: Path) -> Iterator[tuple[Study, HumanStudy]]:
    """What was handed out, with its keys."""
    for mode in MODES:
        path = folder / mode / KEY
        if path.exists():
            key = _read_table(path, HUMAN_KEY)
            told: HumanStudy = json.loads((key.schema.metadata or {})[b"hunmin"])
            if told["study"] != study_name(key, mode=mode, raters=told["raters"]):
                raise ArtifactError(f"{path}: not the key of the forms {told['study']} any more; restore it")
            items = {item.item_id: item for item in items_of(key)}
            yield Study(told["study"], mode, told["raters"], items), told


def _read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """A table with its metadata, and the schema's own names inside of lists, which Parquet changes."""
    table = pq.read_table(path)
    return table.cast(schema.with_metadata(table.schema.metadata))


def _write_ratings(folder: Path, ratings: Sequence[Rating]) -> None:
    table = pa.Table.from_pylist([one._asdict() for one in ratings], schema=HUMAN_RATINGS)
    artifact.write_parquet(
        folder / RATINGS, table.replace_schema_metadata({artifact.SEAL: table_sha256(table)})
    )


def _read_ratings(folder: Path) -> pa.Table:
    path = folder / RATINGS
    if not path.exists():
        return HUMAN_RATINGS.empty_table()
    table = _read_table(path, HUMAN_RATINGS)
    if (table.schema.metadata or {}).get(artifact.SEAL.encode()) != table_sha256(table).encode():
        raise ArtifactError(
            f"{path}: not as it was written; restore it, or delete it and import all forms again"
        )
    return table


def _commit(folder: Path, *, start: float) -> Manifest:
    """Seal what lies in the folder."""
    studies = [told for _, told in _keys(folder)]
    tables = {f"{told['mode']}/{KEY}": HUMAN_KEY for told in studies}
    tables |= {RATINGS: HUMAN_RATINGS, PREFERENCES: PREFERENCES_SCHEMA}
    found = {
        name: _read_table(folder / name, schema)
        for name, schema in tables.items()
        if (folder / name).exists()
    }
    rows = {name: table.num_rows for name, table in found.items()}
    scores = [folder / SCORES] if (folder / SCORES).exists() else []
    return artifact.commit(
        folder,
        stage=FOLDER,
        stage_version=STAGE_VERSION,
        parents={"eval": studies[0]["eval_sha256"]},
        config_sha256=sha256_json(studies),
        content_sha256=sha256_json(
            {
                "studies": studies,
                "tables": {name: table_sha256(table) for name, table in found.items()},
                "scores": [json.loads(path.read_text(encoding="utf-8")) for path in scores],
            }
        ),
        counts=rows,
        files=[*(folder / name for name in found), *scores],
        rows=rows,
        seconds=time.monotonic() - start,
    )
