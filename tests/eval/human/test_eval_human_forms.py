"""What raters get: blinded, seeded, harmless in a spreadsheet; and read back as it was filled in."""

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from human_run import ASKED, FORMULA, LONG, filled
from openpyxl import load_workbook

from eval.human.forms import READERS, WRITERS, form_csv, form_table, form_xlsx
from eval.human.study.blinding import Form, FormItem, draw_evenly, items_of, make_form, make_items
from eval.human.study.criteria import MODES
from hunmin.errors import InputError
from hunmin.readable import Part

SAMPLE = {
    **{"sample_id": "s/0", "row_id": "s", "turn": 0, "family_id": "f", "task": "t", "language": "ko"},
    **{"licence": None, "messages": [{"role": "user", "content": "?"}], "tools": None},
    **{"answers": {"base": "b", "tuned": "t"}, "scores": {"base": {}, "tuned": {}}},
}


def form_of(*answers: str, question: str = "묻는 말") -> Form:
    return Form("h0.1", "absolute", "ko", [FormItem("0a", [Part("user", question)], list(answers))])


def test_tasks_are_drawn_evenly_and_alike_each_time() -> None:
    tasks = {
        f"{task}{number}": task for task, count in (("a", 9), ("b", 2), ("c", 9)) for number in range(count)
    }
    drawn = draw_evenly(tasks, limit=8, seed=0)
    assert [sum(one[0] == task for one in drawn) for task in "abc"] == [3, 2, 3]
    assert drawn == draw_evenly(dict(reversed(tasks.items())), limit=8, seed=0)
    assert drawn != draw_evenly(tasks, limit=8, seed=1)
    assert draw_evenly(tasks, limit=99, seed=0) == sorted(tasks)


def test_half_of_the_raters_see_a_pair_the_other_way() -> None:
    samples = [SAMPLE | {"sample_id": f"s{number}/0"} for number in range(40)]
    items = make_items(samples, mode="pairwise", raters=4, seed=0)
    assert all(sum(item.swapped) == 2 for item in items)
    assert 10 <= sum(item.swapped[0] for item in items) <= 30
    forms = [make_form(items, study="h0", rater=rater, mode="pairwise", language="en") for rater in (1, 2)]
    firsts = [{item.item_id: item.answers[0] for item in form.items} for form in forms]
    assert all({firsts[0][one], firsts[1][one]} == {"b", "t"} for one in firsts[0])
    assert [item.item_id for item in forms[0].items] != [item.item_id for item in forms[1].items]


def test_equal_answers_are_not_asked_in_pairs() -> None:
    same = SAMPLE | {"answers": {"base": "x", "tuned": "x"}}
    (pair,) = make_items([same], mode="pairwise", raters=1, seed=0)
    assert not pair.asked
    assert make_form([pair], study="h0", rater=1, mode="pairwise", language="ko").items == []
    assert all(item.asked for item in make_items([same], mode="absolute", raters=1, seed=0))


@pytest.mark.parametrize("mode", MODES)
def test_no_form_tells_who_said_what(handed_out: Path, mode: str) -> None:
    folder = handed_out / "human" / mode / "for_raters"
    assert sorted(path.name for path in folder.iterdir()) == [
        f"rater-{rater}{suffix}" for rater in (1, 2) for suffix in sorted(WRITERS)
    ]
    for path in folder.iterdir():
        text = path.read_bytes() if path.suffix != ".xlsx" else str(cells(path)).encode()
        text = text.rpartition(b'id="form">')[2]  # of a page; what comes before is the same in all
        assert not [word for word in (b"tuned", b"src:rows", b"chrf") if word in text]
    key = pq.read_table(handed_out / "human" / mode / "key.parquet")
    # The names of items are of no order: neither system's come first.
    systems = [item.systems[0] for item in sorted(items_of(key), key=lambda one: one.item_id)]
    assert mode == "pairwise" or systems not in (sorted(systems), sorted(systems, reverse=True))


def cells(path: Path) -> list[list[object]]:
    return [[cell.value for cell in row] for row in load_workbook(path).worksheets[0].rows]


def test_korean_opens_in_excel_and_no_text_becomes_a_formula(handed_out: Path) -> None:
    path = handed_out / "human" / "pairwise" / "for_raters" / "rater-1.csv"
    data = path.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert rows[0][:4] == ["id", "질문", "답 A", "답 B"]
    assert "종합 (A/tie/B)" in rows[0]
    texts = [cell for row in rows[1:] for cell in row[:4]]
    assert not [text for text in texts if form_table.is_formula(text)]
    assert {"'" + FORMULA, "'=2", "'@script", "'-3 더하기 5는?", "'\tno\nmore"} <= set(texts)
    assert max(map(len, texts)) < 32_767 < len(LONG)
    assert "[설정]\n짧게 답하세요.\n\n[질문]\n서울은 어디에 있나요?" in texts


def test_a_workbook_has_texts_that_wrap_and_replies_to_choose(handed_out: Path) -> None:
    book = load_workbook(handed_out / "human" / "absolute" / "for_raters" / "rater-2.xlsx")
    ratings, guide = book.worksheets
    assert (ratings.title, guide.title) == ("평가", "안내")
    found = [cell for row in ratings.iter_rows(min_row=2, max_col=3) for cell in row]
    assert {cell.data_type for cell in found if cell.value} == {"s"}
    assert all(cell.alignment.wrap_text for cell in found)
    (formula,) = [cell for cell in found if cell.value == FORMULA]
    assert formula.quotePrefix
    (choice,) = ratings.data_validations.dataValidation
    assert (choice.formula1, str(choice.sqref)) == ('"1,2,3,4,5"', f"D2:H{1 + 2 * len(ASKED)}")
    assert "정확성" in [cell.value for cell in guide["A"]]


def test_signs_that_no_workbook_takes_are_shown_as_missing() -> None:
    written = form_xlsx.write(form_of("a\x00b\x0bc\ufffe", question="\x1b[0m"))
    answer = list(load_workbook(io.BytesIO(written)).worksheets[0].values)[1][2]
    assert answer == "a\ufffdb\ufffdc\ufffd"


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", " =1", "＝1", "－1", "\t=1", "\u3000@x"])
def test_what_a_spreadsheet_may_compute(text: str) -> None:
    assert form_table.is_formula(text)
    assert not form_table.is_formula("'" + text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_sheet_is_read_however_a_spreadsheet_saved_it(encoding: str, delimiter: str) -> None:
    head = ["질문", "id", "정확성 (1-5)", "완성도", "Helpfulness", "safety", "자연스러움", "메모", "내 열"]
    rows = [head, ["물음\n둘째 줄", "h0.1.0a", "４", "4.0", " 5", "1", "2", "좋다", "x"], [""] * 9]
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    found = form_csv.read(out.getvalue().encode(encoding))
    assert found.unread == ["내 열"]
    names = ("accuracy", "completeness", "helpfulness", "safety", "naturalness")
    values: dict[str, str] = dict(zip(names, "44512", strict=True))
    assert found.lines == [form_table.Line("row 2", "h0.1.0a", values, "좋다")]


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_an_empty_form_reads_as_not_rated(suffix: str) -> None:
    lines = READERS[suffix](WRITERS[suffix](form_of("답"))).lines
    assert [(line.item, line.values, line.note) for line in lines] == [("h0.1.0a", {}, "")]


@pytest.mark.parametrize(
    ("suffix", "data", "said"),
    [
        (".csv", b"\xff\xff\xff", "neither UTF-8, UTF-16 nor CP949"),
        (".csv", b"a,b\n1,2\n", "no column id"),
        (".csv", b'id,accuracy\n"x,1\n', "not a CSV file|no column for"),
        (".csv", b"id,accuracy\nx,1\n", "no column for completeness, helpfulness, safety, naturalness"),
        (".csv", b"id,accuracy,accuracy\nx,1,1\n", "stands in the header twice"),
        (".xlsx", b"PK nothing", "not an XLSX file"),
        (".json", b"{", "not a JSON file"),
        (".json", b"[]", "not what the rating page saves"),
        (".json", b'{"format": "hunmin-ratings", "ratings": [3]}', "no list of objects"),
    ],
)
def test_what_is_no_form_is_told_in_a_line(suffix: str, data: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        READERS[suffix](data)
    assert "\n" not in str(caught.value)


def test_a_damaged_workbook_is_told_in_a_line() -> None:
    written = form_xlsx.write(form_of("답"))
    with zipfile.ZipFile(io.BytesIO(written)) as parts:
        whole = {name: parts.read(name) for name in parts.namelist()}
    broken = [written[: len(written) // 2]]
    for name in ("xl/worksheets/sheet1.xml", "xl/workbook.xml"):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as parts:
            for part, data in whole.items():
                parts.writestr(part, data[: len(data) // 2] if part == name else data)
        broken.append(out.getvalue())
    for data in broken:
        with pytest.raises(InputError, match="not an XLSX file"):
            form_xlsx.read(data)


def test_filled_in_place_and_elsewhere_is_the_same(handed_out: Path, tmp_path: Path) -> None:
    form = handed_out / "human" / "absolute" / "for_raters" / "rater-1.csv"
    lines = form_csv.read(filled(form, lambda row, title: "3")).lines
    book = load_workbook(form.with_suffix(".xlsx"))
    ratings: Any = book.worksheets[0]
    for row in ratings.iter_rows(min_row=2, min_col=4, max_col=8):
        for cell in row:
            cell.value = 3
    book.save(tmp_path / "back.xlsx")
    assert form_xlsx.read((tmp_path / "back.xlsx").read_bytes()).lines == lines
