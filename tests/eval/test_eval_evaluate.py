"""The stage as a whole, on a real Ray and tiny models."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from eval_stages import TASKS, Stages, default_rows, heldout_row, make_stages, user
from transformers import PreTrainedTokenizerFast

from eval.config import STAGE_VERSION, EvalConfig
from eval.evaluate import SYSTEMS, run, score_table
from hunmin.artifact import Manifest, commit, files_below, load_manifest, verify
from hunmin.errors import ArtifactError, InputError
from hunmin.schema import SAMPLES
from hunmin.stage import Inputs

CONFIG = EvalConfig(max_new_tokens=12, batch_size=4, bootstrap_samples=50)


def evaluate(stages: Stages, out_dir: Path, config: EvalConfig = CONFIG) -> Manifest:
    return run(
        config=config,
        seed=3,
        data_dir=stages.data,
        train_dir=stages.train,
        base=stages.base,
        out_dir=out_dir,
        num_cpus=2,
        num_gpus=0,
        inputs=Inputs(STAGE_VERSION, {"data": "d", "train": "t"}, "c"),
    )


def scores_in(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "scores.json").read_text())


@pytest.fixture(scope="module")
def stages(tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory) -> Stages:
    return make_stages(tmp_path_factory.mktemp("run"), tokenizer)


@pytest.fixture(scope="module")
def evaluated(ray_local: None, stages: Stages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out_dir = tmp_path_factory.mktemp("out") / "eval"
    evaluate(stages, out_dir)
    return out_dir


def test_the_stage_is_committed_and_its_parts_are_gone(evaluated: Path) -> None:
    manifest = verify(evaluated, cure="")
    assert {path.name for path in evaluated.iterdir()} == {
        "manifest.json",
        "samples.parquet",
        "reworded.parquet",
        "probes.parquet",
        "scores.json",
    }
    assert manifest.counts == {
        "samples": 13,
        "reworded": 0,
        "tasks": 2,
        "skipped": {},
        "skipped_reworded": {},
        "probes": {},
        "skipped_probes": {},
        "failed": {},
    }
    assert manifest.stage == "eval"


def test_every_system_answers_every_sample(evaluated: Path) -> None:
    table = pq.read_table(evaluated / "samples.parquet")
    assert table.schema.equals(SAMPLES)
    rows = table.to_pylist()
    assert len(rows) == 13 * len(SYSTEMS)
    assert len({(row["system"], row["sample_id"]) for row in rows}) == len(rows)
    majority = [row for row in rows if row["system"] == "majority" and row["task"] == "sentiment"]
    assert [row["label"] for row in majority] == ["긍정", "부정", "긍정", "긍정", "부정"]
    assert {row["extracted"] for row in majority} == {"긍정"}
    assert [dict(row["scores"])["accuracy"] for row in majority] == [1, 0, 1, 1, 0]
    for row in rows:
        assert (row["stopped"] is None) == (row["system"] not in ("base", "tuned"))
        assert set(dict(row["scores"])) == (
            {"rougeL", "chrf"} if row["task"] == "chat" else {"accuracy", "exact_match"}
        )
    tuned = {row["sample_id"]: row["answer"] for row in rows if row["system"] == "tuned"}
    base = {row["sample_id"]: row["answer"] for row in rows if row["system"] == "base"}
    assert tuned != base


def test_scores(evaluated: Path) -> None:
    scores = scores_in(evaluated)
    assert scores["systems"] == SYSTEMS
    assert scores["models"]["base"]["sha256"] != scores["models"]["tuned"]["sha256"]
    chat, sentiment = scores["tasks"]["chat"], scores["tasks"]["sentiment"]
    assert (chat["n"], chat["languages"], sentiment["n"]) == (8, {"ko": 8}, 5)
    assert chat["metrics"]["rougeL"]["tokenizer"] == "ko-mecab"
    assert set(chat["stop_rate"]) == {"base", "tuned"}
    assert chat["length_ratio"]["copy"] > 0.5
    accuracy = sentiment["metrics"]["accuracy"]
    assert accuracy["systems"]["majority"]["value"] == pytest.approx(3 / 5)
    assert accuracy["systems"]["majority"]["low"] < 3 / 5 < accuracy["systems"]["majority"]["high"]
    macro_f1 = sentiment["metrics"]["macro_f1"]["systems"]["majority"]["value"]
    assert macro_f1 == pytest.approx((2 * 3 / (5 + 3) + 0) / 2)
    delta = accuracy["delta"]["value"]
    assert delta == accuracy["systems"]["tuned"]["value"] - accuracy["systems"]["base"]["value"]


def test_the_table_for_people(evaluated: Path) -> None:
    table = score_table(scores_in(evaluated))  # type: ignore[arg-type]
    assert [(row["task"], row["metric"]) for row in table] == [
        ("chat", "rougeL"),
        ("chat", "chrf"),
        ("sentiment", "accuracy"),
        ("sentiment", "macro_f1"),
        ("sentiment", "exact_match"),
    ]
    assert table[2]["majority"]["value"] == pytest.approx(0.6)
    assert all(row[key] is not None for row in table for key in (*SYSTEMS, "delta"))


def test_another_place_and_one_actor_find_the_same(
    evaluated: Path, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    moved = make_stages(tmp_path / "elsewhere", tokenizer)
    again = evaluate(moved, tmp_path / "eval", CONFIG.model_copy(update={"num_actors": 1}))
    first = load_manifest(evaluated)
    assert first is not None
    assert again.content_sha256 == first.content_sha256
    assert scores_in(tmp_path / "eval")["models"] != scores_in(evaluated)["models"]  # their paths


def test_held_out_wordings_are_asked_beside_and_change_no_other_score(
    evaluated: Path, tokenizer: PreTrainedTokenizerFast, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = default_rows()
    again = [
        row
        | {
            "messages": [user(f"어느 쪽인가요?\n\n{row['fields']['input']}"), row["messages"][1]],
            "wording_id": "sentiment/ko-10",
            "seen_wording": False,
        }
        for row in rows
        if row["task"] == "sentiment"
    ]
    stages = make_stages(tmp_path / "run", tokenizer, rows=rows + again)
    config = CONFIG.model_copy(update={"unseen_wordings": 3})
    manifest = evaluate(stages, tmp_path / "eval", config)
    assert "3 of the 13 held-out samples are asked in a held-out wording too" in capsys.readouterr().out
    assert (manifest.counts["samples"], manifest.counts["reworded"]) == (13, 3)
    lines = pq.read_table(tmp_path / "eval" / "reworded.parquet").to_pylist()
    assert [line["system"] for line in lines] == ["tuned"] * 3
    assert all(line["sample_id"] == f"{line['row_id']}/0/sentiment/ko-10" for line in lines)
    assert all(line["prompt"].startswith("어느 쪽인가요?") for line in lines)
    assert all(set(dict(line["scores"])) == {"accuracy", "exact_match"} for line in lines)
    assert pq.read_table(tmp_path / "eval" / "samples.parquet").equals(
        pq.read_table(evaluated / "samples.parquet")
    )
    tasks = scores_in(tmp_path / "eval")["tasks"]
    wordings = tasks["sentiment"].pop("unseen_wordings")
    assert tasks == scores_in(evaluated)["tasks"]
    assert (wordings["n"], wordings["wordings"]) == (3, 1)
    mean = sum(dict(line["scores"])["accuracy"] for line in lines) / 3
    assert wordings["metrics"]["accuracy"]["unseen"]["value"] == pytest.approx(mean)


def test_nothing_held_out_is_said_and_no_crash(
    ray_local: None, tokenizer: PreTrainedTokenizerFast, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = make_stages(tmp_path, tokenizer, rows=[], tasks={})
    manifest = evaluate(stages, tmp_path / "eval")
    assert manifest.counts["samples"] == 0
    assert scores_in(tmp_path / "eval")["tasks"] == {}
    assert pq.read_table(tmp_path / "eval" / "samples.parquet").num_rows == 0
    assert "no held-out sample to ask" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (
            {"metrics": ["rouge"], "labels": [], "language": "ko"},
            "metric rouge is unknown; choose from accuracy",
        ),
        ({"metrics": ["accuracy"], "labels": [], "language": "ko"}, "accuracy needs labels"),
    ],
)
def test_a_wrong_metric_is_refused_before_any_work(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path, info: Any, message: str
) -> None:
    stages = make_stages(tmp_path, tokenizer, tasks=TASKS | {"chat": info})
    with pytest.raises(InputError, match=message):
        evaluate(stages, tmp_path / "eval")


def test_a_changed_file_is_refused(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    stages = make_stages(tmp_path, tokenizer)
    path = stages.train / "export" / "config.json"
    path.write_text(path.read_text().replace("512", "513"))
    with pytest.raises(ArtifactError, match=r"export/config\.json: sha256"):
        evaluate(stages, tmp_path / "eval")


def test_an_export_with_another_template_is_refused(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    stages = make_stages(tmp_path, tokenizer)
    exported = stages.train / "export" / "chat_template.jinja"
    exported.write_text(exported.read_text() + " ")
    (stages.train / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match="the stage is not finished"):
        evaluate(stages, tmp_path / "eval")
    commit(
        stages.train, stage="train", stage_version=1, parents={}, config_sha256="", content_sha256="",
        counts={}, files=files_below(stages.train), seconds=0,
    )  # fmt: skip
    with pytest.raises(ArtifactError, match="its template is not that of data/tokenizer"):
        evaluate(stages, tmp_path / "eval")


def test_a_prompt_beyond_the_context_is_said(
    ray_local: None, tokenizer: PreTrainedTokenizerFast, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = heldout_row(
        0,
        task="chat",
        messages=[user("아주 길다 " * 300), {"role": "assistant", "content": "네", "train": True}],
    )
    manifest = evaluate(make_stages(tmp_path, tokenizer, rows=[long]), tmp_path / "eval")
    assert manifest.counts["skipped"] == {"prompt_too_long": 1}
    assert "1 samples cannot be asked (prompt_too_long 1)" in capsys.readouterr().out
