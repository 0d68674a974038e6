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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.human.forms import READERS, WRITERS
from eval.human.human_files import KEY, PREFERENCES, SCORES, read_keys, read_ratings, seal, write_ratings
from eval.human.human_scores import score_study
from eval.human.preference_pairs import preference_pairs, preferences_table
from eval.human.rated_samples import drawn_samples
from eval.human.returned import Placed, Rating, Study, check_lines, merge
from eval.human.study.blinding import key_table, make_form, make_items, study_name
from eval.human.study.criteria import Language, Mode, criteria_of
from hunmin import artifact
from hunmin.errors import InputError
from hunmin.schema import SCHEMA_VERSION, HumanScores, HumanStudy

FOLDER = "human"
FORMS = "for_raters"
MAX_BYTES = 2**26  # of a file that came back


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
    unread: list[str]  # what stands in the files and was not taken in, in words


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
    items = make_items(drawn_samples(run_dir, limit=samples, seed=seed), mode=mode, raters=raters, seed=seed)
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
    seal(folder, start=start)
    asked = sum(item.asked for item in items)
    return HandedOut(
        folder / mode / FORMS, files, len({one.sample_id for one in items}), asked, len(items) - asked
    )


def _require_room(folder: Path, study: HumanStudy) -> None:
    """Let nothing of people's work be lost by new forms.

    Raises:
        InputError: says what would be.
    """
    before = {told["mode"]: told for _, told in read_keys(folder)}
    if any(told["eval_sha256"] != study["eval_sha256"] for told in before.values()):
        raise InputError(f"{folder} is of an earlier eval of this run; move it away to hand out new forms")
    mode = study["mode"]
    old = before.get(mode)
    if (
        old is not None
        and old["study"] != study["study"]
        and mode in read_ratings(folder)["mode"].to_pylist()
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
    keys = list(read_keys(folder))
    if not keys:
        raise InputError(f"{folder}: no forms were handed out; run: {cure}")
    studies = {study.mode: study for study, _ in keys}
    placed, unread = _read_files(files)
    unrated = [one for one in placed if not one.line.values]
    unread += [f"{one.where}: a note without ratings" for one in unrated if one.line.note]
    now = check_lines(placed, list(studies.values()))
    if not now:
        raise InputError(f"{', '.join(map(str, files))}: no rating in them yet")
    ratings, changed = merge([Rating(**row) for row in read_ratings(folder).to_pylist()], now)
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
    write_ratings(folder, ratings)
    artifact.write_parquet(folder / PREFERENCES, preferences_table(pairs))
    artifact.write_json(folder / SCORES, scores)
    seal(folder, start=start)
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
            unread.append(f"{path}: column {', '.join(found.unread)}")
    return placed, unread


def _progress(study: Study, ratings: Sequence[Rating]) -> dict[int, tuple[int, int]]:
    asked = sum(item.asked for item in study.items.values())
    num_criteria = len(criteria_of(study.mode))
    counts = Counter(rating.rater for rating in ratings)
    return {rater: (count // num_criteria, asked) for rater, count in sorted(counts.items())}
