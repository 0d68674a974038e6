"""RUN/human from the export to preference pairs: nothing wrong is taken in, nothing taken in is lost."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from human_run import ASKED, filled, write_rated_run

from eval.human.human_folder import TakenIn, export_forms, import_forms
from eval.human.study.blinding import items_of
from hunmin import artifact
from hunmin.errors import ArtifactError, InputError
from hunmin.schema import PREFERENCES

Reply = Callable[[dict[str, str], str], Any]


@pytest.fixture
def run_dir(handed_out: Path, tmp_path: Path) -> Path:
    shutil.copytree(handed_out, tmp_path / "run")
    return tmp_path / "run"


def form(run_dir: Path, mode: str, rater: int) -> Path:
    return run_dir / "human" / mode / "for_raters" / f"rater-{rater}.csv"


def back(run_dir: Path, mode: str, rater: int, reply: Reply) -> Path:
    path = run_dir.parent / f"{mode}-{rater}.csv"
    path.write_bytes(filled(form(run_dir, mode, rater), reply))
    return path


def take_in(run_dir: Path, *files: Path) -> TakenIn:
    return import_forms(run_dir, files, num_resamples=50, cure="hunmin human export")


def longer_is_better(row: dict[str, str], title: str) -> str:
    a, b = len(row["답 A"]), len(row["답 B"])
    return "tie" if "안전성" in title else "A" if a > b else "B"


def test_pairs_are_unblinded_and_scored(run_dir: Path) -> None:
    files = [back(run_dir, "pairwise", rater, longer_is_better) for rater in (1, 2)]
    found = take_in(run_dir, *files)
    scores: Any = found.scores["modes"]["pairwise"]
    overall = scores["criteria"]["overall"]
    # The tuned answer is the longer one in seven of eight samples; the eighth is answered alike by both.
    assert overall["shares"] == {"win": 7 / 8, "tie": 1 / 8, "loss": 0.0}
    assert overall["win_rate"]["value"] == 15 / 16
    assert overall["win_rate"]["low"] <= 15 / 16 <= overall["win_rate"]["high"]
    assert overall["alpha"] == {"ordinal": None, "interval": None}  # all say the same of all
    assert scores["criteria"]["safety"]["shares"] == {"win": 0.0, "tie": 1.0, "loss": 0.0}
    assert (scores["samples"], scores["equal_answers"], scores["raters"]) == (8, 1, 2)
    assert scores["first_shown"] == 0.5  # each rater saw the other order
    assert scores["tasks"]["번역"]["win_rate"]["value"] == 3.5 / 4
    assert found.rated == {"pairwise": {1: (7, 7), 2: (7, 7)}}


def test_answers_are_scored_by_their_means(run_dir: Path) -> None:
    said = {tuned: "4" for _, _, tuned, *_ in ASKED}
    first = back(run_dir, "absolute", 1, lambda row, title: said.get(row["답"], "2"))
    second = back(run_dir, "absolute", 2, lambda row, title: "3" if "유용성" in title else "5")
    scores: Any = take_in(run_dir, first, second).scores["modes"]["absolute"]
    # What cannot stand in a cell as it is (a formula, markup, a text too long) is not found in `said`.
    changed = sum(answer[2][0] == "=" or len(answer[2]) > 30_000 for answer in ASKED)
    tuned = (8 - changed) / 8 * 4 + changed / 8 * 2
    accuracy = scores["criteria"]["accuracy"]
    assert accuracy["systems"]["tuned"]["value"] == pytest.approx((tuned + 5) / 2)
    # 네. is the answer of both: rated 4 as base's answer too.
    assert accuracy["systems"]["base"]["value"] == pytest.approx(((7 * 2 + 4) / 8 + 5) / 2)
    delta = accuracy["delta"]["value"]
    assert delta == pytest.approx(
        accuracy["systems"]["tuned"]["value"] - accuracy["systems"]["base"]["value"]
    )
    assert accuracy["n"] == 8
    assert accuracy["alpha"]["ordinal"]["value"] < 0.5
    metrics = {one["task"]: one for one in scores["metrics"]}
    assert metrics["chat"]["n"] == 8
    assert metrics["chat"]["spearman"]["value"] > 0.5
    assert abs(metrics["chat"]["kendall"]["value"]) <= 1


def test_importing_twice_is_once_and_order_does_not_matter(run_dir: Path) -> None:
    files = [back(run_dir, "pairwise", rater, longer_is_better) for rater in (1, 2)]
    files.append(back(run_dir, "absolute", 1, lambda row, title: "4"))
    take_in(run_dir, *files)
    once = artifact.verify(run_dir / "human", cure="x")
    assert take_in(run_dir, files[1]).changed == 0
    assert artifact.verify(run_dir / "human", cure="x").content_sha256 == once.content_sha256
    (run_dir / "human" / "ratings.parquet").unlink()
    for path in reversed(files):
        take_in(run_dir, path)
    assert artifact.verify(run_dir / "human", cure="x").content_sha256 == once.content_sha256


def test_a_rater_may_go_on_and_change_their_mind(run_dir: Path) -> None:
    ids = [row.split(",")[0] for row in form(run_dir, "pairwise", 1).read_text("utf-8-sig").splitlines()]
    half = {one for one in ids[:3] if one.startswith("h")}
    part = back(run_dir, "pairwise", 1, lambda row, title: "A" if row["id"] in half else "")
    assert take_in(run_dir, part).rated == {"pairwise": {1: (len(half), 7)}}
    whole = back(run_dir, "pairwise", 1, lambda row, title: "B")
    found = take_in(run_dir, whole)
    assert found.rated == {"pairwise": {1: (7, 7)}}
    assert found.changed == 6 * len(half)


def test_equal_answers_weigh_as_much_as_what_is_rated(run_dir: Path) -> None:
    rated = "서울은 어디에 있나요?"
    one = back(
        run_dir,
        "pairwise",
        1,
        lambda row, title: longer_is_better(row, title) if rated in row["질문"] else "",
    )
    scores: Any = take_in(run_dir, one).scores["modes"]["pairwise"]
    # One of seven pairs is rated, so the eighth, a tie, weighs a seventh.
    assert scores["main"]["win_rate"]["value"] == pytest.approx((1 + 0.5 / 7) / (1 + 1 / 7))
    assert scores["main"]["shares"]["tie"] == pytest.approx((1 / 7) / (1 + 1 / 7))
    # Of the task of these two, one of three asked.
    assert scores["tasks"]["번역"]["win_rate"]["value"] == pytest.approx((1 + 0.5 / 3) / (1 + 1 / 3))
    assert "chat" not in scores["tasks"]


def test_what_is_not_taken_in_is_said(run_dir: Path) -> None:
    path = back(run_dir, "pairwise", 1, lambda row, title: "A")
    rows = list(csv.reader(path.open(encoding="utf-8-sig", newline="")))
    rows = [[*row, "title" if number == 0 else "x"] for number, row in enumerate(rows)]
    rows[1] = [rows[1][0], "", "", "", *[""] * 6, "모르겠음", ""]
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows(rows)
    assert take_in(run_dir, path).unread == [
        f"{path}: column title",
        f"{path}, row 2: a note without ratings",
    ]


def test_preference_pairs_say_what_was_asked_and_how_clear_it_is(run_dir: Path) -> None:
    first = back(run_dir, "pairwise", 1, longer_is_better)
    second = back(run_dir, "pairwise", 2, lambda row, title: "tie")
    third = back(
        run_dir, "absolute", 1, lambda row, title: "5" if row["답"] == "서울은 한국에 있습니다." else "1"
    )
    take_in(run_dir, first, second, third)
    table = pq.read_table(run_dir / "human" / "preferences.parquet")
    assert table.schema.names == PREFERENCES.names
    pairs = {(pair["source"], pair["row_id"]): pair for pair in table.to_pylist()}
    assert len(pairs) == 7 + 1  # the answers that are equal give none
    pair = pairs["human:pairwise", "src:rows.tsv:0.0"]
    assert [message["content"] for message in pair["prompt"]] == ["짧게 답하세요.", "서울은 어디에 있나요?"]
    assert [(one["role"], one["content"]) for one in pair["chosen"]] == [
        ("assistant", "서울은 한국에 있습니다.")
    ]
    assert [one["content"] for one in pair["rejected"]] == ["몰라요"]
    assert (pair["margin"], pair["licence"], pair["task"]) == (0.5, "CC0-1.0", "번역")
    assert (pair["num_chosen"], pair["num_rejected"], pair["num_tied"]) == (1, 0, 1)
    assert pairs["human:absolute", "src:rows.tsv:0.0"]["margin"] == 1.0


def test_an_empty_answer_is_never_chosen(run_dir: Path) -> None:
    shorter = back(
        run_dir, "pairwise", 1, lambda row, title: "A" if len(row["답 A"]) < len(row["답 B"]) else "B"
    )
    take_in(run_dir, shorter)
    pairs = pq.read_table(run_dir / "human" / "preferences.parquet").to_pylist()
    assert len(pairs) == 6
    assert all(pair["chosen"][0]["content"] for pair in pairs)


def test_every_fault_has_its_place_and_nothing_is_taken_in(run_dir: Path) -> None:
    path = back(run_dir, "absolute", 1, lambda row, title: "3")
    rows = list(csv.reader(path.open(encoding="utf-8-sig", newline="")))
    study, _, item = rows[4][0].split(".")
    rows[1][3] = "6"
    rows[2][4] = rows[2][6] = ""
    rows[3][0] = rows[3][0].replace(study, "h00000000")
    rows[4][0] = f"{study}.3.{item}"
    rows[5][0] = f"{study}.1.feedbeef00"
    rows.append(rows[6])
    with path.open("w", encoding="utf-8-sig", newline="") as out:
        csv.writer(out).writerows(rows)
    names = [
        json.loads(pq.read_schema(run_dir / "human" / mode / "key.parquet").metadata[b"hunmin"])["study"]
        for mode in ("absolute", "pairwise")
    ]
    known = " and ".join(sorted(names))
    with pytest.raises(InputError) as caught:
        take_in(run_dir, path)
    said = str(caught.value).splitlines()
    assert said[0] == "6 faults in what came back; nothing was taken in:"
    assert [line.removeprefix(f"{path}, ") for line in said[1:]] == [
        "row 2: accuracy: '6' is not one of 1, 2, 3, 4, 5",
        "row 3: no reply to completeness, safety, and to the rest there is; fill in all or none",
        f"row 4: id {rows[3][0]!r} is of no form of this run (its forms begin with {known})",
        f"row 5: id '{study}.3.{item}' names no rater of 1 to 2",
        f"row 6: id '{study}.1.feedbeef00' is no item of the form; the column id must stay as it was",
        f"row 18: {rows[6][0]} stands in {path}, row 7 too; leave one of them",
    ]
    assert not (run_dir / "human" / "ratings.parquet").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [("sheet.html", "what comes back is a file in .csv, .xlsx, .json"), ("none.csv", "no such file")],
)
def test_other_files_are_refused(run_dir: Path, name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        take_in(run_dir, run_dir / name)


def test_an_empty_form_is_no_rating(run_dir: Path) -> None:
    with pytest.raises(InputError, match="no rating in them yet"):
        take_in(run_dir, form(run_dir, "pairwise", 1))


def test_a_page_s_file_is_taken_in(run_dir: Path) -> None:
    key = pq.read_table(run_dir / "human" / "pairwise" / "key.parquet")
    study = json.loads(key.schema.metadata[b"hunmin"])["study"]
    names = ("overall", "accuracy", "completeness", "helpfulness", "safety", "naturalness")
    item = next(item for item in items_of(key) if item.asked)
    path = run_dir / "back.json"
    saved = {"id": item.item_id, **dict.fromkeys(names, "A"), "note": "=메모"}
    path.write_text(json.dumps({"format": "hunmin-ratings", "form": f"{study}.2", "ratings": [saved]}))
    take_in(run_dir, path)
    ratings = pq.read_table(run_dir / "human" / "ratings.parquet").to_pylist()
    assert {one["value"] for one in ratings} == {1 if item.swapped[1] else -1}
    assert {one["shown_first"] for one in ratings} == {"tuned" if item.swapped[1] else "base"}
    assert {one["note"] for one in ratings} == {"=메모"}


def export(run_dir: Path, **changes: Any) -> None:
    settings = {
        "mode": "pairwise",
        "samples": 50,
        "raters": 2,
        "language": "ko",
        "seed": 7,
        "cure": "hunmin eval",
    }
    export_forms(run_dir, **(settings | changes))


def test_exporting_again_is_the_same_and_loses_no_work(run_dir: Path) -> None:
    before = form(run_dir, "pairwise", 1).read_bytes()
    export(run_dir)
    assert form(run_dir, "pairwise", 1).read_bytes() == before
    take_in(run_dir, back(run_dir, "pairwise", 1, longer_is_better))
    export(run_dir, language="en")  # the same items: the ratings stay
    assert form(run_dir, "pairwise", 1).read_text("utf-8-sig").startswith("id,Question,Answer A")
    assert pq.read_table(run_dir / "human" / "ratings.parquet").num_rows == 42
    with pytest.raises(InputError, match=r"holds ratings of other pairwise forms \(2 raters\)"):
        export(run_dir, raters=3)
    shutil.copy(run_dir.parent / "pairwise-1.csv", form(run_dir, "pairwise", 1))
    with pytest.raises(InputError, match=r"rater-1.csv is filled in, and would be overwritten"):
        export(run_dir)


def test_fewer_raters_leave_no_old_forms(run_dir: Path) -> None:
    export(run_dir, raters=1)
    assert {path.stem for path in form(run_dir, "pairwise", 1).parent.iterdir()} == {"rater-1"}


def test_another_eval_is_not_mixed_in(run_dir: Path) -> None:
    manifest = run_dir / "eval" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"content_sha256": "', '"content_sha256": "0', 1))
    with pytest.raises(InputError, match="of an earlier eval of this run; move it away"):
        export(run_dir)


@pytest.mark.parametrize("damaged", ["pairwise/key.parquet", "ratings.parquet"])
def test_a_damaged_key_or_rating_is_told(run_dir: Path, damaged: str) -> None:
    files = [back(run_dir, "pairwise", 1, longer_is_better)]
    take_in(run_dir, *files)
    path = run_dir / "human" / damaged
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    with pytest.raises(ArtifactError, match="restore it"):
        take_in(run_dir, *files)


def test_an_import_that_was_stopped_is_done_by_doing_it_again(run_dir: Path) -> None:
    path = back(run_dir, "pairwise", 1, longer_is_better)
    take_in(run_dir, path)
    whole = artifact.verify(run_dir / "human", cure="x").content_sha256
    for lost in ("manifest.json", "scores.json", "preferences.parquet"):
        (run_dir / "human" / lost).unlink()
    take_in(run_dir, path)
    assert artifact.verify(run_dir / "human", cure="x").content_sha256 == whole


def test_nothing_handed_out_and_nothing_asked(tmp_path: Path) -> None:
    write_rated_run(tmp_path)
    with pytest.raises(InputError, match="no forms were handed out; run: hunmin human export"):
        take_in(tmp_path, tmp_path / "a.csv")
    (tmp_path / "eval" / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match="run: hunmin eval"):
        export(tmp_path)
