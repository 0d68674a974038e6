"""The data stage as a user starts it: real Ray, real files with dirt, from the command line."""

import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from command_line import hunmin

from data_pipeline import pipeline
from data_pipeline.build.inputs import choose_workers, stage_inputs
from data_pipeline.tasks.tasks import load_tasks
from data_pipeline.workers.each_item import Workers
from hunmin.models.tokenizer import load_tokenizer
from hunmin.schema import IGNORE_INDEX
from hunmin.shards import read_shards, shard_metadata
from launcher.run import open_run

NUM_REVIEWS = 90


def write_corpus(folder: Path) -> Path:
    """Three formats, five bad records, a duplicate; returns the config."""
    subjects = ["영화", "식당", "숙소", "강의", "앱", "공연", "책", "가방", "커피"]
    lines = ["id\ttext\tlabel"]
    for i in range(NUM_REVIEWS):
        good = i % 2
        text = f"{i}번째로 가 본 {subjects[i % 9]}, 정말 {'마음에 들었다' if good else '실망스러웠다'}."
        lines.append(f"{i}\t{text}\t{good}")
    lines.append("90\t라벨이 이상한 줄\t7")
    lines.append(lines[1].replace("0\t", "91\t", 1))  # says what the first row says
    (folder / "reviews.tsv").write_bytes(("\r\n".join(lines)).encode("utf-8-sig"))
    alpaca = [
        {"instruction": f"{i}에 1을 더하면?", "input": "", "output": f"{i} + 1은 {i + 1}입니다. 🙂"}
        for i in range(30)
    ]
    texts = [json.dumps(row, ensure_ascii=False) for row in alpaca]
    texts[7] = '{"instruction": "따옴표가 닫히지 않은 줄'
    texts.append(json.dumps({"instruction": "답이 없는 줄", "input": "", "output": " "}, ensure_ascii=False))
    texts.append(
        json.dumps(
            {"instruction": "긴 줄", "input": "", "output": " ".join(f"{i}번째 말." for i in range(400))},
            ensure_ascii=False,
        )
    )
    texts.append(
        json.dumps({"instruction": "기호", "input": "", "output": "막대 \u2581 기호"}, ensure_ascii=False)
    )
    (folder / "alpaca.jsonl").write_text("\n".join(texts))
    turns = ["안녕!", "안녕하세요.", "What is 2+2?", "def f():\n    return 4"]
    chats = [
        {
            "id": str(i),
            "conversations": [
                {"from": ("human", "gpt")[t % 2], "value": f"{text} ({i})"} for t, text in enumerate(turns)
            ],
        }
        for i in range(20)
    ]
    (folder / "chat.json").write_text(json.dumps(chats, ensure_ascii=False))
    config = {
        "name": "small",
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
                {"name": "sums", "format": "alpaca", "path": "alpaca.jsonl"},
                {"name": "chat", "format": "sharegpt", "path": "chat.json"},
            ],
            "seq_len": 192,
            "epochs": 2,
            "split": {"val": 0.1, "heldout": 0.2},
        },
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(config, allow_unicode=True))
    return path


ON_RAY = "data.ray_from_mb=0"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    done = hunmin("data", write_corpus(folder), "--run", folder / "run", ON_RAY, "cluster.num_cpus=2")
    assert done.returncode == 0, done.stderr
    return folder / "run" / "data"


@pytest.mark.parametrize(
    "settings", [(ON_RAY, "cluster.num_cpus=1", "data.part_rows=7"), ("data.part_rows=11",), ()]
)
def test_one_cpu_or_no_ray_in_another_folder_gives_the_same_content(
    built: Path, tmp_path: Path, settings: tuple[str, ...]
) -> None:
    done = hunmin("data", write_corpus(tmp_path), "--run", tmp_path / "r", *settings)
    assert done.returncode == 0, done.stderr
    one, two = (
        json.loads((folder / "manifest.json").read_text())["content_sha256"]
        for folder in (built, tmp_path / "r" / "data")
    )
    assert one == two


def test_processes_of_this_machine_give_the_same_content_as_ray(built: Path, tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    run = open_run(write_corpus(tmp_path), ["data.part_rows=13"], tmp_path / "r", force=False)
    config, model, seed, base = run.config.data, run.config.model, run.config.seed, run.base
    pipeline.run(
        config=config,
        model=model,
        seed=seed,
        base=base,
        out_dir=run.dir / "data",
        inputs=stage_inputs(config, model, seed=seed, base=base),
        workers=Workers(num_processes=3),
    )
    one, two = (
        json.loads((folder / "manifest.json").read_text())["content_sha256"]
        for folder in (built, run.dir / "data")
    )
    assert one == two


@pytest.mark.parametrize(
    ("size", "settings", "in_cluster", "expected"),
    [
        (100_000, [], True, Workers()),
        (900_000, [], True, Workers(num_processes=4)),
        (90_000_000, [], True, Workers(on_ray=True)),
        (90_000_000, [], False, Workers(num_processes=4)),  # what one machine's Ray would do, they do sooner
        (90_000_000, ["data.ray_from_mb=80"], False, Workers(on_ray=True)),
    ],
)
def test_who_builds_hangs_on_the_size_of_the_sources_and_on_a_cluster(
    tmp_path: Path, size: int, settings: list[str], in_cluster: bool, expected: Workers
) -> None:
    (tmp_path / "r").mkdir()
    run = open_run(write_corpus(tmp_path), settings, tmp_path / "r", force=False)
    with (tmp_path / "reviews.tsv").open("r+b") as file:
        file.truncate(size)
    found = choose_workers(run.config.data, base=run.base, num_cpus=4, in_cluster=in_cluster)
    assert found == expected


def test_every_record_is_kept_or_rejected_with_its_place(built: Path) -> None:
    stats = json.loads((built / "stats.json").read_text())
    records = {name: source["records"] for name, source in stats["sources"].items()}
    assert records == {"reviews": NUM_REVIEWS + 2, "sums": 33, "chat": 20}
    for source in stats["sources"].values():
        assert source["records"] == source["kept"] + sum(source["rejected"].values())
    rejected = {
        (line["file"], line["record"]): line["reason"]
        for line in pq.read_table(built / "rejected.parquet").to_pylist()
    }
    assert rejected == {
        ("reviews.tsv", 90): "label_not_mapped",
        ("reviews.tsv", 91): "duplicate",
        ("alpaca.jsonl", 7): "broken_json",
        ("alpaca.jsonl", 30): "no_answer",
        ("alpaca.jsonl", 31): "too_long",
        ("alpaca.jsonl", 32): "undecodable_text",
    }


def test_ledger_and_packs_agree_on_every_row(built: Path) -> None:
    ledger = pq.read_table(built / "rows.parquet").to_pylist()
    assert [line["row"] for line in ledger] == list(range(len(ledger)))
    seen: dict[int, tuple] = {}
    for split in ("train", "val"):
        first_pack: dict[int, int] = {}
        for shard in read_shards(built / split):
            metadata = shard_metadata(shard)
            for pack in shard.to_pylist():
                number = first_pack.get(metadata["epoch"], 0)
                first_pack[metadata["epoch"]] = number + 1
                start = 0
                for row, length, task in zip(pack["rows"], pack["seq_lengths"], pack["tasks"], strict=True):
                    labels = pack["labels"][start : start + length]
                    trained = sum(label != IGNORE_INDEX for label in labels)
                    start += length
                    assert row not in seen
                    seen[row] = (split, metadata["epoch"], number, length, trained, metadata["tasks"][task])
    names = ("split", "epoch", "pack", "num_tokens", "num_trained_tokens", "task")
    assert seen == {line["row"]: tuple(line[name] for name in names) for line in ledger}


def test_trained_ids_of_every_row_decode_to_its_answers(built: Path) -> None:
    tokenizer = load_tokenizer(built / "tokenizer")
    ledger = pq.read_table(built / "rows.parquet").to_pylist()
    alpaca = {i: f"{i} + 1은 {i + 1}입니다. 🙂<|im_end|>" for i in range(30)}
    checked = 0
    for shard in (*read_shards(built / "train"), *read_shards(built / "val")):
        for pack in shard.to_pylist():
            start = 0
            for row, length in zip(pack["rows"], pack["seq_lengths"], strict=True):
                labels = [i for i in pack["labels"][start : start + length] if i != IGNORE_INDEX]
                start += length
                text = str(tokenizer.decode(labels))
                line = ledger[row]
                if line["source"] == "sums":
                    assert text == alpaca[line["record"]]
                elif line["source"] == "reviews" and any("answer:" in name for name in line["transforms"]):
                    assert text.endswith("<|im_end|>")  # a wording that asks for another form of the label
                elif line["source"] == "reviews":
                    assert text == ("긍정", "부정")[line["record"] % 2 == 0] + "<|im_end|>"
                else:
                    n = line["record"]
                    assert text == f"안녕하세요. ({n})<|im_end|>def f():\n    return 4 ({n})<|im_end|>"
                checked += 1
    assert checked == len(ledger) > 150


def test_splits_share_no_family_and_wordings_change_with_the_epoch(built: Path) -> None:
    ledger = pq.read_table(built / "rows.parquet").to_pylist()
    heldout = pq.read_table(built / "heldout.parquet")
    families = {split: {r["family_id"] for r in ledger if r["split"] == split} for split in ("train", "val")}
    families["heldout"] = set(heldout.column("family_id").to_pylist())
    assert all(families.values())
    assert not families["train"] & families["val"]
    assert not families["heldout"] & (families["train"] | families["val"])
    wordings = [
        {
            line["row_id"]: line["wording_id"]
            for line in ledger
            if line["epoch"] == e and line["source"] == "reviews"
        }
        for e in range(2)
    ]
    moved = [row for row in wordings[1] if wordings[0][row] != wordings[1][row]]
    assert len(moved) > len(wordings[1]) / 2
    assert set(json.loads(heldout.schema.metadata[b"hunmin"])["tasks"]) <= {
        "sentiment",
        "instruction",
        "conversation",
    }


def test_held_out_rows_are_asked_in_held_out_wordings_too(built: Path) -> None:
    bank = {f"sentiment/{one.id}": one for one in load_tasks(None)["sentiment"].wordings}
    lines = pq.read_table(built / "heldout.parquet").to_pylist()
    seen = {line["row_id"]: line for line in lines if line["seen_wording"]}
    again = {line["row_id"]: line for line in lines if not line["seen_wording"]}
    assert len(seen) + len(again) == len(lines)
    assert again.keys() == {row_id for row_id, line in seen.items() if line["source"] == "reviews"}
    for row_id, line in again.items():
        other = seen[row_id]
        assert bank[line["wording_id"]].heldout
        assert not bank[other["wording_id"]].heldout
        assert line["messages"][0]["content"] != other["messages"][0]["content"]
        assert line["messages"][1:] == other["messages"][1:]
        assert line["references"] == other["references"]
    assert len({line["wording_id"] for line in again.values()}) > 1
    trained = pq.read_table(built / "rows.parquet").column("wording_id").to_pylist()
    assert not any(bank[one].heldout for one in trained if one in bank)
    splits = json.loads((built / "stats.json").read_text())["splits"]
    assert splits["heldout"]["rows"] == len(seen), "a row that is asked twice is one row"
    told = json.loads(pq.read_metadata(built / "heldout.parquet").metadata[b"hunmin"])
    axes = told["tasks"]["sentiment"]["heldout_wordings"]
    assert axes == {name: one.axis for name, one in bank.items() if one.heldout}
    rows = pq.read_table(built / "rows.parquet", columns=["row_id", "split", "task", "domain"]).to_pylist()
    domains = {line["row_id"]: line["domain"] for line in rows if line["split"] == "train"}
    assert told["trained"]["domain"] == dict(Counter(domains.values()))


def test_a_second_start_does_nothing_and_says_why(built: Path) -> None:
    before = (built / "manifest.json").stat().st_mtime_ns
    done = hunmin("data", built.parent.parent / "small.yaml", "--run", built.parent)
    assert done.returncode == 0, done.stderr
    assert "done already" in done.stdout
    assert "unchanged" in done.stdout
    assert (built / "manifest.json").stat().st_mtime_ns == before


def test_a_corpus_with_nothing_to_train_on_stops_with_3(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"instruction": "질문", "input": "", "output": " "}\n' * 3)
    config = tmp_path / "c.yaml"
    config.write_text(
        "name: empty\nmodel: {from_scratch: {hidden_size: 32, num_layers: 1, vocab_size: 600}}\n"
        "data: {sources: [{name: a, format: alpaca, path: a.jsonl}]}\n"
    )
    done = hunmin("data", config, "--run", tmp_path / "run")
    assert done.returncode == 3, done.stderr
    assert "no trainable token" in done.stderr
    assert "no_answer 3" in done.stderr
    assert pq.read_table(tmp_path / "run" / "data" / "rejected.parquet").num_rows == 3
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "data" / "manifest.json").exists()


def test_no_record_at_all_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("")
    config = tmp_path / "c.yaml"
    config.write_text(
        "name: empty\nmodel: {from_scratch: {hidden_size: 32, num_layers: 1, vocab_size: 600}}\n"
        "data: {sources: [{name: a, format: alpaca, path: a.jsonl}]}\n"
    )
    done = hunmin("data", config, "--run", tmp_path / "language=ko")
    assert done.returncode == 2, done.stderr
    assert "no record at all" in done.stderr
