"""The whole of what a config can ask of the data stage, through the command line and a real Ray."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from test_pipeline import hunmin

from data_pipeline.config import SplitConfig
from data_pipeline.rows.identity import family_id, split_of

HOLDS = SplitConfig.model_validate({"val": 0.0, "heldout": 0.2})
SENTENCES = [
    f"{name}에 {count}번 다녀왔는데 {what} 무척 {feeling}."
    for count, (name, what) in enumerate(
        [
            ("바닷가 식당", "생선구이가"),
            ("동네 책방", "고른 소설이"),
            ("시립 미술관", "새 전시가"),
            ("언덕 위 카페", "직접 만든 빵이"),
            ("산속 휴양림", "아침 공기가"),
            ("중앙 시장", "갓 튀긴 도넛이"),
        ],
        start=2,
    )
    for feeling in ("마음에 들었다", "아쉬웠다", "기억에 남았다", "실망스러웠다")
]


def write(folder: Path, name: str, lines: list[Any]) -> None:
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    (folder / name).write_text(text, encoding="utf-8")


def config_of(folder: Path, sources: list[Any], **data: object) -> Path:
    model = {"from_scratch": {"hidden_size": 32, "num_layers": 1, "vocab_size": 900}}
    path = folder / "c.yaml"
    settings = {"sources": sources, "seq_len": 512, "split": {"val": 0.0, "heldout": 0.2}} | data
    path.write_text(yaml.safe_dump({"name": "c", "model": model, "data": settings}, allow_unicode=True))
    return path


def built(folder: Path, config: Path, *overrides: str) -> tuple[list[Any], list[Any], dict]:
    """Ledger, rejects and stats of a finished data stage."""
    done = hunmin("data", config, "--run", folder / "run", *overrides)
    assert done.returncode == 0, done.stderr
    data = folder / "run" / "data"
    tables = [pq.read_table(data / f"{name}.parquet").to_pylist() for name in ("rows", "rejected")]
    return tables[0], tables[1], json.loads((data / "stats.json").read_text())


def expanded(folder: Path) -> Path:
    """16 wordings of each of 3 inputs, as such corpora arrive."""
    wordings = [f"{number}번째 방식으로 다음 글을 한 문장으로 줄여 주세요." for number in range(16)]
    lines: list[Any] = [
        {"instruction": wording, "input": text, "output": f"짧게: {text[:12]}"}
        for text in SENTENCES[0:12:4]
        for wording in wordings
    ]
    write(folder, "expanded.jsonl", lines)
    return config_of(folder, [{"name": "e", "format": "alpaca", "path": "expanded.jsonl"}])


def test_an_expanded_corpus_keeps_its_variants_on_one_side(tmp_path: Path) -> None:
    drafts: list[Any] = [
        {
            "messages": None,
            "family_key": None,
            "fields": {"instruction": "", "input": text, "answer": f"짧게: {text[:12]}"},
        }
        for text in SENTENCES[0:12:4]
    ]
    seed = next(  # that holds some of the three families out
        seed
        for seed in range(20)
        for splits in [[split_of(family_id(one), "", config=HOLDS, seed=seed) for one in drafts]]
        if set(splits) == {"train", "heldout"}
    )
    done = hunmin("data", expanded(tmp_path), "--run", tmp_path / "run", f"seed={seed}")
    assert done.returncode == 0, done.stderr
    heldout = pq.read_table(tmp_path / "run" / "data" / "heldout.parquet")
    assert 0 < heldout.num_rows < 48
    ledger = pq.read_table(tmp_path / "run" / "data" / "rows.parquet").to_pylist()
    families = Counter(line["family_id"] for line in [*ledger, *heldout.to_pylist()])
    assert sorted(families.values()) == [16, 16, 16]
    assert not {line["family_id"] for line in ledger} & set(heldout.column("family_id").to_pylist())
    assert pq.read_table(tmp_path / "run" / "data" / "rejected.parquet").num_rows == 0


def leaking(folder: Path) -> Path:
    """Chats of which each stands there a second time, with other spacing and punctuation and a word more."""
    lines = [
        {
            "instruction": "",
            "input": f"{text} 어떻게 생각해?",
            "output": f"{text} 그렇게 느꼈다니 저도 가 보고 싶어요.",
        }
        for text in SENTENCES
    ]
    copies = [
        line | {"input": line["input"].replace(" ", ""), "output": line["output"].replace(" ", "") + "!"}
        for line in lines
    ]
    write(folder, "leaks.jsonl", [*lines, *copies])
    source = {"name": "l", "format": "alpaca", "path": "leaks.jsonl", "task": "conversation"}
    return config_of(folder, [source], dedup={"near": False})


def test_a_leak_stops_with_3_and_a_list_and_a_reason_lets_it_pass(tmp_path: Path) -> None:
    config = leaking(tmp_path)
    done = hunmin("data", config, "--run", tmp_path / "run")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "l:leaks.jsonl:" in done.stderr
    assert "spacing" in done.stderr
    assert "allow_contamination" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "data" / "manifest.json").exists()
    written = tmp_path / "run" / "data" / "leaks.jsonl"
    assert str(written) in done.stderr
    leaks = [json.loads(line) for line in written.read_text(encoding="utf-8").splitlines()]
    assert f"{len(leaks)} held-out row(s)" in done.stderr
    assert all(leak["matched"] and leak["heldout_text"] and leak["train_text"] for leak in leaks)
    allowed = ["data.allow_contamination=가까운 글을 일부러 남김", "--force"]
    done = hunmin("data", config, "--run", tmp_path / "run", *allowed)
    assert done.returncode == 0, done.stderr
    assert "data: files read: 1 of 1 were done before and are kept" in done.stdout
    stats = json.loads((tmp_path / "run/data/stats.json").read_text())
    assert stats["contamination"]["allowed"] == "가까운 글을 일부러 남김"
    assert sum(stats["contamination"]["leaks"].values()) > 0


@pytest.mark.slow
def test_everything_at_once(tmp_path: Path) -> None:
    """Roles, examples, steps, prefixes, caps, repeats, a fixed rule for one prompt's answers, and masking."""
    reviews = [
        {"text": text, "label": "1" if "들었다" in text or "남았다" in text else "0"} for text in SENTENCES
    ]
    write(tmp_path, "reviews.jsonl", [*reviews, reviews[0] | {"label": "0"}])  # one prompt, two answers
    sums = [
        {
            "instruction": f"사과 {a}개와 배 {b}개를 합하면 몇 개인가요?",
            "input": "",
            "output": str(a + b),
            "why": f"사과가 {a}개이고 배가 {b}개이므로 {a} + {b} = {a + b}이다.",
        }
        for a in range(2, 8)
        for b in range(11, 15)
    ]
    write(tmp_path, "sums.jsonl", sums)
    mails = [
        {
            "instruction": f"{i}번 안내문을 써 주세요.",
            "input": "",
            "output": f"문의: help{i}@naver.com, {i}층 안내소",
        }
        for i in range(3, 23)
    ]
    write(tmp_path, "mails.jsonl", mails)
    config = config_of(
        tmp_path,
        [
            {
                "name": "reviews",
                "format": "table",
                "path": "reviews.jsonl",
                "task": "sentiment",
                "columns": {"input": "text", "label": "label"},
                "labels": {"1": "긍정", "0": "부정"},
                "epochs": 2,
            },
            {
                "name": "sums",
                "format": "alpaca",
                "path": "sums.jsonl",
                "task": "question_answering",
                "columns": {"rationale": "why"},
            },
            {"name": "mails", "format": "alpaca", "path": "mails.jsonl", "max_rows": 5},
        ],
        epochs=2,
        same_prompt="reject",
        augment={
            "role": 0.5,
            "few_shot": 0.5,
            "chain_of_thought": True,
            "task_prefix": True,
            "rewordings": 1.0,
        },
    )
    ledger, rejected, stats = built(tmp_path, config)
    assert {line["reason"] for line in rejected} == {"same_prompt", "over_mix"}
    assert sum(line["reason"] == "same_prompt" for line in rejected) == 2
    assert {line["source"] for line in rejected if line["reason"] == "over_mix"} == {"mails"}
    assert all(s["records"] == s["kept"] + sum(s["rejected"].values()) for s in stats["sources"].values())
    for epoch in (0, 1):
        own = [line for line in ledger if line["epoch"] == epoch]
        copies = Counter(line["row_id"] for line in own if line["source"] == "reviews")
        assert set(copies.values()) == {2}
        assert {line["repeat"] for line in own if line["source"] == "reviews"} == {0, 1}
        assert sum(line["source"] == "mails" for line in own) == 5
    wrappers = Counter(part.split(":")[0] for line in ledger for part in (line["wrapper"] or "").split("+"))
    assert min(wrappers[name] for name in ("role", "few_shot", "chain_of_thought", "task_prefix")) > 3
    assert any(name.startswith("reworded:") for line in ledger for name in line["transforms"])
    masked = [line for line in ledger if line["source"] == "mails"]
    assert all(any(name.startswith("masked:") for name in line["transforms"]) for line in masked)


@pytest.mark.slow
def test_a_fixed_corpus_holds_every_true_variant_in_every_epoch(tmp_path: Path) -> None:
    reviews = [{"text": text, "label": "1" if "들었다" in text else "0"} for text in SENTENCES[:8]]
    write(tmp_path, "reviews.jsonl", reviews)
    source = {
        "name": "reviews",
        "format": "table",
        "path": "reviews.jsonl",
        "task": "sentiment",
        "columns": {"input": "text", "label": "label"},
        "labels": {"1": "긍정", "0": "부정"},
    }
    config = config_of(tmp_path, [source], epochs=2, augment={"materialize": "all"})
    ledger, _, _ = built(tmp_path, config)
    of_row = [
        [
            sorted(line["wording_id"] for line in ledger if (line["row_id"], line["epoch"]) == (row, epoch))
            for epoch in (0, 1)
        ]
        for row in {line["row_id"] for line in ledger}
    ]
    for first, second in of_row:
        assert first == second
        assert len(first) == len(set(first)) > 5


def test_a_curriculum_orders_the_tasks_over_the_epochs(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", [{"instruction": f"{s} 이 글을 줄여라.", "output": s[:9]} for s in SENTENCES])
    write(
        tmp_path,
        "b.jsonl",
        [{"instruction": f"{n} 더하기 2는?", "output": f"{n + 2}입니다."} for n in range(40)],
    )
    sources = [
        {"name": name, "format": "alpaca", "path": f"{name}.jsonl", "task": task}
        for name, task in (("a", "summarization"), ("b", "sums"))
    ]
    curriculum = [
        {"epochs": 1, "tasks": {"sums": 1.0}},
        {"epochs": 2, "tasks": {"summarization": 1.0, "sums": 0.25}},
    ]
    config = config_of(tmp_path, sources, epochs=3, mix={"curriculum": curriculum})
    ledger, _, stats = built(tmp_path, config)
    rows = Counter(task for _, task in {(line["row_id"], line["task"]) for line in ledger})
    found = [
        {task: (counts["planned_rows"], counts["realised_rows"]) for task, counts in epoch.items()}
        for epoch in stats["epoch_tasks"]
    ]
    quarter = round(rows["sums"] / 4)
    assert found[0] == {"sums": (rows["sums"], rows["sums"])}
    assert (
        found[1]
        == found[2]
        == {
            "sums": (quarter, quarter),
            "summarization": (rows["summarization"], rows["summarization"]),
        }
    )
    for shares in stats["mix"].values():
        assert abs(shares["planned_rows_share"] - shares["realised_rows_share"]) < 0.005
    wrong = hunmin("data", config, "--run", tmp_path / "wrong", "data.epochs=2")
    assert wrong.returncode == 2
    assert "stages for 3 epochs, and epochs is 2" in wrong.stderr
