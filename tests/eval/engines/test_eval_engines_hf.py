"""Our decode loop says exactly what transformers' generate says."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, MistralConfig, PreTrainedTokenizerFast, Qwen3NextConfig

from eval.engines import Generation, GenerationSettings, Place, hf
from eval.engines._batch import Batch
from eval.engines._kv_cache import SlotCache
from eval.engines.hf import HFEngine
from hunmin.errors import ArtifactError, EnvironmentFailure

GREEDY = GenerationSettings(max_new_tokens=40, temperature=0.0, seed=0, stop_ids=(), num_threads=1)


@pytest.fixture(scope="module")
def stop_ids(tokenizer: PreTrainedTokenizerFast) -> tuple[int, ...]:
    """Every 25th token ends an answer, so rows of a batch finish at different times."""
    return tuple(range(5, len(tokenizer), 25))


def generate_alone(folder: Path, prompts: list[list[int]], stop_ids: tuple[int, ...]) -> list[Generation]:
    """transformers' own greedy answer to each prompt, unpadded."""
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    answers = []
    for prompt in prompts:
        ids = model.generate(
            input_ids=torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            do_sample=False,
            max_new_tokens=GREEDY.max_new_tokens,
            eos_token_id=[*stop_ids, model.config.eos_token_id],
            pad_token_id=0,
        )[0, len(prompt) :].tolist()
        stopped = ids[-1] in {*stop_ids, model.config.eos_token_id}
        answers.append(Generation(ids[:-1] if stopped else ids, stopped))
    return answers


def test_greedy_equals_generate(
    model_folder: Path, prompts: list[list[int]], stop_ids: tuple[int, ...]
) -> None:
    mine = HFEngine(str(model_folder), settings=replace(GREEDY, stop_ids=stop_ids)).generate(prompts)
    assert mine == generate_alone(model_folder, prompts, stop_ids)
    lengths = {len(one.ids) for one in mine}
    assert len(lengths) > 5, "rows must leave the batch at different times, or this proves little"
    assert {one.stopped for one in mine} == {True, False}


def test_greedy_ids_do_not_depend_on_the_batch(
    model_folder: Path, prompts: list[list[int]], stop_ids: tuple[int, ...]
) -> None:
    """Some prompts share beginnings, one is asked twice, the longest comes last: batches refill and grow."""
    shared = prompts[0] * 3
    asked = [
        *prompts[:12],
        *(shared + prompt[:20] for prompt in prompts[12:]),
        shared,
        shared,
        prompts[1] * 12,
    ]
    expected = generate_alone(model_folder, asked, stop_ids)
    for batch_size in (3, 8, 100):
        settings = replace(GREEDY, stop_ids=stop_ids, batch_size=batch_size)
        assert HFEngine(str(model_folder), settings=settings).generate(asked) == expected, batch_size


def test_a_batch_refills_and_reads_what_is_shared_once(
    model_folder: Path, prompts: list[list[int]], stop_ids: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system message of 100 tokens before 24 prompts: it is read once, and slots do not stay empty."""
    sizes: list[tuple[int, int]] = []  # of each forward
    plain = Batch._logits

    def counted(batch: Batch, ids_KS: list[list[int]], **kwargs: Any) -> torch.Tensor:
        sizes.append((len(ids_KS), len(ids_KS[0])))
        return plain(batch, ids_KS, **kwargs)

    monkeypatch.setattr(Batch, "_logits", counted)
    system = [271 + index % 50 for index in range(100)]
    settings = replace(GREEDY, stop_ids=stop_ids, batch_size=4)
    found = HFEngine(str(model_folder), settings=settings).generate([system + one for one in prompts])
    num_read = sum(rows * tokens for rows, tokens in sizes if tokens > 1)
    assert num_read < 100 + 2 * sum(map(len, prompts)) < sum(100 + len(one) for one in prompts) / 1.5
    num_steps = sum(tokens == 1 for _, tokens in sizes)
    in_batches = [found[start : start + 4] for start in range(0, 24, 4)]
    assert num_steps < 0.8 * sum(max(len(one.ids) for one in batch) for batch in in_batches)


def tiny(config: Any, folder: Path) -> Path:
    """A model of that configuration, with wide logits."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=0.3)
    model.save_pretrained(folder)
    return folder


SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 64,
    "vocab_size": 400,
    "bos_token_id": None,
    "eos_token_id": 3,
    "tie_word_embeddings": False,
}


def test_a_sliding_window_slides_over_a_rows_own_tokens(tmp_path: Path, prompts: list[list[int]]) -> None:
    folder = tiny(MistralConfig(**SMALL, head_dim=16, sliding_window=24), tmp_path)
    asked = [*prompts[:10], *(prompts[0] * 2 + prompt for prompt in prompts[10:20])]
    settings = replace(GREEDY, stop_ids=tuple(range(5, 400, 25)), batch_size=4)
    found = HFEngine(str(folder), settings=settings).generate(asked)
    assert found == generate_alone(folder, asked, settings.stop_ids)
    assert max(len(prompt) + len(one.ids) for prompt, one in zip(asked, found, strict=True)) > 3 * 24


def test_a_model_that_keeps_a_state_is_asked_batch_by_batch(tmp_path: Path, prompts: list[list[int]]) -> None:
    """Its state is of all tokens before: nothing of it can be lent, and no row can come in later."""
    config = Qwen3NextConfig(
        **SMALL,
        head_dim=16,
        layer_types=["linear_attention", "full_attention"],
        linear_num_value_heads=2,
        linear_num_key_heads=2,
        linear_key_head_dim=16,
        linear_value_head_dim=16,
        mlp_only_layers=[0, 1],
    )
    folder = tiny(config, tmp_path)
    settings = replace(GREEDY, stop_ids=tuple(range(5, 400, 25)), batch_size=4)
    found = HFEngine(str(folder), settings=settings).generate(prompts[:10])
    assert found == generate_alone(folder, prompts[:10], settings.stop_ids)


@pytest.mark.parametrize("poison", ["raises", "is no number"])
def test_a_poisonous_prompt_costs_itself_alone(
    model_folder: Path, prompts: list[list[int]], stop_ids: tuple[int, ...], poison: str
) -> None:
    """Token 400 is in no other prompt; its embedding is a NaN, or an id that the model does not have."""
    engine = HFEngine(str(model_folder), settings=replace(GREEDY, stop_ids=stop_ids, batch_size=4))
    bad = [*prompts[5][:30], 400 if poison == "is no number" else 10**6, 300]
    if poison == "is no number":
        with torch.no_grad():
            engine._model.get_input_embeddings().weight[400] = torch.nan
    found = engine.generate([*prompts[:6], bad, *prompts[6:]])
    assert found[6].ids == []
    assert found[6].error is not None
    assert ("numbers" if poison == "is no number" else "IndexError") in found[6].error
    assert [*found[:6], *found[7:]] == generate_alone(model_folder, prompts, stop_ids)


def test_a_batch_that_finds_no_memory_is_asked_one_by_one(
    model_folder: Path, prompts: list[list[int]], stop_ids: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No prompt is lost, whether it was in the batch or about to come in."""
    plain = SlotCache.make_room

    def scarce(cache: SlotCache, **kwargs: int) -> int:
        if cache.end and kwargs["width"]:
            raise torch.OutOfMemoryError("out of memory")
        return plain(cache, **kwargs)

    monkeypatch.setattr(SlotCache, "make_room", scarce)
    settings = replace(GREEDY, stop_ids=stop_ids, batch_size=4)
    found = HFEngine(str(model_folder), settings=settings).generate(prompts[:10])
    assert found == generate_alone(model_folder, prompts[:10], stop_ids)


def test_a_model_that_answers_nothing_is_the_environments_fault(
    model_folder: Path, prompts: list[list[int]]
) -> None:
    engine = HFEngine(str(model_folder), settings=GREEDY)
    with torch.no_grad():
        engine._model.get_output_embeddings().weight[:] = torch.nan
    with pytest.raises(EnvironmentFailure, match=r"fails at any prompt \(its logits are no numbers\)"):
        engine.generate(prompts[:3])


def test_a_model_on_several_devices_answers_as_on_one(
    model_folder: Path,
    prompts: list[list[int]],
    stop_ids: tuple[int, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There is one device here, so the second layer is fetched from disk whenever it works: accelerate's
    hooks are those that move between GPUs, and the loop, its cache and the rows that leave are the same.
    """
    settings = replace(GREEDY, stop_ids=stop_ids)
    wanted = HFEngine(str(model_folder), settings=settings).generate(prompts)
    places = hf.device_map(str(model_folder), devices=("cpu", "disk"))
    assert [name for name, place in places.items() if place == "disk"] == ["model.layers.1"]
    monkeypatch.setattr(hf, "device_map", lambda path, devices: places)
    engine = HFEngine(str(model_folder), settings=settings, place=Place(("cpu", "cpu")))
    assert hasattr(engine._model.model.layers[1], "_hf_hook"), "accelerate lays the layer elsewhere"
    assert engine.generate(prompts) == wanted


def test_the_limit_and_the_stop_token_are_kept_apart(model_folder: Path, prompts: list[list[int]]) -> None:
    endless = HFEngine(str(model_folder), settings=replace(GREEDY, max_new_tokens=3)).generate(prompts[:4])
    first = endless[0].ids[0]
    stopping = HFEngine(str(model_folder), settings=replace(GREEDY, stop_ids=(first,))).generate(prompts[:1])
    assert stopping == [Generation([], True)]
    assert all(len(one.ids) <= 3 and (one.stopped or len(one.ids) == 3) for one in endless)


def test_sampling_depends_on_seed_and_prompt_not_on_neighbours(
    model_folder: Path, prompts: list[list[int]]
) -> None:
    settings = replace(GREEDY, temperature=1.5, max_new_tokens=8)
    engine = HFEngine(str(model_folder), settings=settings)
    together = engine.generate(prompts[:6])
    assert engine.generate(prompts[3:6]) == together[3:]
    other_seed = HFEngine(str(model_folder), settings=replace(settings, seed=1)).generate(prompts[:6])
    assert other_seed != together
    greedy = HFEngine(str(model_folder), settings=replace(settings, temperature=0.0)).generate(prompts[:6])
    assert greedy != together


def test_a_missing_weight_is_refused(model_folder: Path, tmp_path: Path) -> None:
    for path in model_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(model_folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ArtifactError, match=r"1 weights .* first model\.layers\.1\.mlp\.up_proj\.weight"):
        HFEngine(str(tmp_path), settings=GREEDY)
