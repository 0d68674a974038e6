"""Where first weights come from: made once, checked tensor by tensor, read slice by slice."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from family_models import FAMILIES
from rank_helpers import make_data, make_tokenizer
from safetensors.torch import load_file, save_file
from transformers import AttentionInterface, AutoModelForCausalLM, LlamaConfig
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from hunmin.errors import ConfigError, GateError, InputError
from hunmin.models.config import FromScratchConfig, ModelConfig
from hunmin.stage import Inputs
from trainer.config import STAGE_VERSION, TrainConfig
from trainer.job import Job, begin_training
from trainer.model.attention import Asks, implementation, segmented_sdpa
from trainer.model.folder_weights import FolderWeights, TensorFiles
from trainer.model.packed_model import PackedCausalLM, check_vocab, create_base, locate_base

SMALL = FromScratchConfig.model_validate(
    {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "vocab_size": 512}
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("model")
    make_tokenizer(root / "tokenizer")
    create_base(SMALL, tokenizer_dir=root / "tokenizer", seed=1, out=root / "base")
    return root


def test_base_is_a_function_of_the_seed(folder: Path, tmp_path: Path) -> None:
    for seed in (1, 2):
        create_base(SMALL, tokenizer_dir=folder / "tokenizer", seed=seed, out=tmp_path / str(seed))
    first, again, other = (
        (path / "model.safetensors").read_bytes()
        for path in (folder / "base", tmp_path / "1", tmp_path / "2")
    )
    assert first == again
    assert first != other


def test_base_needs_room_for_the_tokenizer(tmp_path: Path) -> None:
    make_tokenizer(tmp_path / "tokenizer", vocab_size=600)
    with pytest.raises(ConfigError, match=r"vocab_size is 512, the tokenizer of the data has 600"):
        create_base(SMALL, tokenizer_dir=tmp_path / "tokenizer", seed=1, out=tmp_path / "base")
    assert not (tmp_path / "base").exists()


def test_tokenizer_larger_than_model_is_refused(folder: Path, tmp_path: Path) -> None:
    check_vocab(folder / "base", tokenizer_dir=folder / "tokenizer")
    make_tokenizer(tmp_path / "tokenizer", vocab_size=301)
    with pytest.raises(InputError, match="300 embeddings, but the tokenizer of the data has 301"):
        check_vocab(folder / "base", tokenizer_dir=tmp_path / "tokenizer")


def test_slices_put_together_are_the_tensor(folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder / "base")
    weights = FolderWeights(folder / "base")
    for name, parameter in model.named_parameters():
        flat = parameter.detach().flatten()
        cuts = [0, 1, 37, len(flat) // 2 + 1, len(flat), len(flat)]  # across rows, and an empty one
        cuts = sorted(min(cut, len(flat)) for cut in cuts)
        parts = [weights.read(name, a, b) for a, b in zip(cuts, cuts[1:], strict=False)]  # noqa: RUF007
        assert torch.equal(torch.cat(parts), flat)


def test_half_precision_files_are_read_as_fp32(tmp_path: Path) -> None:
    tensor = torch.randn(3, 5, dtype=torch.bfloat16)
    save_file({"w": tensor}, tmp_path / "model.safetensors")
    part = TensorFiles(tmp_path).read("w", 4, 11)
    assert part.dtype == torch.float32
    assert torch.equal(part, tensor.float().flatten()[4:11])


def test_files_in_shards_are_read(folder: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder / "base")
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    whole, cut = TensorFiles(folder / "base"), TensorFiles(tmp_path)
    assert whole.shapes == cut.shapes
    for name in whole.shapes:
        assert torch.equal(whole.read(name, 3, 30), cut.read(name, 3, 30))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("model.norm.weight"), "missing model.norm.weight"),
        (lambda t: t.update(extra=torch.zeros(2)), "unknown extra"),
        (lambda t: t.update({"model.norm.weight": torch.zeros(31)}), r"model.norm.weight is \(31,\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused(folder: Path, tmp_path: Path, change, message: str) -> None:
    tensors = load_file(folder / "base/model.safetensors")
    wanted = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    change(tensors)
    write_model(tmp_path, folder / "base", tensors)
    with pytest.raises(InputError, match=message):
        FolderWeights(tmp_path).check(wanted)


def write_model(folder: Path, base: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Other tensors with the config of `base`."""
    save_file(tensors, folder / "model.safetensors")
    shutil.copy(base / "config.json", folder)


def test_a_tied_head_may_be_in_the_files(folder: Path, tmp_path: Path) -> None:
    tensors = load_file(folder / "base/model.safetensors")
    wanted = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    write_model(tmp_path, folder / "base", tensors | {"lm_head.weight": torch.zeros(300, 32)})
    weights = FolderWeights(tmp_path)
    weights.check(wanted)
    assert weights.shapes.keys() == wanted.keys()


def test_locate(folder: Path, tmp_path: Path) -> None:
    assert locate_base(str(folder / "base")) == folder / "base"
    (tmp_path / "train").mkdir()
    os.symlink(folder / "base", tmp_path / "train/export")
    assert locate_base(str(tmp_path)) == tmp_path / "train/export", "another run's folder is its export"
    with pytest.raises(InputError, match=r"needs config\.json"):
        locate_base(str(folder / "tokenizer"))
    with pytest.raises(InputError, match="nor a model of the hub"):
        locate_base("no/such/folder/anywhere")  # not a hub id either: two slashes too many


def job(root: Path, *, data: str = "d") -> Job:
    return Job(
        config=TrainConfig.model_validate({}),
        model=ModelConfig(from_scratch=SMALL),
        seed=0,
        data_dir=root / "data",
        out_dir=root / "train",
        inputs=Inputs(STAGE_VERSION, {"data": data}, "c"),
    )


def test_begin_keeps_what_is_its_own_and_puts_aside_what_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_data(tmp_path / "data")
    assert begin_training(job(tmp_path))[1] == 2  # 24 packs in steps of 16
    mark = tmp_path / "train/checkpoints"
    mark.mkdir()
    begin_training(job(tmp_path))
    assert mark.exists()
    assert capsys.readouterr().out == ""
    begin_training(job(tmp_path, data="other"))
    assert not mark.exists()
    assert len([*tmp_path.glob("old/train-*/checkpoints")]) == 1
    assert "what was made from other inputs is kept in" in capsys.readouterr().out


def test_no_packs_is_a_gate(tmp_path: Path) -> None:
    (tmp_path / "data/train").mkdir(parents=True)
    with pytest.raises(GateError, match="no packs"):
        begin_training(job(tmp_path))


def test_flash_attn_is_taken_where_transformers_runs_the_model_with_it() -> None:
    assert Asks.of(FAMILIES["llama"]).flash_attn
    assert not Asks.of(FAMILIES["gpt_oss"]).flash_attn, "its sinks need another kernel"


def small_llama(attention: str, dtype: torch.dtype = torch.float32) -> Any:
    config = LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
    )
    torch.manual_seed(0)
    lm = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=attention)
    for parameter in lm.parameters():
        parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
    return lm


def leaky_by_one_token(*args: Any, cu_seq_lens_q: torch.Tensor, **kwargs: Any) -> Any:
    """Boundaries one token early: a row sees the last token of its neighbour, and no more."""
    bounds = cu_seq_lens_q.clone()
    bounds[1:-1] -= 1
    return segmented_sdpa(*args, cu_seq_lens_q=bounds, **(kwargs | {"seq_lengths": None}))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_whose_rows_would_see_each_other_is_refused(dtype: torch.dtype) -> None:
    cpu = torch.device("cpu")
    assert PackedCausalLM(small_llama(implementation(cpu), dtype)).check(cpu)
    AttentionInterface.register("blind", sdpa_attention_forward)  # causal over the whole pack
    AttentionInterface.register("one_token", leaky_by_one_token)
    for leaky in ("blind", "one_token"):
        with pytest.raises(InputError, match=r"LlamaForCausalLM: rows packed together see each other"):
            PackedCausalLM(small_llama(leaky, dtype)).check(cpu)


def test_rounding_that_depends_on_the_neighbours_is_no_leak() -> None:
    """As where experts take batches of other sizes: far less than a token that is seen."""
    cpu = torch.device("cpu")
    lm = small_llama(implementation(cpu))
    lm.base_model.norm.register_forward_hook(lambda module, inputs, output: output + output.mean() * 1e-6)
    assert PackedCausalLM(lm).check(cpu)


def test_a_head_that_is_more_than_a_product_is_the_models_own() -> None:
    cpu = torch.device("cpu")
    lm = small_llama(implementation(cpu))
    lm.lm_head.register_forward_hook(lambda module, inputs, output: output * 2)
    model = PackedCausalLM(lm)
    ids, bounds = torch.arange(6), torch.tensor([0, 6], dtype=torch.int32)
    inputs = (ids, torch.arange(6), bounds, torch.arange(5), ids[1:], [6])
    ours = model(*inputs)
    assert not model.check(cpu)
    theirs = model(*inputs)
    assert torch.isnan(model.gradient_norms_N).tolist() == [True] * 5, "one for each target, not known"
    logits = lm(input_ids=ids[None], **{"cu_seq_lens_q": bounds}).logits[0, :-1]
    torch.testing.assert_close(theirs, torch.nn.functional.cross_entropy(logits, ids[1:], reduction="none"))
    assert not torch.allclose(ours, theirs)
