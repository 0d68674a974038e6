"""Fewer than 1 % of the rows of each clean real corpus are refused by the default checks; each is listed.

Corpora of abuse and hate are no part of this: they are dirty on purpose.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data_pipeline.config import DataConfig, SourceConfig
from data_pipeline.rows.normalize_rows import normalize_draft
from data_pipeline.rows.turn_order import drop_unanswered
from data_pipeline.rows.validate import validate
from data_pipeline.rows.written_roles import take_roles_apart
from data_pipeline.sources import expand, read

MAX_REFUSED = 0.01
SHOWN = 12  # refusals of a source that are printed

KOBEST: Any = {"format": "table", "task": "kobest"}
BILINGUAL: Any = {"format": "parallel", "languages": ["en", "ko"], "directions": "both"}
SOURCES: dict[str, Any] = {
    "nsmc": {
        "format": "table",
        "path": "ko/nsmc-raw/*.json",
        "columns": {"input": "review", "label": "rating"},
    },
    "nsmc_written": {
        "format": "table",
        "path": "ko/nsmc-raw/*.json",
        "columns": {"input": "rating", "answer": "review"},
    },
    "chatbot": {
        "format": "table",
        "path": "ko/chatbot/ChatbotData.csv",
        "columns": {"instruction": "Q", "answer": "A"},
    },
    "sae4k": {
        "format": "table",
        "path": "ko/sae4k/sae4k_v1.txt",
        "delimiter": "tab",
        "header": ["utterance", "summary", "type"],
        "columns": {"input": "utterance", "answer": "summary"},
    },
    "boolq": KOBEST
    | {
        "path": "ko/kobest/BoolQ/*.tsv",
        "columns": {"instruction": "Question", "input": "Text", "label": "Answer"},
    },
    "copa": KOBEST
    | {
        "path": "ko/kobest/COPA/*.tsv",
        "columns": {"instruction": "question", "input": "sentence", "answer": "1"},
    },
    "hellaswag": KOBEST
    | {
        "path": "ko/kobest/HellaSwag/*.tsv",
        "columns": {"input": "context", "answer": "choice1"},
    },
    "sentineg": KOBEST
    | {
        "path": "ko/kobest/SentiNeg/*.tsv",
        "columns": {"input": "Text", "label": "Label"},
    },
    "wic": KOBEST
    | {
        "path": "ko/kobest/WiC/*.tsv",
        "columns": {"instruction": "SENTENCE1", "input": "SENTENCE2", "label": "ANSWER"},
    },
    "klue_nli": {
        "format": "table",
        "path": "ko/klue/klue-nli-v1.1_dev.json",
        "columns": {"instruction": "premise", "input": "source", "answer": "hypothesis"},
    },
    "square": {
        "format": "table",
        "path": "ko/square/question_test_ood.json",
        "columns": {"instruction": "question", "answer": "question_en"},
    },
    "jhe": BILINGUAL | {"task": "translation", "path": "en-ko/jhe/jhe-koen-dev.{language}"},
    "park": BILINGUAL
    | {"task": "translation", "path": "en-ko/park-news-dev/korean-english-park.dev.{language}"},
    "python_docs": {
        "format": "gettext",
        "path": "en-ko/python-docs-ko",
        "languages": ["en", "ko"],
        "directions": "both",
        "task": "translation",
    },
    "qasc": {
        "format": "table",
        "path": "en/flan-cot/*.tsv",
        "header": ["question", "answer", "rationale"],
        "columns": {"instruction": "question", "answer": "rationale"},
    },
    "gpteacher": {
        "format": "alpaca",
        "path": "en/gpteacher/codegen-instruct.json",
        "columns": {"answer": "response"},
    },
    "superni": {"format": "natural_instructions", "path": "en/superni/*/*.json"},
    "self_instruct": {
        "format": "table",
        "path": "en/self-instruct/*.jsonl",
        "each": "instances",
        "columns": {"instruction": "instruction", "input": "input", "answer": "output"},
    },
    "open_assistant": {"format": "oasst", "path": "chat/open-assistant/en_100_tree.jsonl", "threads": "all"},
    "fastchat": {"format": "sharegpt", "path": "chat/fastchat/dummy_conversation.json"},
    "mbpp": {
        "format": "table",
        "path": "code/mbpp/sanitized-mbpp.json",
        "columns": {"instruction": "prompt", "answer": "code"},
    },
    "human_eval": {
        "format": "table",
        "path": "code/human-eval/HumanEval.jsonl",
        "columns": {"instruction": "prompt", "answer": "canonical_solution"},
    },
}


def drafts(name: str, folder: Path) -> Iterator[Any]:
    """The rows that the reader keeps, made ready for validation as `prepare` does."""
    source = SourceConfig.model_validate({"name": name} | SOURCES[name])
    for unit in expand(source, index=0, base=folder):
        for draft in read(unit, source):
            if "reason" in draft:
                continue
            draft, _ = take_roles_apart(normalize_draft(draft)[0])
            if draft["messages"]:
                draft["messages"], _ = drop_unanswered(draft["messages"])
            yield draft


@pytest.fixture(scope="module")
def config() -> DataConfig:
    return DataConfig.model_validate({"sources": [{"name": "s", "format": "alpaca", "path": "x"}]})


@pytest.mark.parametrize("name", SOURCES)
def test_clean_corpora_are_kept(name: str, shared_data: Path, config: DataConfig) -> None:
    refused: list[tuple[str, str, str]] = []
    rows = 0
    for draft in drafts(name, shared_data):
        rows += 1
        refusal = validate(draft, config=config, task_labels=(), has_bank=True, task_bounds=None)
        if refusal:
            refused.append((f"{draft['file']}:{draft['record']}.{draft['sub_record']}", *refusal))
    counts = dict(Counter(reason for _, reason, _ in refused))
    print(f"\n{name}: {len(refused)} of {rows} rows refused ({len(refused) / max(rows, 1):.2%}) {counts}")
    for line in refused[:SHOWN]:
        print("  ", *line)
    assert rows > 0
    assert len(refused) < MAX_REFUSED * rows, counts
