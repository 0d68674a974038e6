"""The content of `data/` for every source format is as committed: a change of it must be meant.

Where it is, raise STAGE_VERSION in data_pipeline/config.py and accept the new hash.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import hunmin
from golden_files import check_golden

from data_pipeline.config import FORMATS

GOLDEN = Path(__file__).parent / "golden" / "content.json"
NUM = 60  # records of each source
THINGS = ["영화", "식당", "숙소", "강의", "앱", "공연", "책", "가방", "커피", "시계"]

pytestmark = pytest.mark.slow


def dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def talk(number: int) -> list[str]:
    thing = THINGS[number % 10]
    return [
        f"{thing} {number}개를 사고 싶어요.",
        f"네, {thing} {number}개를 준비하겠습니다.",
        "얼마인가요?",
        f"모두 {number * 100}원입니다.",
    ]


def sharegpt(number: int) -> dict[str, Any]:
    turns = [{"from": ("human", "gpt")[i % 2], "value": text} for i, text in enumerate(talk(number))]
    return {"id": str(number), "conversations": turns}


def messages(number: int) -> dict[str, Any]:
    turns = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(talk(number))]
    return {"messages": [{"role": "system", "content": "짧게 답하세요."}, *turns]}


def tree(number: int) -> dict[str, Any]:
    replies = [
        {"message_id": f"{rank}-{number}", "text": text, "role": "assistant", "rank": rank, "replies": []}
        for rank, text in enumerate(
            [f"The sum is {2 * number}, of course.", f"It is {2 * number}, added up."]
        )
    ]
    root = {"message_id": f"p{number}", "text": f"How many are {number} plus {number}?", "role": "prompter"}
    return {"message_tree_id": f"t{number}", "prompt": root | {"replies": replies}}


def corpus() -> tuple[dict[str, str | bytes], dict[str, dict[str, Any]]]:
    """Files by name, and for each format the settings of its source."""
    count = range(NUM)
    sums = [{"instruction": f"{i}에 {i % 7}을 더하면?", "output": f"{i + i % 7}입니다."} for i in count]
    pairs = [{"prompt": f"Is {i} even?", "completion": f"{i} is {('even', 'odd')[i % 2]}."} for i in count]
    parity = [{"input": f"The number is {3 * i}.", "output": [("even", "odd")[3 * i % 2]]} for i in count]
    table = [
        f"{i}번째로 가 본 {THINGS[i % 10]}, 정말 {('실망스러웠다', '마음에 들었다')[i % 2]}.\t{i % 2}"
        for i in count
    ]
    entries = [f'msgid "Open file {i} now"\nmsgstr "{i}번 파일을 지금 엽니다"\n' for i in count]
    files: dict[str, str | bytes] = {
        "alpaca.jsonl": "\n".join(map(dumped, [*sums, {"instruction": "빈 답", "output": " "}])),
        "sharegpt.json": dumped([sharegpt(i) for i in count]),
        "vicuna.json": dumped([sharegpt(i + 100) for i in count]),
        "messages.jsonl": "\n".join(dumped(messages(i + 200)) for i in count),
        "trees.jsonl": "\n".join(dumped(tree(i)) for i in count),
        "pairs.jsonl": "\n".join(map(dumped, pairs)),
        "parity.json": dumped({"Definition": ["Say whether the number is even."], "Instances": parity}),
        "table.tsv": "\r\n".join(["text\tlabel", *table, "이상한 줄\t7"]).encode("utf-8-sig"),
        "bus.ko": "".join(f"{i}번 버스는 {i % 12 + 1}시에 출발합니다.\n" for i in count),
        "bus.en": "".join(f"Bus number {i} leaves at {i % 12 + 1} o'clock.\n" for i in count),
        "menu.po": 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n' + "\n".join(entries),
    }
    translated = {"task": "translation", "languages": ["ko", "en"]}
    columns = {"columns": {"input": "text", "label": "label"}, "labels": {"1": "긍정", "0": "부정"}}
    return files, {
        "alpaca": {"path": "alpaca.jsonl"},
        "sharegpt": {"path": "sharegpt.json"},
        "vicuna": {"path": "vicuna.json"},
        "messages": {"path": "messages.jsonl"},
        "oasst": {"path": "trees.jsonl", "task": "conversation"},
        "prompt_completion": {"path": "pairs.jsonl"},
        "natural_instructions": {"path": "parity.json", "task": "parity"},
        "table": {"path": "table.tsv", "task": "sentiment", **columns},
        "parallel": {"path": ["bus.ko", "bus.en"], "directions": "both", **translated},
        "gettext": {"path": "menu.po", "task": "translation", "languages": ["en", "ko"]},
    }


def test_the_content_of_data_is_as_committed(tmp_path: Path) -> None:
    files, sources = corpus()
    assert sorted(sources) == sorted(FORMATS)
    for name, text in files.items():
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    config = {
        "name": "golden",
        "seed": 3,
        "model": {"from_scratch": {"vocab_size": 900}},
        "data": {
            "sources": [{"name": name, "format": name, **values} for name, values in sources.items()],
            "seq_len": 256,
            "epochs": 2,
            "split": {"val": 0.1, "heldout": 0.2},
            "augment": {"few_shot": 0.3, "role": 0.3, "task_prefix": True, "chain_of_thought": True},
            "allow_contamination": "texts that resemble each other",
        },
    }
    (tmp_path / "golden.yaml").write_text(yaml.safe_dump(config, allow_unicode=True))
    done = hunmin("data", tmp_path / "golden.yaml", "--run", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "run/data/manifest.json").read_text())
    now = {key: manifest[key] for key in ("stage_version", "content_sha256", "config_sha256", "counts")}
    check_golden(GOLDEN, json.dumps(now, indent=1, sort_keys=True) + "\n")
