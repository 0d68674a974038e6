"""The corpus part of the page: what was rejected, drawn, mixed and allowed is told as it was."""

import html
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from report_run import HOSTILE, RunSpec, small_run, write_run

from eval.report import report
from eval.report.sections.formatting import NBSP

Words = Callable[..., str]


@pytest.fixture
def words(tmp_path: Path) -> Words:
    """The small run, changed, as a page; its words with white space evened out."""

    def built(change: Callable[[RunSpec], None] | None = None, folder: str = "run") -> str:
        spec = small_run()
        if change is not None:
            change(spec)
        parents = write_run(tmp_path / folder, spec)
        page, _ = report.render(report.read_contents(tmp_path / folder, parents), "a")
        text = re.sub(r"<(style|script)>.*?</\1>", " ", page, flags=re.DOTALL)
        text = html.unescape(re.sub(r"<[^>]*>", " ", text)).replace(NBSP, " ")
        return re.sub(r"\s+", " ", text)

    return built


def test_allowed_contamination_is_told_twice_and_first(words: Words) -> None:
    def allowed(spec: RunSpec) -> None:
        spec.stats["contamination"] = {"leaks": {"exact": 2, "ngram": 1}, "allowed": f"재 보려고 {HOSTILE}"}

    text = words(allowed)
    told = "3 held-out rows stand in the train split too. The scores count these rows too, and are better "
    told += f"for it (exact 2, ngram 1). Allowed by the config, for this reason: 재 보려고 {HOSTILE}"
    assert text.count(told) == 2
    assert text.index(told) < text.index("Goals of the config")
    assert "stand in the train split too" not in words(folder="clean")


def test_a_reason_without_leaks_is_told_too(words: Words) -> None:
    def allowed(spec: RunSpec) -> None:
        spec.stats["contamination"] = {"leaks": {}, "allowed": "x" * 200}

    text = words(allowed)
    assert text.count("were allowed; none was found.") == 2
    assert "x" * 60 + "… (all of it under Corpus )" in text
    assert "x" * 200 in text


def test_rejects_are_shown_with_their_places(words: Words) -> None:
    text = words()
    told = "label_unmapped 2 영화평:reviews.tsv:4.0 6점은 긍정도 부정도 아님 영화평:reviews.tsv:9.0 5점은"
    assert told in text
    assert "chat:chat.json:2.0 <img src=x onerror=alert(1)>" in text


def test_nothing_rejected_or_found(words: Words) -> None:
    def clean(spec: RunSpec) -> None:
        spec.stats |= {"rejected": {}, "rejected_examples": {}, "duplicates": {}, "flags": {}}
        spec.stats |= {"personal_data": {}, "same_prompt": {"prompts": 0, "rows": 0, "rule": "first"}}

    text = words(clean)
    assert "No record was rejected." in text
    assert "0 exact, 0 near no row says what another says" in text
    assert "0 prompts 0 rows; rule: first" in text
    assert "0 flags nothing harmful or biased in a kept row" in text
    assert "0 kinds none in a kept row" in text


def test_findings_over_the_corpus(words: Words) -> None:
    text = words()
    assert "1,206 exact, 3 near" in text
    assert "4 prompts 9 rows; rule: keep_all" in text
    assert "4 flags rows with each: bias:gender 3, harmful_request_refused 1" in text
    assert "1 kind rows with each: phone 2" in text


def test_wordings_that_never_paired_are_listed(words: Words) -> None:
    def all_paired(spec: RunSpec) -> None:
        spec.stats["wordings"]["never_paired"] = []

    def no_bank(spec: RunSpec) -> None:
        spec.stats["wordings"] = {"pairs": {}, "axes": {}, "never_paired": []}

    text = words()
    assert "tone 4 66.7 % expression 2 33.3 % format 0 0.0 %" in text
    assert "2 wordings never paired: they were true of no train row, or never drawn 감성/세_문장" in text
    assert "Every wording of the corpus' tasks paired" in words(all_paired, folder="all")
    assert "No task of the corpus has wordings of its own." in words(no_bank, folder="none")


def test_variants_mix_texts_and_tokens(words: Words) -> None:
    text = words()
    assert "영화평 7 85.7 % 0.0 % 0.0 % 0.0 % 0.0 %" in text
    assert "What stood around 4 rows: 2 combinations few_shot:1 3 role:teacher + few_shot:2 1" in text
    assert "영화평 70.0 % 69.9 % 65.0 % 65.1 %" in text
    assert "감성 5 rows 분류하다 3, classify 1 instruction 5 24 80 1,204 40 50.0 % 75.0 % 100.0 %" in text
    assert "input 5 24 80 1,204 – – – – answer" in text
    assert "ko 820 1.62 2.1 % 41.2 %" in text
