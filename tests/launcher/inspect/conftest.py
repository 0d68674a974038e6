"""A small finished data stage in which every part of a row occurs, built once by the command itself."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import hunmin

ROOT = Path(__file__).resolve().parents[3]
SEQ_LEN = 256
NUM_REVIEWS = 60
THINGS = ("영화", "식당", "숙소", "강의", "공연", "책", "가방", "커피")


def reviews() -> str:
    """Label, text; the last line says what the first says."""
    lines = ["id\ttext\tlabel"]
    for i in range(NUM_REVIEWS):
        ending = ("실망스러웠다", "마음에 쏙 들었다")[i % 2]
        lines.append(
            f"{i}\t{i}번째로 고른 {THINGS[i % 8]}인데 {chr(0xB8C1 + i)} 소리가 나서 {ending}.\t{i % 2}"
        )
    lines.append("60\t라벨이 이상한 줄이다.\t7")
    lines.append(lines[1].replace("0\t", "61\t", 1))
    return "\r\n".join(lines)


def sums() -> list[dict[str, Any]]:
    """Rows with an instruction of their own and a rationale; the last is longer than seq_len."""
    rows = [
        {
            "ask": f"{i} 더하기 {i + 3}은 얼마인지 계산해 주세요.",
            "text": f"사과 {i}개와 배 {i + 3}개가 있다.\n  모두 몇 개인가?",
            "why": f"{i}에 {i + 3}을 더하면 {2 * i + 3}이 된다.",
            "answer": f"모두 {2 * i + 3}개입니다. 🙂",
        }
        for i in range(30)
    ]
    long = " ".join(f"{i}번째 상자에는 사과가 {i}개 있다." for i in range(60))
    return [*rows, rows[0] | {"ask": "상자가 몇 개인지 세어 주세요.", "text": long, "answer": "60개입니다."}]


def chats() -> list[dict[str, Any]]:
    """Conversations, some with a system message of their own, and with markup in them."""
    turns = [
        "안녕? 나는 {}번 손님이야.",
        "반갑습니다!",
        "<b>는 무엇을 뜻하는지 알려 줘.",
        "{}번 손님, 굵은 글씨입니다.",
    ]
    rows = []
    for i in range(16):
        chat = [
            {"role": ("user", "assistant")[t % 2], "content": text.format(i)} for t, text in enumerate(turns)
        ]
        system = [{"role": "system", "content": "너는 친절한 안내원이야."}] if i % 4 == 0 else []
        rows.append({"messages": system + chat})
    return rows


def config() -> dict[str, Any]:
    """Three sources, everything that can stand around a row, two epochs."""
    return {
        "name": "inspected",
        "model": {"from_scratch": {"hidden_size": 32, "num_layers": 1, "vocab_size": 700}},
        "data": {
            "sources": [
                {
                    "name": "reviews",
                    "format": "table",
                    "path": "reviews.tsv",
                    "task": "sentiment",
                    "columns": {"input": "text", "label": "label"},
                    "labels": {"1": "긍정", "0": "부정"},
                },
                {
                    "name": "sums",
                    "format": "table",
                    "path": "sums.jsonl",
                    "task": "question_answering",
                    "columns": {
                        "instruction": "ask",
                        "input": "text",
                        "rationale": "why",
                        "answer": "answer",
                    },
                },
                {"name": "chats", "format": "messages", "path": "chats.jsonl", "licence": "CC0-1.0"},
            ],
            "seq_len": SEQ_LEN,
            "epochs": 2,
            "too_long": "shorten_input",
            "split": {"val": 0.1, "heldout": 0.1},
            "dedup": {"near": False},
            "allow_contamination": "the rows are made after one pattern",
            "augment": {"few_shot": 0.4, "role": 0.4, "chain_of_thought": True, "task_prefix": True},
        },
    }


def write_corpus(folder: Path) -> Path:
    """The sources and their config."""
    (folder / "reviews.tsv").write_text(reviews(), encoding="utf-8-sig")
    for name, rows in (("sums", sums()), ("chats", chats())):
        text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    path = folder / "inspected.yaml"
    path.write_text(yaml.safe_dump(config(), allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def inspected_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder; its sources lie beside it."""
    folder = tmp_path_factory.mktemp("inspected")
    corpus = write_corpus(folder)
    done = hunmin("data", corpus, "--run", folder / "run", "cluster.num_cpus=2", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return folder / "run"
