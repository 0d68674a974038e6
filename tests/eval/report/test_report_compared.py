"""Several runs side by side: only shared samples are scored, differences are paired, the page says so."""

from pathlib import Path

import numpy as np
import pytest
from compared_runs import LABELS, beside, right_answers, write_answers
from test_report_build import outline

from eval.compare import NUM_RESAMPLES, compare, letter_of
from eval.report.compared import compared_page
from eval.scores.intervals import Resamples


def test_the_difference_is_paired_over_the_same_samples(tmp_path: Path) -> None:
    right = right_answers(40)
    half = [answer if number % 4 < 2 else "모름" for number, answer in enumerate(right)]
    runs = [write_answers(tmp_path / name, said) for name, said in (("half", half), ("all", right))]
    found = {one.metric: one for one in compare(runs)}["accuracy"]
    assert (found.task, found.n, found.asked) == ("감성", 40, [40, 40])
    values = [score["value"] for score in found.scores if score]
    assert values == [0.5, 1.0]
    assert found.deltas[0] is None
    # By hand: the share of wrong ones of `half` in each resample of the 40 families.
    families = [f"{number:064x}" for number in range(40)]
    draws = Resamples.of_task("감성", families, num_resamples=NUM_RESAMPLES, seed=0)
    wrong = np.array([[float(answer == "모름")] for answer in half])
    low, high = np.quantile(draws.sums(wrong)[:, 0] / 40, [0.025, 0.975])
    delta = found.deltas[1]
    assert delta is not None
    assert (delta["value"], delta["low"], delta["high"]) == pytest.approx((0.5, low, high))


def test_only_samples_that_all_runs_were_asked_are_scored(tmp_path: Path) -> None:
    runs = [
        write_answers(tmp_path / "a", ["모름"] * 10 + right_answers(20, first=10)),
        write_answers(tmp_path / "b", right_answers(30, first=10), first=10),
        write_answers(tmp_path / "c", right_answers(25, first=5), first=5),
    ]
    found = compare(runs)[0]
    assert (found.n, found.asked) == (20, [30, 30, 25])
    assert [score and score["value"] for score in found.scores] == [1.0, 1.0, 1.0]
    page = compared_page.render(beside(runs))
    assert "These runs do not have the same held-out samples." in page
    assert "20 shared; asked A 30, B 30, C 25" in page


def test_runs_without_a_shared_sample_are_said_not_to_be_comparable(tmp_path: Path) -> None:
    runs = [
        write_answers(tmp_path / "a", right_answers(20)),
        write_answers(tmp_path / "b", right_answers(20, first=20), first=20),
    ]
    assert [(one.n, one.scores, one.deltas) for one in compare(runs)] == [(0, [None, None], [None, None])] * 2
    page = compared_page.render(beside(runs))
    assert "not comparable, no sample is shared" in page
    assert "nothing to compare" in page
    assert compared_page.metric_figures(beside(runs)) == []
    outline(page)


def test_the_same_sample_with_another_right_answer_is_another_sample(tmp_path: Path) -> None:
    runs = [
        write_answers(tmp_path / "a", right_answers(20)),
        write_answers(tmp_path / "b", right_answers(20)),
    ]
    import pyarrow.parquet as pq

    path = runs[1] / "eval" / "samples.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    for row in rows[:5]:
        row["references"], row["label"] = ["없음"], None
    pq.write_table(table.from_pylist(rows, schema=table.schema), path)
    assert {one.n for one in compare(runs)} == {15}


def test_a_task_that_one_run_lacks_is_compared_among_the_others(tmp_path: Path) -> None:
    runs = [
        write_answers(tmp_path / "a", right_answers(20)),
        write_answers(tmp_path / "b", right_answers(20), task="topic"),
        write_answers(tmp_path / "c", ["모름"] * 20),
    ]
    scores = {one.task: one for one in compare(runs) if one.metric == "accuracy"}
    assert [score and score["value"] for score in scores["감성"].scores] == [1.0, None, 0.0]
    assert scores["감성"].asked == [20, 0, 20]
    assert scores["topic"].n == 0, "one run alone is no comparison"
    standings = {one["letter"]: one for one in compared_page.standings(beside(runs))}
    assert standings["B"]["num_tasks"] == 0
    assert (standings["C"]["worse"], standings["C"]["num_tasks"]) == (1, 1)


def test_fewer_than_ten_shared_samples_give_no_verdict(tmp_path: Path) -> None:
    runs = [write_answers(tmp_path / "a", ["모름"] * 9), write_answers(tmp_path / "b", right_answers(9))]
    assert compared_page.standings(beside(runs))[0]["unclear"] == 1


def test_the_page_has_a_table_and_a_figure_for_each_metric(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    names = ["plain", hostile, "셋째"]
    runs = [
        write_answers(tmp_path / str(number), [LABELS[number % 2]] * 12 + right_answers(12, first=12))
        for number in range(3)
    ]
    found = beside(runs, names=names, settings={"data.note": [hostile, "x" * 1_000, None]})
    page = compared_page.render(found)
    parsed = outline(page)
    assert parsed.figure_titles == ["accuracy, 95 % intervals", "exact_match, 95 % intervals"]
    assert hostile not in page
    assert "x" * 400 not in page
    assert page.count("<tbody>") == 3  # of the task, of the counts, of the settings
    assert "C − A" in page
    assert page == compared_page.render(found)
    assert len(set(parsed.ids)) == len(parsed.ids)
    assert set(parsed.refs) <= set(parsed.ids)


@pytest.mark.parametrize(("number", "letter"), [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA")])
def test_runs_are_lettered_like_columns(number: int, letter: str) -> None:
    assert letter_of(number) == letter
