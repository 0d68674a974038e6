"""What would stop an evaluation is found before training, and before the data where it can be."""

import contextlib
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import hunmin
from transformers import LlamaConfig

from eval.answering import pool
from eval.answering.room import GIB, Gpus
from hunmin.errors import GateError, InputError
from launcher import stages
from launcher.cluster import ray_cluster
from launcher.config import load
from launcher.preflight import check_engine, check_eval, eval_config_of
from launcher.run import Run


def run_of(folder: Path, model: dict[str, Any], **evaluation: Any) -> Run:
    config = {
        "name": "small",
        "model": model,
        "data": {
            "sources": [{"name": "sums", "format": "alpaca", "path": "sums.jsonl"}],
            "seq_len": 1024,
        },
        "eval": evaluation,
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(config))
    loaded, base = load(path, [])
    return Run(loaded, base, folder / "run")


def llama_70b(folder: Path) -> dict[str, Any]:
    """A folder with a configuration and no weights: none are read."""
    LlamaConfig(
        hidden_size=8192,
        intermediate_size=28672,
        num_hidden_layers=80,
        num_attention_heads=64,
        num_key_value_heads=8,
        vocab_size=128256,
        tie_word_embeddings=False,
    ).save_pretrained(folder / "llama")
    return {"path": "llama"}


def test_a_model_that_no_node_holds_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the order of the stages: data is made, Ray is up, and train does not start."""
    run = run_of(tmp_path, llama_70b(tmp_path), engine="hf")
    started: list[str] = []

    def spec(name: str) -> stages.StageSpec:
        return stages.StageSpec(
            inputs=lambda run: None,  # type: ignore[arg-type, return-value]
            start=lambda run, inputs: started.append(name),  # type: ignore[arg-type, return-value]
            needs_ray=lambda run: name != "data",
        )

    monkeypatch.setattr(stages, "STAGES", {name: spec(name) for name in ("data", "train", "eval", "report")})
    monkeypatch.setattr(stages, "_ray", lambda run: contextlib.nullcontext(started.append("ray")))
    for name in ("check_inputs", "check_memory", "check_task_names", "_write_corpus_page"):
        monkeypatch.setattr(stages, name, lambda run: None)
    monkeypatch.setattr(stages, "find_finished", lambda folder, inputs: None)
    monkeypatch.setattr(ray_cluster, "cpus_and_gpus", lambda: (8, 4))
    monkeypatch.setattr(pool, "find_gpus", lambda: Gpus((2, 2), memory_bytes=80 * GIB, capability=(9, 0)))
    with pytest.raises(GateError, match=r"a node has 2 GPU\(s\) of 80\.0 GiB.*a node with 3 of these GPUs"):
        stages.run_stages(run, ("data", "train", "eval", "report"))
    assert started == ["data", "ray"]

    started.clear()
    monkeypatch.setattr(pool, "find_gpus", lambda: Gpus((8,), memory_bytes=80 * GIB, capability=(9, 0)))
    stages.run_stages(run, ("data", "train", "eval", "report"))
    assert started == ["data", "ray", "train", "eval", "report"]

    started.clear()  # who only trains is asked nothing
    monkeypatch.setattr(pool, "find_gpus", lambda: pytest.fail("not asked"))
    stages.run_stages(run, ("data", "train"))
    assert started == ["data", "ray", "train"]


def test_on_cpus_nothing_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "cpus_and_gpus", lambda: (8, 0))
    check_eval(run_of(tmp_path, llama_70b(tmp_path), engine="hf"))
    with pytest.raises(InputError, match=r"eval\.vllm_python names no Python"):
        check_eval(run_of(tmp_path, llama_70b(tmp_path), engine="vllm_server"))


def test_the_other_environment_lies_where_the_config_says(tmp_path: Path) -> None:
    run = run_of(tmp_path, {"path": "llama"}, vllm_python=".venv-vllm/bin/python")
    assert eval_config_of(run).vllm_python == str(tmp_path / ".venv-vllm/bin/python")
    with pytest.raises(InputError, match=r"eval\.vllm_python: .*/\.venv-vllm/bin/python is not a program"):
        check_engine(
            run_of(tmp_path, {"path": "llama"}, engine="vllm_server", vllm_python=".venv-vllm/bin/python")
        )


def test_an_engine_that_is_absent_ends_a_run_before_its_data(tmp_path: Path) -> None:
    (tmp_path / "sums.jsonl").write_text('{"instruction": "1+1", "output": "2"}\n' * 20)
    scratch = {"from_scratch": {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "vocab_size": 600}}
    run = run_of(tmp_path, scratch, engine="vllm_server")
    start = time.monotonic()
    done = hunmin("run", tmp_path / "small.yaml", "--run", run.dir, cwd=tmp_path, timeout_s=120)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "eval.engine: vllm_server, but eval.vllm_python names no Python" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (run.dir / "data").exists()
    assert time.monotonic() - start < 100
