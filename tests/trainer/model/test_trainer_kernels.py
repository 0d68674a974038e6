"""When Liger's kernels are taken, and what is said where they cannot be; the package is a stand-in."""

import importlib.machinery
import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel

from hunmin.errors import ConfigError
from trainer.model.kernels import use_kernels

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def lm() -> PreTrainedModel:
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(LlamaConfig(num_hidden_layers=1))


@pytest.fixture
def liger(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A package that knows Llama and remembers what it was asked."""
    patches: Any = ModuleType("liger_kernel.transformers.monkey_patch")
    patches.MODEL_TYPE_TO_APPLY_LIGER_FN = {"llama": object()}
    patches.asked = []
    patches._apply_liger_kernel_to_instance = lambda model, **how: patches.asked.append((model, how))
    for name in ("liger_kernel", "liger_kernel.transformers"):
        package = ModuleType(name)
        package.__path__ = []
        package.__spec__ = importlib.machinery.ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, package)
    monkeypatch.setitem(sys.modules, patches.__name__, patches)
    return patches


def test_the_kernels_are_taken_where_they_run(liger: Any, lm: PreTrainedModel) -> None:
    for kernels in ("auto", "liger"):
        assert "Liger" in str(use_kernels(lm, kernels, device=CUDA))
    # The loss stays ours.
    assert liger.asked == [(lm, {"cross_entropy": False, "fused_linear_cross_entropy": False})] * 2
    assert use_kernels(lm, "torch", device=CUDA) is None
    assert use_kernels(lm, "auto", device=CPU) is None
    assert len(liger.asked) == 2


def test_a_model_without_kernels_stays_as_it_is_or_is_refused(liger: Any, lm: PreTrainedModel) -> None:
    liger.MODEL_TYPE_TO_APPLY_LIGER_FN.clear()
    assert use_kernels(lm, "auto", device=CUDA) is None
    with pytest.raises(
        ConfigError, match=r"train.kernels: .* no kernels for models of type llama; take auto"
    ):
        use_kernels(lm, "liger", device=CUDA)


@pytest.mark.parametrize(("device", "why"), [(CPU, "no GPU"), (CUDA, "pip install liger-kernel")])
def test_without_a_gpu_or_the_package(lm: PreTrainedModel, device: torch.device, why: str) -> None:
    assert use_kernels(lm, "auto", device=device) is None
    with pytest.raises(ConfigError, match=why):
        use_kernels(lm, "liger", device=device)
