"""Every file of the real corpora is read, and every record is accounted for.

The counts on the right hand were made here by the plainest means (json.load, csv, split), not by our readers.
"""

import csv
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from data_pipeline.config import SourceConfig
from data_pipeline.reasons import LABEL_NOT_MAPPED
from data_pipeline.reasons import READING as REASONS
from data_pipeline.sources import describe, expand, read
from data_pipeline.sources.values.promptsource import load_templates
from launcher.config import load

CORPUS = Path(__file__).parent / "corpus.yaml"
NUM_ROWS = 116_044  # of all corpora there, as their own page counts them


@pytest.fixture(scope="module")
def sources(shared_data: Path) -> dict[str, tuple[SourceConfig, Path]]:
    config, base = load(CORPUS, [])
    return {source.name: (source, base) for source in config.data.sources}


@cache
def _entries(source_json: str, base: Path) -> list[Any]:
    source = SourceConfig.model_validate_json(source_json)
    return [row for unit in expand(source, index=0, base=base) for row in read(unit, source)]


def entries(sources: Any, name: str) -> list[Any]:
    source, base = sources[name]
    return _entries(source.model_dump_json(), base)


def num_records(found: list[Any]) -> int:
    return len({(row["file"], row["record"]) for row in found})


def rows_of(found: list[Any]) -> list[Any]:
    return [row for row in found if "reason" not in row]


def words(sources: Any, name: str) -> set[str]:
    source, base = sources[name]
    return {word for unit in expand(source, index=0, base=base) for word in describe(unit, source)}


def test_every_source_is_read_and_its_texts_can_be_written(sources: Any) -> None:
    for name in sources:
        found = entries(sources, name)
        places = [(row["file"], row["record"], row["sub_record"]) for row in found]
        assert len(set(places)) == len(places)
        assert places == sorted(places)
        assert min(row["sub_record"] for row in found) == 0
        assert {row["reason"] for row in found if "reason" in row} <= REASONS.keys()
        for row in rows_of(found):
            json.dumps(row, ensure_ascii=False).encode()
            assert row["references"][0] == row["fields"]["answer"]
            assert row["references"][0].strip()


def lines_in(folder: Path, pattern: str) -> int:
    """Lines that are not blank, of all files of a pattern."""
    return sum(
        len([line for line in path.read_bytes().split(b"\n") if line.strip()])
        for path in folder.glob(pattern)
    )


def items_in(folder: Path, pattern: str, key: str | None = None) -> int:
    """Items of the JSON arrays that files are, or that they have under a key."""
    values = (json.loads(path.read_text()) for path in folder.glob(pattern))
    return sum(len(value if key is None else value[key]) for value in values)


# Source -> how many records a plain reader finds. Its header lines are no records.
PLAIN: Any = {
    "nsmc": lambda at: items_in(at, "ko/nsmc-raw/*.json"),
    "jhe": lambda at: lines_in(at, "en-ko/jhe/*.en"),
    "park": lambda at: lines_in(at, "en-ko/park-news-dev/*.en"),
    "python_docs": lambda at: sum(po_counts(at).values()),
    "chatbot": lambda at: lines_in(at, "ko/chatbot/*.csv") - 1,
    "fastchat": lambda at: items_in(at, "chat/fastchat/dummy*.json"),
    "mt_bench": lambda at: lines_in(at, "chat/fastchat/mt_bench*.jsonl"),
    "judge_prompts": lambda at: lines_in(at, "chat/fastchat/judge*.jsonl"),
    "oasst": lambda at: lines_in(at, "chat/open-assistant/*.jsonl"),
    "human_eval": lambda at: lines_in(at, "code/human-eval/*.jsonl"),
    "mbpp": lambda at: items_in(at, "code/mbpp/*.json"),
    "gpteacher": lambda at: items_in(at, "en/gpteacher/*.json"),
    "strategyqa": lambda at: lines_in(at, "en/flan-cot/strategyqa*"),
    "qasc": lambda at: lines_in(at, "en/flan-cot/qasc*"),
    "self_instruct": lambda at: lines_in(at, "en/self-instruct/*.jsonl"),
    "quoref": lambda at: items_in(at, "en/superni/task002_*/*.json", "Instances"),
    "xsum": lambda at: items_in(at, "en/superni/task1290_*/*.json", "Instances"),
    "diplomacy": lambda at: items_in(at, "en/superni/task1590_*/*.json", "Instances"),
    "personachat": lambda at: items_in(at, "en/superni/task1729_*/*.json", "Instances"),
    "sst2": lambda at: items_in(at, "en/superni/task363_*/*.json", "Instances"),
    "multiwoz": lambda at: items_in(at, "en/superni/task639_*/*.json", "Instances"),
    "klue_nli": lambda at: items_in(at, "ko/klue/*.json"),
    "boolq": lambda at: lines_in(at, "ko/kobest/BoolQ/*.tsv") - 2,
    "copa": lambda at: lines_in(at, "ko/kobest/COPA/*.tsv") - 2,
    "hellaswag": lambda at: lines_in(at, "ko/kobest/HellaSwag/*.tsv") - 2,
    "wic": lambda at: lines_in(at, "ko/kobest/WiC/*.tsv") - 2,
    "sentineg": lambda at: lines_in(at, "ko/kobest/SentiNeg/train.tsv") - 1,
    "sentineg_dev": lambda at: lines_in(at, "ko/kobest/SentiNeg/dev.tsv") - 1,
    "hate_speech": lambda at: lines_in(at, "ko/korean-hate-speech/labeled/*.tsv") - 2,
    "news_titles": lambda at: lines_in(at, "ko/korean-hate-speech/news_title/*.txt"),
    "curse": lambda at: lines_in(at, "ko/curse-detection/*.txt"),
    "sae4k": lambda at: lines_in(at, "ko/sae4k/*.txt"),
    "sci_news": lambda at: len(list(at.glob("ko/sci-news-sum-kr-50/*.json"))),
    "square": lambda at: items_in(at, "ko/square/*.json"),
}
# What records of a source are rejected for, and how many; of the others none is.
REJECTED = {
    "nsmc": {"label_not_mapped": 1640},
    "python_docs": {"empty_translation": 2 * 1800, "fuzzy_entry": 2 * 302, "obsolete_entry": 2 * 584},
    "oasst": {"unanswered_turn": 36},
    "mt_bench": {"missing_field": 41, "no_answer": 1},
    "news_titles": {"no_answer": 3},
    "curse": {"broken_row": 1},
}


def po_counts(shared_data: Path) -> Counter[str]:
    """Entries of the catalogues by kind, from their text alone: paragraphs with a msgid, no headers."""
    counts: Counter[str] = Counter()
    for path in (shared_data / "en-ko" / "python-docs-ko").rglob("*.po"):
        for entry in re.split(r"\n[ \t]*\n", path.read_text(encoding="utf-8")):
            if re.search(r'^msgid ""\nmsgstr ""\n"Project-Id', entry, re.M) or "msgid" not in entry:
                continue
            if re.search(r"^#~ msgid", entry, re.M):
                counts["obsolete"] += 1
            elif re.search(r'^msgstr ""$(?!\n")', entry, re.M):
                counts["empty"] += 1
            else:
                counts["fuzzy" if re.search(r"^#,.*\bfuzzy\b", entry, re.M) else "kept"] += 1
    return counts


def test_every_source_has_a_plain_count(sources: Any) -> None:
    assert sources.keys() == PLAIN.keys()


@pytest.mark.parametrize("name", PLAIN)
def test_records_in_are_kept_and_rejected(sources: Any, shared_data: Path, name: str) -> None:
    found = entries(sources, name)
    assert num_records(found) == PLAIN[name](shared_data)
    assert Counter(row["reason"] for row in found if "reason" in row) == REJECTED.get(name, {})
    assert len(rows_of(found)) + sum(REJECTED.get(name, {}).values()) == len(found)


def test_all_rows_of_the_corpora_are_accounted_for(sources: Any, shared_data: Path) -> None:
    """Where their page counts otherwise: both sides of parallel text, header lines, no obsolete entries.

    The csv of the chatbot has a header line and no line end after its last row: 11,823 either way.
    """
    num_templates = sum(
        len(load_templates(str(path))) for path in (shared_data / "en" / "promptsource").rglob("*.yaml")
    )
    records = sum(num_records(entries(sources, name)) for name in sources)
    other_sides = sum(num_records(entries(sources, name)) for name in ("jhe", "park"))
    headers = 2 * 5 + 2  # KoBEST, and the labelled comments
    obsolete = po_counts(shared_data)["obsolete"]
    assert num_templates == 182
    assert records + other_sides + headers - obsolete + num_templates == NUM_ROWS


def test_every_template_of_promptsource_can_be_rendered(shared_data: Path) -> None:
    """With a record that has every variable the file's templates name."""
    folder = shared_data / "en" / "promptsource"
    values = {"choices": {"text": ["a"]}, "answers": {"text": ["a"]}, "options": ["a"]}
    for path in sorted(folder.rglob("*.yaml")):
        names = set(re.findall(r"[a-z_0-9]+", path.read_text())) - {"namespace", "zip", "range"}
        record = {name: values.get(name, f"text of {name}") for name in names}
        record |= {name: 0 for name in names if name.endswith("label")}
        for template in load_templates(str(path)):
            variables = record | {"answer_choices": ["a", "b", "c", "d", "e", "f"], "_record": "0"}
            assert isinstance(template.body.render(variables), str)


def test_nsmc_ratings_become_labels(sources: Any, shared_data: Path) -> None:
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
    sources: Any, shared_data: Path, name: str, stem: str, count: int
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


def test_chatbot_csv(sources: Any, shared_data: Path) -> None:
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


def test_chatbot_label_with_trailing_blanks_is_mapped(sources: Any, shared_data: Path) -> None:
    source, base = sources["chatbot"]
    topics = {"0": "일상", "1": "이별", "2": "사랑"}
    changed = source.model_copy(update={"columns": {"input": "Q", "label": "label"}, "labels": topics})
    found: list[Any] = [row for unit in expand(changed, index=0, base=base) for row in read(unit, changed)]
    raw = (shared_data / "ko" / "chatbot" / "ChatbotData.csv").read_bytes()
    assert raw.count(b",2   \r\n") == 1
    assert rows_of(found) == found
    assert sum(row["fields"]["label"] == "사랑" for row in found) == raw.count(b",2\r\n") + 1 + raw.endswith(
        b",2"
    )


def test_fastchat_conversations(sources: Any, shared_data: Path) -> None:
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
def test_natural_instructions(sources: Any, shared_data: Path, name: str) -> None:
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
