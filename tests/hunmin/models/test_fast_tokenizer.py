"""data.fast_tokenizer: another way to the same content, given up where it is another content."""

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import hunmin
from tiny_tokenizers import as_gpt2

from data_pipeline import pipeline
from data_pipeline.build.context import _renderer
from data_pipeline.build.inputs import stage_inputs
from data_pipeline.workers.each_item import Workers
from hunmin.models.chat_templates import BUILT_IN
from hunmin.models.fast_ids import FastIds
from launcher.run import open_run

pytest.importorskip("gigatoken", reason="make check installs gigatoken")


def write_config(folder: Path) -> Path:
    lines = [
        {"instruction": f"{i}번째 문제: {i}에 {i % 7}을 더하면?", "output": f"답은 {i + i % 7}입니다. 🙂"}
        for i in range(150)
    ]
    (folder / "sums.jsonl").write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines))
    as_gpt2(BUILT_IN["chatml"]).save_pretrained(str(folder / "model"))
    path = folder / "c.yaml"
    source = {"name": "sums", "format": "alpaca", "path": "sums.jsonl"}
    path.write_text(
        json.dumps({"name": "c", "model": {"path": "model"}, "data": {"sources": [source], "seq_len": 512}})
    )
    return path


def content_of(run: Path) -> Any:
    return json.loads((run / "data" / "manifest.json").read_text())["content_sha256"]


def test_the_content_is_the_same(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    for name, settings in {"slow": [], "fast": ["data.fast_tokenizer=true"]}.items():
        done = hunmin("data", config, "--run", tmp_path / name, *settings)
        assert done.returncode == 0, done.stderr
        assert "fast_tokenizer" not in done.stdout
    assert content_of(tmp_path / "slow") == content_of(tmp_path / "fast")


def test_a_part_with_other_ids_is_made_again_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(name: str, *settings: str) -> None:
        (tmp_path / name).mkdir()
        run = open_run(config, ["data.part_rows=20", *settings], tmp_path / name, force=False)
        data, model, seed = run.config.data, run.config.model, run.config.seed
        inputs = stage_inputs(data, model, seed=seed, base=run.base)
        pipeline.run(
            config=data,
            model=model,
            seed=seed,
            base=run.base,
            out_dir=run.dir / "data",
            inputs=inputs,
            workers=Workers(),
        )

    config = write_config(tmp_path)
    build("slow")
    right = FastIds._ids
    monkeypatch.setattr(  # a library with a fault in one number of all
        FastIds, "_ids", lambda self, text: right(self, text)[: -1 if "답은 128" in text else None]
    )
    monkeypatch.setattr("hunmin.models.fast_ids.CHECKED_EVERY", 1)
    _renderer.cache_clear()
    build("fast", "data.fast_tokenizer=true")
    said = capsys.readouterr().out
    assert said.count("data.fast_tokenizer is given up") == 1
    assert "tokenized again without it: it gives other ids for" in said
    assert content_of(tmp_path / "slow") == content_of(tmp_path / "fast")
