"""Our decode loop says exactly what transformers' generate says."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedTokenizerFast

from eval.engines import Generation, GenerationSettings, Place, hf
from eval.engines._kv_cache import ROOM_TOKENS, make_cache
from eval.engines.hf import HFEngine
from hunmin.errors import ArtifactError

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


def test_the_cache_holds_what_the_dynamic_cache_holds(model_folder: Path) -> None:
    config = AutoModelForCausalLM.from_pretrained(model_folder).config
    mine, theirs = make_cache(config), DynamicCache(config=config)
    generator = torch.Generator().manual_seed(0)
    for step, length in enumerate((7, *([1] * (ROOM_TOKENS + 3)), 2)):
        rows = 4 if step < 50 else 2
        states = torch.randn(2, rows, 1, length, 16, generator=generator)
        if step == 50:
            keep = torch.tensor([2, 0])
            mine.batch_select_indices(keep)
            theirs.batch_select_indices(keep)
        for found, expected in zip(
            mine.update(states[0], states[1], 0), theirs.update(states[0], states[1], 0), strict=True
        ):
            assert torch.equal(found, expected)
        assert mine.get_seq_length() == theirs.get_seq_length()


def test_a_missing_weight_is_refused(model_folder: Path, tmp_path: Path) -> None:
    for path in model_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(model_folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ArtifactError, match=r"1 weights .* first model\.layers\.1\.mlp\.up_proj\.weight"):
        HFEngine(str(tmp_path), settings=GREEDY)
