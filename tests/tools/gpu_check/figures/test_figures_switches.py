"""The switches are read from the config: a new one is measured without a change of the script."""

from typing import Literal

import pytest
from pydantic import Field, ValidationError

from hunmin.section import Section
from tools.gpu_check.figures.switches import NO_SWITCHES, NUMBERS, Switch, switches
from trainer.config import TrainConfig


class Kernels(Section):
    """A section that is always there."""

    fused_norm: bool = False
    num_threads: int = 1


class Adapters(Section):
    """One that may be absent."""

    rank: int = 4


class Config(Section):
    """One of each kind."""

    recompute: Literal["none", "selective", "all"] = "none"
    attention: Literal["auto", "flash", "sdpa"] = "auto"
    compiled: bool | None = None
    deterministic: bool = True
    name: str = "run"
    kernels: Kernels = Field(default_factory=Kernels)
    adapters: Adapters | None = None


def test_every_other_value_of_every_kind_of_switch_is_found() -> None:
    assert switches(Config) == [
        Switch("recompute=selective", {"recompute": "selective"}),
        Switch("recompute=all", {"recompute": "all"}),
        Switch("attention=flash", {"attention": "flash"}),
        Switch("attention=sdpa", {"attention": "sdpa"}),
        Switch("compiled=true", {"compiled": True}),
        Switch("compiled=false", {"compiled": False}),
        Switch("deterministic=false", {"deterministic": False}),
        Switch("kernels.fused_norm=true", {"kernels": {"fused_norm": True}}),
        Switch("adapters", {"adapters": {}}),
    ]


def test_the_trainers_switches_are_settings_that_it_takes() -> None:
    found = switches()
    for switch in found:
        assert TrainConfig.model_validate(switch.settings) != TrainConfig.model_validate({}), switch.name
    names = {switch.name.split("=")[0] for switch in found}
    assert {"precision", "lora", "max_logits_mb", "zero.offload_param", "zero.hpz_partition_size"} <= names
    assert len(found) == len({switch.name for switch in found})


def test_what_takes_two_ranks_says_so() -> None:
    wanted = {switch.name: switch.min_ranks for switch in switches() if switch.min_ranks > 1}
    assert wanted == {"sequence_parallel_size=2": 2, "zero.hpz_partition_size=2": 2}


@pytest.mark.parametrize("name", [*NUMBERS, *sorted(NO_SWITCHES)])
def test_the_declared_names_are_of_the_config(name: str) -> None:
    """A field that was renamed would be left out, or in, in silence."""
    at: dict[str, object] = {}
    inner = at
    *sections, key = name.split(".")
    for section in sections:
        inner[section] = inner = {}
    inner[key] = object()
    with pytest.raises(ValidationError) as refused:
        TrainConfig.model_validate(at)
    assert "extra_forbidden" not in {error["type"] for error in refused.value.errors()}
