"""Every file of the real corpora is read, and every record is accounted for.

The counts on the right hand were made here by the plainest means (json.load, csv, split), not by our readers.
"""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from data_pipeline.config import SourceConfig
from data_pipeline.sources import describe, expand, read
from data_pipeline.sources.reasons import LABEL_NOT_MAPPED, REASONS
from launcher.config import load

CORPUS = Path(__file__).parent / "corpus.yaml"


@pytest.fixture(scope="module")
def sources(shared_data: Path) -> dict[str, tuple[SourceConfig, Path]]:
    config, base = load(CORPUS, [])
    return {source.name: (source, base) for source in config.data.sources}


def entries(sources: dict, name: str) -> list[dict]:
    source, base = sources[name]
    return [row for unit in expand(source, index=0, base=base) for row in read(unit, source)]


def rows_of(found: list[dict]) -> list[dict]:
    return [row for row in found if "reason" not in row]


def words(sources: dict, name: str) -> set[str]:
    source, base = sources[name]
    return {word for unit in expand(source, index=0, base=base) for word in describe(unit, source)}


def test_every_source_is_read_and_its_texts_can_be_written(sources: dict) -> None:
    for name in sources:
        found = entries(sources, name)
        places = [(row["file"], row["record"], row["sub_record"]) for row in found]
        assert len(set(places)) == len(places)
        assert places == sorted(places)
        assert {row["reason"] for row in found if "reason" in row} <= REASONS.keys()
        for row in rows_of(found):
            json.dumps(row, ensure_ascii=False).encode()
            assert row["references"][0] == row["fields"]["answer"]
            assert row["references"][0].strip()


def test_nsmc_ratings_become_labels(sources: dict, shared_data: Path) -> None:
    files = sorted((shared_data / "ko" / "nsmc-raw").glob("*.json"))
    reviews = [review for file in files for review in json.loads(file.read_text())]
    ratings = Counter(int(review["rating"]) for review in reviews)
    found = entries(sources, "nsmc")
    labels = Counter(row["fields"]["label"] for row in rows_of(found))
    assert len(files) == 113
    assert len(found) == len(reviews) == 5330
    assert labels["부정"] == sum(ratings[rating] for rating in (1, 2, 3, 4)) == 1037
    assert labels["긍정"] == ratings[9] + ratings[10] == 2653
    assert Counter(row.get("reason") for row in found)[LABEL_NOT_MAPPED] == 5330 - 1037 - 2653 == 1640
    assert [row["fields"]["input"] for row in rows_of(found)] == [
        review["review"] for review in reviews if int(review["rating"]) not in (5, 6, 7, 8)
    ]


@pytest.mark.parametrize(
    ("name", "stem", "count"),
    [("jhe", "jhe/jhe-koen-dev", 720), ("park", "park-news-dev/korean-english-park.dev", 1000)],
)
def test_parallel_lines_stay_together_in_both_directions(
    sources: dict, shared_data: Path, name: str, stem: str, count: int
) -> None:
    english, korean = (
        (shared_data / "en-ko" / f"{stem}.{language}").read_bytes().decode().split("\n")[:-1]
        for language in ("en", "ko")
    )
    assert len(english) == len(korean) == count
    found = entries(sources, name)
    assert found == rows_of(found)
    pairs = [(row["fields"]["input"], row["fields"]["answer"], row["language"]) for row in found]
    assert pairs[0::2] == [(one, other, "ko") for one, other in zip(english, korean, strict=True)]
    assert pairs[1::2] == [(other, one, "en") for one, other in zip(english, korean, strict=True)]
    assert any("\u00a0" in text for pair in pairs for text in pair)  # no-break spaces arrive as they are


def test_chatbot_csv(sources: dict, shared_data: Path) -> None:
    path = shared_data / "ko" / "chatbot" / "ChatbotData.csv"
    with path.open(encoding="utf-8", newline="") as handle:
        table = list(csv.DictReader(handle))
    found = entries(sources, "chatbot")
    assert len(found) == len(table) == 11823
    assert found == rows_of(found)
    assert [(row["fields"]["input"], row["fields"]["answer"]) for row in found] == [
        (line["Q"], line["A"]) for line in table
    ]
    assert not any("\r" in row["fields"]["answer"] for row in found)
    assert {"CRLF", "header line: Q, A, label", "delimiter comma"} <= words(sources, "chatbot")


def test_chatbot_label_with_trailing_blanks_is_mapped(sources: dict, shared_data: Path) -> None:
    source, base = sources["chatbot"]
    topics = {"0": "일상", "1": "이별", "2": "사랑"}
    changed = source.model_copy(update={"columns": {"input": "Q", "label": "label"}, "labels": topics})
    found = [row for unit in expand(changed, index=0, base=base) for row in read(unit, changed)]
    raw = (shared_data / "ko" / "chatbot" / "ChatbotData.csv").read_bytes()
    assert raw.count(b",2   \r\n") == 1
    assert rows_of(found) == found
    assert sum(row["fields"]["label"] == "사랑" for row in found) == raw.count(b",2\r\n") + 1 + raw.endswith(
        b",2"
    )


def test_fastchat_conversations(sources: dict, shared_data: Path) -> None:
    chats = json.loads((shared_data / "chat" / "fastchat" / "dummy_conversation.json").read_text())
    found = entries(sources, "fastchat")
    assert len(found) == len(chats) == 500
    assert [[turn["content"] for turn in row["messages"]] for row in rows_of(found)] == [
        [turn["value"] for turn in chat["conversations"]] for chat in chats
    ]
    assert Counter(len(row["messages"]) for row in found) == {2: 167, 4: 166, 6: 167}


TASKS = {
    "quoref": ("task002_quoref_answer_generation", 1200),
    "xsum": ("task1290_xsum_summarization", 1200),
    "diplomacy": ("task1590_diplomacy_text_generation", 158),
    "personachat": ("task1729_personachat_generate_next", 1200),
    "sst2": ("task363_sst2_polarity_classification", 1200),
    "multiwoz": ("task639_multi_woz_user_utterance_generation", 178),
}


@pytest.mark.parametrize("name", TASKS)
def test_natural_instructions(sources: dict, shared_data: Path, name: str) -> None:
    folder, count = TASKS[name]
    files = sorted((shared_data / "en" / "superni" / folder).glob("*.json"))
    tasks = [json.loads(file.read_text()) for file in files]
    found = entries(sources, name)
    expected = [
        (task["Definition"][0], instance["input"], instance["output"])
        for task in tasks
        for instance in task["Instances"]
    ]
    assert [file.name for file in files] == ["dev.json", "test.json", "train.json"]
    assert len(found) == len(expected) == count
    assert found == rows_of(found)
    for row, (definition, asked, output) in zip(found, expected, strict=True):
        accepted = [output] if isinstance(output, str) else list(dict.fromkeys(output))
        assert (row["fields"]["instruction"], row["fields"]["input"]) == (definition, asked)
        assert row["references"] == accepted


def test_bom_crlf_and_unbalanced_quotes_of_other_corpora(shared_data: Path) -> None:
    """Tables outside corpus.yaml whose dirt has bitten others: none loses a record."""
    cases = (
        ("ko/sae4k/sae4k_v1.txt", {"header": ["q", "a", "type"], "delimiter": "tab"}, "q", "a", 30837, 0),
        ("ko/curse-detection/dataset.txt", {"header": ["q", "a"], "delimiter": "|"}, "q", "a", 5824, 1),
        ("ko/korean-hate-speech/labeled/train.tsv", {}, "comments", "hate", 7896, 0),
        ("ko/kobest/SentiNeg/dev.tsv", {}, "Text", "Label", None, 0),
        ("ko/kobest/SentiNeg/train.tsv", {}, "Text", "Label", None, 0),
    )
    for path, settings, asked, answer, count, rejected in cases:
        columns = {"input": asked, "answer": answer}
        source = SourceConfig.model_validate(
            {"name": "x", "format": "table", "path": path, "columns": columns, **settings}
        )
        (unit,) = expand(source, index=0, base=shared_data)
        found = list(read(unit, source))
        lines = (shared_data / path).read_bytes().rstrip(b"\r\n").count(b"\n") + ("header" in settings)
        assert len(found) == lines
        assert len(found) - len(rows_of(found)) == rejected
        assert count is None or len(rows_of(found)) == count
        assert not any("\ufeff" in row["fields"]["input"] for row in rows_of(found))
        if path.endswith("sae4k_v1.txt"):
            assert describe(unit, source)[:2] == ["utf-8 with BOM", "CRLF"]
