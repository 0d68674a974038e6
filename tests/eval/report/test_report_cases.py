"""Answers of every kind, scored and shown on the page: values by hand, texts whole and safe."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from report_run import RunSpec, sample, small_run, write_run
from test_report_build import outline

from eval.report import report
from eval.scores.metric import Answer, Reference
from eval.scores.score_table import metrics_of, score_task
from hunmin.schema import TaskInfo, TaskScores

TASK = "case"
METRICS = ("rougeL_char", "exact_match")
LONG = "서울의 봄은 짧습니다. " * 2_000
CODE = "def add(a, b):\n    if a < b && b > 0:\n        return a + b\n"
MARKUP = '</script><img src="x" onerror="alert(1)"><!-- & -->'
MIXED = "답은 yes입니다, 그렇죠? はい"

Asked = Callable[..., tuple[TaskScores, str]]


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """The scores and the page of one task, from the answers of both models to the same questions."""

    def scored(
        base: Sequence[str],
        tuned: Sequence[str],
        references: Sequence[Sequence[str]],
        *,
        metrics: Sequence[str] = METRICS,
    ) -> tuple[TaskScores, str]:
        info = TaskInfo(metrics=list(metrics), labels=[], language="und")
        texts = {"base": base, "tuned": tuned, "majority": ["모름"] * len(base)}
        texts |= dict.fromkeys(("copy", "first_sentence"), [""] * len(base))
        found = score_task(
            TASK,
            metrics=metrics_of(TASK, info),
            references=[Reference(list(one), "ko", None) for one in references],
            families=[f"{number:064x}" for number in range(len(base))],
            answers={
                system: [Answer(text, len(text), True) for text in said] for system, said in texts.items()
            },
            num_resamples=50,
            seed=0,
        )
        spec = small_run()
        spec.scores["tasks"] = {TASK: found.scores}
        spec.samples = [
            sample(
                f"source:file:{number}.0/0",
                system,
                TASK,
                answer=texts[system][number],
                references=list(references[number]),
                scores=sorted(found.per_sample[system][number].items()),
            )
            for system in ("base", "tuned")
            for number in range(len(base))
        ]
        return found.scores, page_of(tmp_path, spec)

    return scored


def page_of(run_dir: Path, spec: RunSpec) -> str:
    page, _ = report.render(report.read_contents(run_dir, write_run(run_dir, spec)), "run")
    return page


def values(scores: TaskScores, metric: str, system: str = "tuned") -> float:
    return scores["metrics"][metric]["systems"][system]["value"]


@pytest.mark.parametrize(
    ("answer", "references", "rouge", "exact"),
    [
        pytest.param("맞는 답입니다", ["맞는 답입니다"], 1.0, 1.0, id="identical"),
        pytest.param("", ["맞는 답입니다"], 0.0, 0.0, id="empty"),
        pytest.param(" \n\t ", ["맞는 답입니다"], 0.0, 0.0, id="white space"),
        pytest.param("thank you", ["고맙습니다"], 0.0, 0.0, id="wrong script"),
        pytest.param("谢谢", ["고맙습니다"], 0.0, 0.0, id="another wrong script"),
        # One of four characters is the reference's whole: P = 1/4, R = 1, F = 2/5.
        pytest.param("가가가가", ["가"], 0.4, 0.0, id="repeated"),
        pytest.param("가" * 9_999, ["가"], 2 / 10_000, 0.0, id="repeated to the limit"),
        pytest.param("👍🏽👨‍👩‍👧", ["👍🏽👨‍👩‍👧"], 1.0, 1.0, id="emoji"),
        pytest.param(CODE, [CODE], 1.0, 1.0, id="code"),
        pytest.param(MIXED, [MIXED], 1.0, 1.0, id="mixed"),
        pytest.param("둘째 답", ["첫째", "둘째 답", "셋째"], 1.0, 1.0, id="several references"),
        pytest.param(MARKUP, [MARKUP], 1.0, 1.0, id="markup"),
        pytest.param(LONG, [LONG], 1.0, 1.0, id="very long"),
    ],
)
def test_an_answer_has_its_score_and_its_place_on_the_page(
    asked: Asked, answer: str, references: list[str], rouge: float, exact: float
) -> None:
    scores, page = asked(["모름"] * 12, [answer] * 12, [references] * 12)
    assert values(scores, "rougeL_char") == pytest.approx(rouge, abs=1e-12)
    assert values(scores, "exact_match") == exact
    texts = outline(page).texts
    assert "<img" not in page
    assert page.count("</script>") == 1
    if not answer.strip():
        told = f"({len(answer)} characters, all white space)" if answer else "(empty)"
        assert told in texts
    elif len(answer) > 2_000:
        assert f"The first 2,000 of {len(answer):,} characters." in texts
        assert answer[:2_000] in texts
    else:
        assert answer in texts


def test_a_sample_without_references_is_shown_so(tmp_path: Path) -> None:
    spec = small_run()
    for row in spec.samples:
        row["references"] = []
    page = page_of(tmp_path, spec)
    outline(page)
    assert '<div class="reference"><h4>Reference</h4>\n<div class="muted">(empty)</div>' in page


def test_one_sample_has_a_score_and_no_interval(asked: Asked) -> None:
    scores, page = asked(["모름"], ["답"], [["답"]])
    delta = scores["metrics"]["exact_match"]["delta"]
    assert delta == {"value": 1.0, "low": None, "high": None}
    assert "no clear difference on any of 1 task" in page
    assert "1 held-out answer<" in page


def test_all_wrong(asked: Asked) -> None:
    scores, page = asked(["모름"] * 20, ["아님"] * 20, [["답"]] * 20)
    found = scores["metrics"]["exact_match"]
    assert found["systems"]["tuned"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert found["delta"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert "no clear difference on any of 1 task" in page
    outline(page)


def test_all_equal(asked: Asked) -> None:
    scores, page = asked(["답"] * 20, ["답"] * 20, [["답"]] * 20)
    assert scores["metrics"]["exact_match"]["delta"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert values(scores, "exact_match") == 1.0
    assert 'data-change="same"' in page
    assert 'data-change="better"' not in page


def test_ten_thousand_samples_are_a_page(asked: Asked) -> None:
    right = [str(number) for number in range(10_000)]
    tuned = [text if number % 2 else "모름" for number, text in enumerate(right)]
    scores, page = asked(["모름"] * 10_000, tuned, [[text] for text in right], metrics=["exact_match"])
    assert values(scores, "exact_match") == 0.5
    assert "10,000 held-out answers" in page
    assert page.count('<article class="sample"') == 200
    assert "200 of the 10,000 held-out samples" in page
    assert len(page.encode()) < 1_000_000


def test_a_task_without_held_out_rows_is_in_the_corpus_and_not_in_the_scores(tmp_path: Path) -> None:
    spec = small_run()
    del spec.scores["tasks"]["chat"]
    spec.samples = [row for row in spec.samples if row["task"] != "chat"]
    spec.stats["tasks"]["chat"]["rows"]["heldout"] = 0
    page = page_of(tmp_path, spec)
    corpus, scores = (page.index(f'<section id="{name}"') for name in ("corpus", "scores"))
    assert ">chat<" in page[corpus:scores]
    assert "chat" not in page[scores : page.index('<section id="provenance"')]
    assert "of 2 tasks" in page[:corpus]
