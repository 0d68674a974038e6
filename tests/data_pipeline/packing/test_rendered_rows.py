"""Rows that are rendered as several, and their weights: from `encode` through the database into shards."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rows_drafts import draft

from data_pipeline.build.context import BuildContext
from data_pipeline.build.schemas import PREPARED
from data_pipeline.build.work_folder import WorkFolder, first_ord
from data_pipeline.config import DataConfig
from data_pipeline.database import decisions, tables
from data_pipeline.database.places import place_rows
from data_pipeline.database.row_database import RowDatabase
from data_pipeline.packing.encode import encode
from data_pipeline.packing.gather import gather_packs
from data_pipeline.packing.tokenizer_training import train_tokenizer
from data_pipeline.part_worker import encode_part
from data_pipeline.rows.prepare import prepare
from data_pipeline.stats.part_counts import PartCounts
from data_pipeline.stats.stats import Decided, summarize
from hunmin.rows import Kept
from hunmin.schema import IGNORE_INDEX, PACKS, WEIGHTED_PACKS, PackMetadata
from hunmin.shards import read_shard, write_shard

SEQ_LEN = 128
ASKED = ("{}번 버스는 어디로 가나요?", "몇 시에 떠나나요?", "표는 얼마인가요?")
ANSWERS = ("시청으로 갑니다.", "{}시에 떠납니다.", "{}천 원입니다.")


CONFIG = DataConfig.model_validate(
    {
        "sources": [{"name": "s", "format": "messages", "path": "x"}],
        "seq_len": SEQ_LEN,
        "epochs": 2,
        "augment": {"rewordings": 0},
    }
)


def talk(number: int, *weights: float | None, split: str = "train", row_weight: float = 1.0) -> Kept:
    """A conversation with an answer for each weight, of a record whose weight is on all of them."""
    pairs = [
        (("user", ASKED[turn].format(number)), ("assistant", ANSWERS[turn].format(number)))
        for turn in range(len(weights))
    ]
    one = draft(messages=[message for pair in pairs for message in pair], task="conversation")
    origin = {"source": "s", "file": "f", "record": number, "sub_record": 0}
    about = {"domain": None, "licence": "unknown", "synthetic": False}
    row = prepare(one | origin | about, config=CONFIG, tasks={}, seed=0)
    assert "reason" not in row, row
    for message, weight in zip((row["messages"] or [])[1::2], weights, strict=True):
        if weight is not None or row_weight != 1:
            message["weight"] = row_weight * (1.0 if weight is None else weight)
    row["split"], row["weight"], row["ord"] = split, row_weight, first_ord(0) + number  # type: ignore[assignment]
    return row


# Marks the answers that others follow, so that each is written as it is served in a row of its own alone.
REWRITES = (
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\\n' + m.content }}"
    "{%- if m.role == 'assistant' and not loop.last %}{{- ' ' }}{%- endif %}{{- '<|im_end|>\\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
# Takes no first question about a bus, unless more stands behind its answer.
REFUSES = (
    "{%- if messages | length <= 2 and '버스' in messages[0].content %}"
    "{{- raise_exception('not the first') }}{%- endif %}" + REWRITES.replace("{{- ' ' }}", "")
)


def made_with(folder: Path, template: str | None) -> BuildContext:
    """A build whose tokenizer has this chat template; None: its own."""
    texts = [text.format(number) for number in range(40) for text in (*ASKED, *ANSWERS)]
    tokenizer = train_tokenizer(texts, vocab_size=500)
    tokenizer.chat_template = template or tokenizer.chat_template
    tokenizer.save_pretrained(str(folder / "tokenizer"))
    return BuildContext(CONFIG, {}, 0, folder, folder)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> BuildContext:
    return made_with(tmp_path_factory.mktemp("build"), None)


@pytest.fixture(scope="module")
def by_turn(tmp_path_factory: pytest.TempPathFactory) -> BuildContext:
    """With a template that rewrites history: every trained answer needs a rendered row of its own."""
    return made_with(tmp_path_factory.mktemp("by_turn"), REWRITES)


def rendered(build: BuildContext, row: Kept) -> list[Any]:
    return encode(row, build=build, epoch=0, repeat=0)


def trained_text(build: BuildContext, ids: list[int], labels: list[int]) -> str:
    tokens = [token for token, label in zip(ids, labels, strict=True) if label != IGNORE_INDEX]
    return build.renderer._tokenizer.decode(tokens)  # type: ignore[return-value]


def test_a_plain_conversation_is_one_row(build: BuildContext) -> None:
    (line,) = rendered(build, talk(3, None, 1.0, None))
    assert (line["turn"], line["weight"], line["num_behind"]) == (0, 1.0, 0)
    (whole,) = build.renderer.rows(line["messages"])
    assert (line["input_ids"], line["labels"]) == (whole.input_ids, whole.labels)


def test_each_weight_is_a_row_of_its_own(build: BuildContext) -> None:
    first, second = rendered(build, talk(3, 1.0, 2.0, None, row_weight=0.5))
    assert (first["turn"], first["weight"], first["num_behind"]) == (0, 1.0, 2)
    assert trained_text(build, first["input_ids"], first["labels"]) == "3시에 떠납니다.<|im_end|>"
    assert (second["turn"], second["weight"], second["num_behind"]) == (1, 0.5, 0)
    assert (
        trained_text(build, second["input_ids"], second["labels"])
        == "시청으로 갑니다.<|im_end|>3천 원입니다.<|im_end|>"
    )


def test_the_weight_of_a_record_counts_once(build: BuildContext) -> None:
    (line,) = rendered(build, talk(3, None, 0.5, row_weight=2.0))[1:]
    assert line["weight"] == 1.0
    (line,) = rendered(build, talk(3, None, None, row_weight=0.25))
    assert line["weight"] == 0.25


def test_an_answer_of_weight_zero_is_context(build: BuildContext) -> None:
    (line,) = rendered(build, talk(3, 0.0, None))
    assert trained_text(build, line["input_ids"], line["labels"]) == "3시에 떠납니다.<|im_end|>"
    assert "시청으로 갑니다." in build.renderer._tokenizer.decode(line["input_ids"])
    (none,) = rendered(build, talk(3, 0.0))
    assert (none["reason"], none["turn"]) == ("no_trained_tokens", 0)


def test_the_messages_of_a_line_give_its_ids_again(by_turn: BuildContext) -> None:
    for line in rendered(by_turn, talk(3, 1.0, 2.0, None)):
        (again,) = by_turn.renderer.rows(line["messages"])
        assert (line["input_ids"], line["labels"]) == (again.input_ids, again.labels)


def with_settings(build: BuildContext, **settings: object) -> BuildContext:
    config = DataConfig.model_validate(build.config.model_dump() | settings)
    return BuildContext(config, build.tasks, build.seed, build.base, build.out_dir)


def test_turns_that_fit_are_kept_where_others_do_not(by_turn: BuildContext) -> None:
    lengths = [line["num_tokens"] for line in rendered(by_turn, talk(3, None, None, None))]
    assert lengths == sorted(lengths)
    tight = with_settings(by_turn, seq_len=lengths[1])
    first, second, refused = rendered(tight, talk(3, None, None, None))
    assert [first["turn"], second["turn"], refused["turn"]] == [0, 1, 2]
    assert refused["reason"] == "too_long"
    shortened = rendered(with_settings(tight, too_long="shorten_input"), talk(3, None, None, None))
    assert [line["num_trained_tokens"] > 0 for line in shortened] == [True] * 3
    assert shortened[2]["transforms"] == ["exchanges_dropped:1"]
    assert shortened[1]["transforms"] == []


def test_a_turn_that_the_template_refuses_comes_last(tmp_path: Path) -> None:
    kept, refused = rendered(made_with(tmp_path, REFUSES), talk(3, 1.0, 2.0))
    assert (kept["turn"], kept["weight"]) == (0, 2.0)
    assert (refused["turn"], refused["reason"]) == (1, "template_mismatch")


def test_a_held_out_row_is_asked_once_with_all_its_turns(by_turn: BuildContext) -> None:
    (line,) = rendered(by_turn, talk(3, None, 2.0, None, split="heldout"))
    assert [message["train"] for message in line["messages"]] == [False, True] * 3


# Through the database into shards.


@dataclass(frozen=True)
class Built:
    database: RowDatabase
    ledger: list[dict[str, Any]]
    packs: list[dict[str, Any]]
    schemas: set[pa.Schema]
    heldout: list[dict[str, Any]]
    stats: Any


def built(build: BuildContext, folder: Path, rows: list[Kept]) -> Built:
    """What the stage does with prepared rows, without Ray."""
    work = WorkFolder.open(folder)
    lines = [{"reason": None, "detail": None, **row} for row in rows]
    pq.write_table(pa.Table.from_pylist(lines, schema=PREPARED), work.path("read", 0))
    database = RowDatabase(work.folder)
    database.load_rows([work.path("read", 0)])
    mix = decisions.plan_jobs(database, build.config, seed=0)
    database.copy("SELECT * FROM jobs ORDER BY ord, epoch, repeat", work.jobs)
    encode_part(0, build=build, work=work)
    database.load_renders([work.path("rendered", 0)])
    decisions.refuse_unrendered(database)
    shards = place_rows(database, seq_len=build.config.seq_len, work=work)
    tables.write_ledger(database, folder / "rows.parquet", work=work)
    packs, schemas = [], set()
    for shard in shards:
        metadata = PackMetadata(
            schema_version=1,
            split=shard.split,
            epoch=shard.epoch,
            seq_len=build.config.seq_len,
            tasks=["conversation"],
            tokenizer_sha256="",
            template_sha256="",
        )
        path = folder / shard.path.replace("/", "-")
        write_shard(
            path, gather_packs(work, shard, tasks=["conversation"]), metadata
        )  # checks the invariants
        table = read_shard(path)
        schemas.add(table.schema.remove_metadata())
        packs += [pack | {"split": shard.split, "epoch": shard.epoch} for pack in table.to_pylist()]
    stats = summarize(
        database,
        build.config,
        Decided({"prompts": 0, "rows": 0}, {}, mix),
        dialects={"s": []},
        vocab_size=500,
        tasks={},
        tally=PartCounts.of_parts(work),
    )
    heldout = pq.read_table(work.path("heldout", 0)).to_pylist()
    ledger = pq.read_table(folder / "rows.parquet").to_pylist()
    return Built(database, ledger, packs, schemas, heldout, stats)


def segments(
    packs: list[dict[str, Any]],
) -> Iterator[tuple[dict[str, Any], int, float, list[int], list[int]]]:
    """(pack, row, weight, ids, labels) of each segment."""
    for pack in packs:
        start = 0
        weights = pack.get("weights") or [1.0] * len(pack["rows"])
        for row, weight, length in zip(pack["rows"], weights, pack["seq_lengths"], strict=True):
            inside = slice(start, start + length)
            yield pack, row, weight, pack["input_ids"][inside], pack["labels"][inside]
            start += length


def answers_of(row: Kept) -> Iterator[tuple[str, float]]:
    """Each answer with its own weight."""
    for message in row["messages"] or []:
        if message["role"] == "assistant":
            weight = message.get("weight")
            yield message["content"], 1.0 if weight is None else weight


def test_every_answer_is_trained_once_with_its_weight(by_turn: BuildContext, tmp_path: Path) -> None:
    choices = (None, 0.5, 2.0, 0.0)
    rows = [
        talk(n, *(choices[(n + turn * 3) % 4] for turn in range(1 + n % 3)), row_weight=(1.0, 3.0)[n % 2])
        for n in range(40)
    ]
    for row in rows:
        row["split"] = ("train", "train", "val", "heldout")[row["record"] % 4 if row["record"] > 20 else 0]  # type: ignore[assignment]
    found = built(by_turn, tmp_path, rows)
    seen: dict[tuple[int, int], list[tuple[str, float]]] = {}
    told = []
    for pack, row, weight, ids, labels in segments(found.packs):
        line = found.ledger[row]
        told.append(row)
        assert line["weight"] == weight
        assert (line["split"], line["epoch"]) == (pack["split"], pack["epoch"])
        assert line["num_tokens"] == len(ids)
        text = trained_text(by_turn, ids, labels).removesuffix("<|im_end|>")
        seen.setdefault((line["record"], line["epoch"]), []).append((text, weight))
    assert sorted(told) == list(range(len(found.ledger))), "ledger lines are the segments"
    keys = [tuple(line[name] for name in ("row_id", "epoch", "repeat", "turn")) for line in found.ledger]
    assert len(set(keys)) == len(keys)
    wanted = {}
    for row in rows:
        if row["split"] == "heldout":
            continue
        answers = list(answers_of(row))
        for epoch in range(2 if row["split"] == "train" else 1):
            kept = [answer for answer in answers if answer[1] > 0]
            if kept:
                wanted[row["record"], epoch] = sorted(kept)
    assert {key: sorted(answers) for key, answers in seen.items()} == wanted
    assert found.schemas == {WEIGHTED_PACKS} or found.schemas == {WEIGHTED_PACKS, PACKS}
    trained = [one for one in segments(found.packs) if one[0]["split"] == "train"]
    tokens = [sum(label != IGNORE_INDEX for label in labels) for *_, labels in trained]
    weights = [weight for _, _, weight, *_ in trained]
    assert found.stats["weights"] == {
        "rendered_rows": sum(weight != 1 for weight in weights),
        "min": min(weights),
        "max": max(weights),
        "weighted_tokens": sum(a * b for a, b in zip(weights, tokens, strict=True)),
    }
    assert len(found.heldout) == sum(row["split"] == "heldout" for row in rows)


def test_rows_are_counted_once_however_they_are_rendered(
    build: BuildContext, by_turn: BuildContext, tmp_path: Path
) -> None:
    rows = [talk(number, *[None] * (1 + number % 3)) for number in range(30)]
    several = built(by_turn, _made(tmp_path / "several"), rows)
    single = built(build, _made(tmp_path / "single"), rows)
    assert len(several.ledger) == 2 * sum(1 + number % 3 for number in range(30))
    assert len(single.ledger) == 2 * 30
    assert several.stats["splits"]["train"]["rendered_rows"] == len(several.ledger)
    assert "rendered_rows" not in single.stats["splits"]["train"]
    assert several.stats["splits"]["train"]["rows"] == 30
    for name in ("variants", "epoch_tasks", "mix", "diversity", "wordings"):
        assert several.stats[name] == single.stats[name], name
    assert "weights" not in several.stats
    assert several.schemas == single.schemas == {PACKS}, "no weight, no column"


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_tools_that_the_template_leaves_out_are_counted(build: BuildContext, tmp_path: Path) -> None:
    tools = '[{"type": "function", "function": {"name": "search", "parameters": {}}}]'
    one = built(build, tmp_path, [talk(3, None) | {"tools": tools}, talk(4, None)])  # type: ignore[list-item]
    assert [line["transforms"] for line in one.ledger if line["epoch"] == 0] == [["tools_left_out"], []]
    assert one.stats["left_out"] == {"tools": 2}  # in two epochs
