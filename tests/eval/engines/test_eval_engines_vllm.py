"""Which engine answers, and what goes into vLLM and comes out: the parts that need no vLLM."""

import importlib.util
from dataclasses import replace

import pytest
import torch

from eval.answering.choice import capability, choose_engine, installed, precision, versions
from eval.answering.pool import actors_at_work
from eval.answering.room import NO_GPUS, Gpus
from eval.engines import Generation, GenerationSettings, Place, all_stop_ids, prompt_seed
from eval.engines.vllm import load_arguments, sampling_arguments, to_generation
from hunmin.errors import InputError
from tools.gpu_check.measure_vllm import MAX_TIE, judge

SETTINGS = GenerationSettings(
    max_new_tokens=40, temperature=0.0, seed=7, stop_ids=(2, 9), num_threads=1, engine="vllm"
)


@pytest.mark.parametrize(
    ("asked", "num_gpus", "with_vllm", "lowest", "wanted"),
    [
        ("auto", 0, False, None, "hf"),
        ("auto", 0, True, None, "hf"),  # on a CPU ours is the reference
        ("auto", 2, False, (9, 0), "hf"),
        ("auto", 2, True, (8, 0), "vllm"),
        ("hf", 2, True, (9, 0), "hf"),
        ("vllm", 0, True, None, "vllm"),
        ("vllm", 1, True, (7, 5), "vllm"),  # asked for by name
    ],
)
def test_the_engine_is_chosen_by_what_is_here(
    asked: str,
    num_gpus: int,
    with_vllm: bool,
    lowest: tuple[int, int] | None,
    wanted: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert (
        choose_engine(
            asked, num_gpus=num_gpus, available=["hf", "vllm"] if with_vllm else ["hf"], lowest=lowest
        )
        == wanted
    )
    assert not capsys.readouterr().out


@pytest.mark.parametrize(("lowest", "has"), [((7, 5), "theirs is 7.5"), (None, "is not known here")])
def test_auto_takes_vllm_only_where_it_can_run_and_says_so(
    lowest: tuple[int, int] | None, has: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert choose_engine("auto", num_gpus=1, available=["hf", "vllm"], lowest=lowest) == "hf"
    said = capsys.readouterr().out
    assert "engine hf, though vllm is installed" in said
    assert has in said


def test_the_lowest_gpu_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: [(9, 0), (7, 5)][index])
    assert capability() == (7, 5)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert capability() is None


def test_vllm_asked_for_and_absent_is_one_clear_error() -> None:
    with pytest.raises(InputError, match=r"eval\.engine: vllm, but the package vllm is not installed"):
        choose_engine("vllm", num_gpus=2, available=["hf"])
    assert ("vllm" in installed()) == (importlib.util.find_spec("vllm") is not None)


def test_what_computed_is_recorded() -> None:
    assert (precision(0), precision(4)) == ("float32", "bfloat16")
    assert set(versions("hf")) == {"transformers", "torch"}


def test_greedy_asks_for_no_seed_and_stops_at_our_tokens_only() -> None:
    asked = sampling_arguments([5, 6], SETTINGS, stop_ids={9, 2, 3})
    assert asked == {
        "max_tokens": 40,
        "temperature": 0.0,
        "top_p": 1.0,
        "top_k": 0,
        "seed": None,
        "stop_token_ids": [2, 3, 9],
        "ignore_eos": True,
        "detokenize": False,
    }


def test_a_sampled_prompt_has_a_seed_of_its_own_from_the_whole_distribution() -> None:
    warm = replace(SETTINGS, temperature=0.7)
    first, second = (sampling_arguments(prompt, warm, stop_ids={2}) for prompt in ([5, 6], [5, 7]))
    assert first["seed"] == prompt_seed(7, [5, 6]) != second["seed"]
    assert 0 <= first["seed"] < 2**63  # vLLM's seeds are int64
    assert (first["top_p"], first["top_k"], first["temperature"]) == (1.0, 0, 0.7)


def test_the_model_is_loaded_in_the_recorded_precision_and_shares_nothing() -> None:
    asked = load_arguments("folder", SETTINGS, place=Place())
    assert asked["dtype"] == "float32"
    assert asked["skip_tokenizer_init"] is True
    assert asked["trust_remote_code"] is False
    assert asked["enable_prefix_caching"] is False
    assert "gpu_memory_utilization" not in asked
    one = load_arguments("folder", replace(SETTINGS, dtype="bfloat16"), place=Place(("cuda:0",)))
    assert one["dtype"] == "bfloat16"
    assert 0 < one["gpu_memory_utilization"] < 1
    assert (one["tensor_parallel_size"], "distributed_executor_backend" in one) == (1, False)
    four = load_arguments("folder", SETTINGS, place=Place(tuple(f"cuda:{index}" for index in range(4))))
    assert (four["tensor_parallel_size"], four["distributed_executor_backend"]) == (4, "mp")


@pytest.mark.parametrize(
    ("ids", "finish_reason", "wanted"),
    [
        ([4, 5, 2], "stop", Generation([4, 5], True)),
        ([2], "stop", Generation([], True)),
        ([4, 5, 6], "length", Generation([4, 5, 6], False)),
        ([], "length", Generation([], False)),
    ],
)
def test_the_token_that_ends_an_answer_is_not_in_it(
    ids: list[int], finish_reason: str, wanted: Generation
) -> None:
    assert to_generation(ids, finish_reason, stop_ids={2, 9}) == wanted


@pytest.mark.parametrize(("own", "wanted"), [(None, {2, 9}), (3, {2, 3, 9}), ([3, 9], {2, 3, 9})])
def test_the_models_own_end_tokens_count_too(own: int | list[int] | None, wanted: set[int]) -> None:
    assert all_stop_ids((2, 9), own) == wanted


@pytest.mark.parametrize(
    ("wanted", "num_groups", "gpus", "gpus_per_model", "engine", "actors"),
    [
        (None, 100, NO_GPUS, 0, "hf", 2),
        (4, 100, NO_GPUS, 0, "hf", 4),
        (4, 3, NO_GPUS, 0, "hf", 3),
        (4, 100, NO_GPUS, 0, "vllm", 1),  # it takes a CPU's cores for itself
        (None, 100, Gpus((8, 8)), 1, "hf", 16),  # what the cluster has
        (None, 100, Gpus((8, 8)), 4, "vllm", 4),
        (None, 100, Gpus((3, 2)), 2, "hf", 2),  # one GPU of the first node is left over
        (2, 100, Gpus((8,)), 1, "hf", 2),
        (4, 100, Gpus((2,)), 1, "hf", 2),  # a GPU is not shared
        (4, 1, Gpus((8,)), 1, "vllm", 1),
    ],
)
def test_as_many_actors_as_there_is_room_for(
    wanted: int | None, num_groups: int, gpus: Gpus, gpus_per_model: int, engine: str, actors: int
) -> None:
    found = actors_at_work(wanted, num_groups, gpus=gpus, gpus_per_model=gpus_per_model, engine=engine)
    assert found == actors


@pytest.mark.parametrize(
    ("equal", "gap", "state"), [(32, 0.0, "pass"), (31, MAX_TIE / 2, "pass"), (31, 0.5, "FAIL")]
)
def test_answers_may_part_at_a_tie_only(equal: int, gap: float, state: str) -> None:
    assert judge({"answers": 32, "equal": equal, "largest_gap": gap}).state == state
