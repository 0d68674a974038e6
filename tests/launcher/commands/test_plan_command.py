"""`hunmin plan` from the command line: its numbers, and that it changes nothing."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from command_line import hunmin
from tokenizers import Tokenizer, models
from transformers import LlamaConfig, PreTrainedTokenizerFast

REPO = Path(__file__).parents[3]
QUICKSTART = REPO / "configs/quickstart.yaml"


def plan(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return hunmin("plan", QUICKSTART, *arguments, cwd=cwd, timeout_s=120)


def numbers(*arguments: str, cwd: Path) -> dict[str, Any]:
    done = plan(*arguments, "--json", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_each_setting_reaches_deepspeed_once(tmp_path: Path) -> None:
    found = numbers(
        "train.global_batch_size=24",
        "train.micro_batch_size=2",
        "train.max_grad_norm=0.5",
        "train.precision=bf16",
        "train.zero.reduce_bucket_size=1234",
        "train.zero.prefetch_bucket_size=2345",
        "train.zero.param_persistence_threshold=345",
        "train.zero.hpz_partition_size=2",
        "cluster.num_workers=4",
        "cluster.gpus_per_worker=1",
        "train.zero.offload_optimizer=true",
        cwd=tmp_path,
    )
    told = found["deepspeed"]
    assert (told["train_micro_batch_size_per_gpu"], told["gradient_accumulation_steps"]) == (2, 3)
    assert told["gradient_clipping"] == 0.5
    assert told["bf16"] == {"enabled": True}
    assert told["data_types"] == {"grad_accum_dtype": "fp32"}
    zero = told["zero_optimization"]
    assert (zero["stage"], zero["overlap_comm"], zero["zero_hpz_partition_size"]) == (3, True, 2)
    assert (zero["reduce_bucket_size"], zero["stage3_prefetch_bucket_size"]) == (1234, 2345)
    assert zero["stage3_param_persistence_threshold"] == 345
    assert zero["offload_optimizer"] == {"device": "cpu", "pin_memory": True}
    assert not list(tmp_path.iterdir()), "a plan changes nothing"


def test_numbers(tmp_path: Path) -> None:
    found = numbers("train.num_steps=40", "train.warmup_steps=7", cwd=tmp_path)
    assert (found["num_steps"], found["warmup_steps"], found["num_packs"]) == (40, 7, None)
    assert found["checkpoint_bytes"] == 12 * found["num_parameters"]
    adapted = numbers("train.lora.rank=4", cwd=tmp_path)
    assert adapted["num_trained_parameters"] < adapted["num_parameters"] == found["num_parameters"]
    assert adapted["memory"]["peak"] < found["memory"]["peak"]


def test_a_grown_vocabulary_is_counted(tmp_path: Path) -> None:
    sizes: Any = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    vocab = {"a": 0, "b": 1, "<eos>": 2}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="a"))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>").save_pretrained(tmp_path / "model")
    LlamaConfig(vocab_size=8, tie_word_embeddings=True, **sizes).save_pretrained(tmp_path / "model")
    model = f"path: {tmp_path / 'model'}"
    own = numbers(f"model={{{model}}}", cwd=tmp_path)["num_parameters"]
    padded = numbers(f"model={{{model}, add_tokens: [<x>]}}", cwd=tmp_path)["num_parameters"]
    assert padded == own, "it takes a row of the padding"
    tokens = ", ".join(f"<x{number}>" for number in range(7))
    grown = numbers(f"model={{{model}, add_tokens: [{tokens}]}}", cwd=tmp_path)["num_parameters"]
    assert grown == own + 2 * 16, "ten tokens: two rows more than the eight"


def test_text_and_finished_data(tmp_path: Path) -> None:
    before = plan(cwd=tmp_path)
    assert "steps             known when data/ exists: hunmin data" in before.stdout
    assert '"stage": 3' in before.stdout


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("train.learning_rates={embed: -1}", "learning_rates"),
        ("train.lora.target_modules=[nothing]", "its layers are called"),
        ("model={path: /nowhere}", "/nowhere"),
    ],
)
def test_wrong_input_is_one_line(argument: str, message: str, tmp_path: Path) -> None:
    done = plan(argument, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_what_cannot_fit_is_refused_with_what_would(tmp_path: Path) -> None:
    done = plan("train.memory_gb=0.25", "train.micro_batch_size=4", cwd=tmp_path)
    assert done.returncode == 3
    assert "there are 256.0 MiB" in done.stdout, "the plan is printed all the same"
    (line,) = done.stderr.strip().splitlines()
    assert "a rank needs" in line
    assert "has 256.0 MiB" in line
    assert "What would fit" in line
    allowed = plan("train.memory_gb=0.25", "train.micro_batch_size=4", "train.must_fit=false", cwd=tmp_path)
    assert allowed.returncode == 0
    assert "warning: a rank needs" in allowed.stdout


def test_a_gpu_that_is_told_chooses_the_micro_batch(tmp_path: Path) -> None:
    gpu = ("cluster.gpus_per_worker=1", "train.global_batch_size=64", "train.micro_batch_size=null")
    unknown = numbers(*gpu, cwd=tmp_path)
    assert (unknown["micro_batch_size"], unknown["activation_checkpointing"]) == (1, "none")
    told = numbers(*gpu, "train.memory_gb=80", cwd=tmp_path)
    assert told["micro_batch_size"] * 512 == 8192
    assert told["deepspeed"]["train_micro_batch_size_per_gpu"] == told["micro_batch_size"]
    assert told["accum_steps"] == 64 // 2 // told["micro_batch_size"]
