"""The banks on real corpora: true pairs on every axis, and which wordings never pair, and why."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from data_pipeline.config import SourceConfig
from data_pipeline.rows.normalize_rows import normalize_draft
from data_pipeline.sources import expand, read
from data_pipeline.tasks.tasks import Wording, attests_of, load_tasks
from data_pipeline.tasks.wordings import Choice, draw_choice, true_choices
from hunmin.language.script import language_of

TASKS = load_tasks(None)
AXES = ("expression", "tone", "complexity", "language", "domain", "format")
MIN_PAIRS = 1000  # on each axis
MAX_ROWS = 1500  # of a source, evenly over its files
MIN_ROWS_PER_S = 20_000  # drawn for label tasks, on one core

YES_NO = {"True": "예", "TRUE": "예", "False": "아니요", "FALSE": "아니요"}
# What a source is read with, and what it attests of its answers.
SOURCES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "nsmc": (
        {
            "path": "ko/nsmc-raw/*.json",
            "task": "sentiment",
            "columns": {"input": "review", "label": "rating"},
            "labels": {"1-3": "부정", "5-6": "중립", "9-10": "긍정"},
            "language": "ko",
        },
        ("domain:movies", "scale:1-10", "context:author"),
    ),
    "sentineg": (
        {
            "path": "ko/kobest/SentiNeg/*.tsv",
            "task": "sentiment",
            "columns": {"input": "Text", "label": "Label"},
            "labels": {"1": "긍정", "0": "부정"},
            "language": "ko",
        },
        ("domain:products",),
    ),
    "sst2": (
        {
            "format": "natural_instructions",
            "path": "en/superni/task363_sst2_polarity_classification/train.json",
            "task": "sentiment",
            "labels": {"POS": "positive", "NEG": "negative"},
            "language": "en",
        },
        ("domain:movies",),
    ),
    "sae4k": (
        {
            "path": "ko/sae4k/sae4k_v1.txt",
            "task": "summarization",
            "columns": {"input": "q", "answer": "a"},
            "header": ["q", "a", "type"],
            "delimiter": "tab",
            "language": "ko",
        },
        ("domain:utterance",),
    ),
    "xsum": (
        {
            "format": "natural_instructions",
            "path": "en/superni/task1290_xsum_summarization/train.json",
            "task": "summarization",
            "language": "en",
        },
        ("domain:news",),
    ),
    "jhe": (
        {
            "format": "parallel",
            "path": "en-ko/jhe/jhe-koen-dev.{language}",
            "languages": ["en", "ko"],
            "directions": "both",
            "task": "translation",
        },
        ("quality:accurate", "quality:natural", "quality:clear"),
    ),
    "park": (
        {
            "format": "parallel",
            "path": ["en-ko/park-news-dev/*.en", "en-ko/park-news-dev/*.ko"],
            "languages": ["en", "ko"],
            "directions": "both",
            "task": "translation",
        },
        ("domain:news",),
    ),
    "python_docs": (
        {
            "format": "gettext",
            "path": "en-ko/python-docs-ko",
            "languages": ["en", "ko"],
            "task": "translation",
        },
        ("domain:technical",),
    ),
    "mbpp": (
        {
            "path": "code/mbpp/sanitized-mbpp.json",
            "task": "code_generation",
            "columns": {"input": "prompt", "answer": "code"},
            "language": "en",
        },
        (),
    ),
    "human_eval": (
        {
            "path": "code/human-eval/HumanEval.jsonl",
            "task": "code_generation",
            "columns": {"input": "prompt", "answer": "{prompt}{canonical_solution}"},
            "language": "en",
        },
        (),
    ),
    "human_eval_bodies": (
        {
            "path": "code/human-eval/HumanEval.jsonl",
            "task": "code_generation",
            "columns": {"input": "prompt", "answer": "canonical_solution"},
            "language": "en",
        },
        (),
    ),
    "codegen": (
        {
            "path": "en/gpteacher/codegen-instruct.json",
            "task": "code_generation",
            "columns": {"input": "instruction", "answer": "response"},
            "language": "en",
        },
        (),
    ),
    "chatbot": (
        {
            "path": "ko/chatbot/ChatbotData.csv",
            "task": "conversation",
            "columns": {"input": "Q", "answer": "A"},
            "filters": [{"column": "label", "values": ["1", "2"]}],
            "language": "ko",
        },
        ("domain:relationships",),
    ),
    "boolq": (
        {
            "path": "ko/kobest/BoolQ/*.tsv",
            "task": "question_answering",
            "columns": {"input": "{Text}\n질문: {Question}", "label": "Answer"},
            "labels": YES_NO,
            "language": "ko",
        },
        ("domain:encyclopedia",),
    ),
    "quoref": (
        {
            "format": "natural_instructions",
            "path": "en/superni/task002_quoref_answer_generation/train.json",
            "task": "question_answering",
            "language": "en",
        },
        (),
    ),
    "strategyqa": (
        {
            "path": "en/flan-cot/strategyqa_train.tsv",
            "task": "question_answering",
            "columns": {"input": "question", "answer": "answer"},
            "header": ["question", "answer", "rationale"],
            "language": "en",
        },
        (),
    ),
    "klue": (
        {
            "path": "ko/klue/*.json",
            "task": "nli",
            "columns": {"input": "전제: {premise}\n가설: {hypothesis}", "label": "gold_label"},
            "language": "en",  # of the labels, which are the answers
        },
        (),
    ),
    "klue_ko": (
        {
            "path": "ko/klue/*.json",
            "task": "nli",
            "columns": {"input": "전제: {premise}\n가설: {hypothesis}", "label": "gold_label"},
            "labels": {"entailment": "함의", "neutral": "중립", "contradiction": "모순"},
            "language": "ko",
        },
        (),
    ),
}


def rows_of(name: str, base: Path) -> list[Any]:
    """Drafts as the pipeline makes rows of them, as far as wordings look at rows.

    A definition that stands before every row of a Natural Instructions task makes room for our wordings.
    """
    settings, told = SOURCES[name]
    source = SourceConfig.model_validate({"name": name, "format": "table", "attests": told} | settings)
    units = expand(source, index=0, base=base)
    drafts = [draft for unit in units for draft in read(unit, source) if "reason" not in draft]
    step = 1 if source.task == "code_generation" else len(drafts) // MAX_ROWS | 1  # odd: both directions
    rows = [as_row(draft, attests_of(source)) for draft in drafts[::step]]
    if source.format == "natural_instructions":
        rows = [row | {"fields": row["fields"] | {"instruction": None}} for row in rows]
    return rows


def as_row(draft: Any, attests: list[str]) -> Any:
    draft, _ = normalize_draft(draft)
    place = f"{draft['source']}:{draft['file']}:{draft['record']}.{draft['sub_record']}"
    language = draft["language"] or language_of(draft["fields"]["answer"])
    return draft | {"row_id": place, "language": language, "attests": attests}


Pairs = list[tuple[Any, Choice]]


@pytest.fixture(scope="module")
def rows(shared_data: Path) -> list[Any]:
    return [row for name in SOURCES for row in rows_of(name, shared_data)]


@pytest.fixture(scope="module")
def pairs(rows: list[Any]) -> Pairs:
    return [(row, choice) for row in rows for choice in true_choices(TASKS[row["task"]], row)]


def test_a_thousand_true_pairs_arise_on_every_axis(pairs: Pairs) -> None:
    for what, found in (("all", pairs), ("checked", [pair for pair in pairs if pair[1].constraints])):
        by_axis = Counter(choice.axis for _, choice in found)
        print(what, dict(by_axis))
        assert set(by_axis) == set(AXES)
        assert min(by_axis.values()) >= MIN_PAIRS


def test_the_text_of_a_pair_is_true_by_the_plainest_means(pairs: Pairs) -> None:
    """The commonest claims, judged anew without our checks."""
    seen: Counter[str] = Counter()
    for row, choice in pairs:
        for name in choice.constraints:
            seen[name] += 1
            answer = choice.answer
            if name.startswith("max_chars:"):
                assert len(answer) <= int(name.split(":")[1])
            elif name.startswith("label_set:"):
                assert answer in name.split(":")[1].split(",")
            elif name == "one_line":
                assert "\n" not in answer
            elif name == "no_latin":
                assert not any(char.isascii() and char.isalpha() for char in answer)
            elif name == "extracts":
                assert answer.rstrip(".") in row["fields"]["input"]
            elif name == "has_docstring":
                assert '"""' in answer or "'''" in answer
            elif name == "uses_generator":
                assert "yield" in answer
            elif name == "speech_level:formal":  # reStructuredText ends some sentences with ::
                assert answer.rstrip(' .!?~:"”’)…').endswith(("니다", "니까", "십시오"))
        if "answer:score_10" in choice.transforms:
            assert choice.answer == row["fields"]["value"].strip() + "점"
        if "answer:score_5" in choice.transforms:
            assert int(row["fields"]["value"]) == 2 * int(choice.answer.removesuffix("점"))
    assert {"one_line", "no_latin", "extracts", "has_docstring", "uses_generator"} <= seen.keys()


# Checked wordings that none of these sources has an answer for; attested ones need a source that attests.
LEVELS = {"speech_level:formal", "speech_level:polite", "speech_level:plain"}
WITHOUT_ANSWERS = {
    "code_generation": {"input_language:ko"},
    "question_answering": {"bullets", "numbered_list", "min_sentences:3", *LEVELS},
    "summarization": {
        *("bullets", "num_bullets:3", "numbered_list", "question_answer", "keywords"),
        *("min_sentences:2", "sentences:3", "min_sentences:5", *LEVELS),
    },
    "sentiment": {"min_sentences:2"},
}


def test_wordings_that_never_pair_lack_an_answer_or_a_source_that_attests(
    rows: list[Any], pairs: Pairs
) -> None:
    paired = {choice.wording_id for _, choice in pairs}
    for row in rows:
        paired |= {choice.wording_id for choice in true_choices(TASKS[row["task"]], row, heldout=True)}
    with_rows = {row["task"] for row in rows}
    assert with_rows == TASKS.keys() - {"safe_response"}  # no corpus here holds answers to harmful requests
    unexplained = []
    for name in sorted(with_rows):
        never = [one for one in TASKS[name].wordings if f"{name}/{one.id}" not in paired]
        print(name, "never paired:", [f"{one.id} ({_lack(one)})" for one in never])
        unexplained += [
            f"{name}/{one.id}"
            for one in never
            if one.kind != "attested" and not _asked(one) & WITHOUT_ANSWERS.get(name, set())
        ]
    print("unexplained:", unexplained)
    assert unexplained == []


def _asked(wording: Wording) -> set[str]:
    return {*wording.requires, f"input_language:{wording.when.input_language}"}


def _lack(wording: Wording) -> str:
    return ", ".join([*wording.attested, *wording.requires]) or "-"


def test_drawing_is_fast(rows: list[Any]) -> None:
    labelled = [row for row in rows if row["task"] in ("sentiment", "nli")]
    started = time.process_time()
    for row in labelled:
        draw_choice(TASKS[row["task"]], row, seed=0, epoch=0, repeat=0)
    rate = len(labelled) / (time.process_time() - started)
    print(f"{rate:,.0f} rows/s")
    assert rate >= MIN_ROWS_PER_S
