"""How many instructions of real corpora get a rewording, and that none of them is damaged."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hunmin.language.protected import protected
from hunmin.language.variants.rewordings import reword, rewordings


def gpteacher(folder: Path) -> list[str]:
    records = json.loads((folder / "en/gpteacher/codegen-instruct.json").read_text())
    return [record["instruction"] for record in records]


def self_instruct(folder: Path) -> list[str]:
    files = sorted((folder / "en/self-instruct").glob("*.jsonl"))
    return [json.loads(line)["instruction"] for file in files for line in file.read_text().splitlines()]


def open_assistant(folder: Path) -> list[str]:
    lines = (folder / "chat/open-assistant/en_100_tree.jsonl").read_text().splitlines()
    return [json.loads(line)["prompt"]["text"] for line in lines]


def mt_bench(folder: Path) -> list[str]:
    lines = (folder / "chat/fastchat/mt_bench_question.jsonl").read_text().splitlines()
    return [json.loads(line)["turns"][0] for line in lines]


def chatbot(folder: Path) -> list[str]:
    with (folder / "ko/chatbot/ChatbotData.csv").open(encoding="utf-8", newline="") as handle:
        return [line["Q"] for line in csv.DictReader(handle)]


def voice_commands(folder: Path) -> list[str]:
    lines = (folder / "ko/sae4k/sae4k_v1.txt").read_text(encoding="utf-8-sig").splitlines()
    return [line.split("\t")[0] for line in lines]


# The least share of texts with a rewording; statements, titles and talk get none, on purpose.
@pytest.mark.parametrize(
    ("texts", "language", "share"),
    [
        (gpteacher, "en", 0.92),
        (self_instruct, "en", 0.79),
        (open_assistant, "en", 0.36),
        (mt_bench, "en", 0.46),
        (chatbot, "ko", 0.155),
        (voice_commands, "ko", 0.64),
    ],
)
def test_share_that_is_reworded(
    shared_data: Path, texts: Callable[[Path], list[str]], language: str, share: float
) -> None:
    found = texts(shared_data)[::3] if texts in (chatbot, voice_commands) else texts(shared_data)
    drawn = [(text, reword(text, language=language, draw=place)) for place, text in enumerate(found)]
    changed = [(text, one) for text, one in drawn if one is not None]
    assert len(changed) / len(found) >= share
    for text, one in changed:
        assert one.text.strip() != text.strip()
        assert protected(one.text, language=language) == protected(text, language=language)
        assert abs(len(one.text) - len(text)) <= 24  # an ending or a frame


def test_korean_texts_keep_all_but_their_ends(shared_data: Path) -> None:
    """A single request starts as it did: the first half of a text is never touched."""
    for text in voice_commands(shared_data)[::40]:
        if len(text) < 24 or any(sign in text for sign in "?."):
            continue
        for one in rewordings(text, language="ko"):
            same = text[: len(text) // 2]
            crossed = one.text.startswith(same)
            assert crossed or {"나", "내", "저", "제", "난", "전"} & set(text[: len(text) // 2])
