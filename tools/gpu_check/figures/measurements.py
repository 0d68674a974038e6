"""What is measured, in which order, at which sizes: pure, from the number of ranks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.gpu_check.figures.switches import switches

LORA: Mapping[str, Any] = {"lora": {}}  # the defaults: rank 16 on every layer but the head
MIN_RANKS_FULL_8B = 4  # 16 bytes a parameter: 129 GB of states, besides what a step takes


@dataclass(frozen=True)
class Shape:
    """A decoder of Llama's architecture, whose weights are random."""

    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    intermediate_size: int
    vocab_size: int
    tie_embeddings: bool = False

    def config(self, *, max_tokens: int) -> dict[str, Any]:
        """The content of its config.json."""
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": self.hidden_size,
            "num_hidden_layers": self.num_layers,
            "num_attention_heads": self.num_heads,
            "num_key_value_heads": self.num_kv_heads,
            "intermediate_size": self.intermediate_size,
            "vocab_size": self.vocab_size,
            "tie_word_embeddings": self.tie_embeddings,
            "max_position_embeddings": max_tokens,
        }


@dataclass(frozen=True)
class Measurement:
    """One thing to measure, by ranks that are started for it alone.

    Attributes:
        part: whose share of the time it uses.
        act: which function of rank.py measures.
        micro_batch_size, packs_per_rank: packs of `seq_len` tokens, in a forward and in a step.
        num_steps: timed, at most, after NUM_WARM_UP others.
        settings: of the section `train`, besides those.
        min_ranks: what it takes.
        beside: the measurement that its figures are held against.
        published: tokens/s/GPU that others report for the like.
    """

    part: str
    name: str
    act: str
    shape: Shape
    seq_len: int
    micro_batch_size: int
    packs_per_rank: int
    num_steps: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    min_ranks: int = 1
    beside: str | None = None
    published: float | None = None


@dataclass(frozen=True)
class Sizes:
    """How large: of the exact comparisons, of the switches, of the two models whose speed is told; and what
    others publish for the like, in tokens/s/GPU.
    """

    exact: dict[str, Any]
    switches: dict[str, Any]
    one_b: dict[str, Any]
    eight_b: dict[str, Any]
    published: Mapping[str, float] = field(default_factory=dict)


# Tokens/s/GPU in bf16 on H100s, published by others: LoRA of an 8B model, and all its weights on eight GPUs.
PUBLISHED = {"LoRA 8B": 12_473.0, "full 8B": 8_500.0}
# 8,192 tokens in a forward.
REAL = Sizes(
    exact={
        "shape": Shape(256, 4, 4, 2, 704, 4096),
        "seq_len": 512,
        "micro_batch_size": 1,
        "packs_per_rank": 2,
        "num_steps": 4,
    },
    switches={
        "shape": Shape(1024, 8, 16, 8, 2816, 32_000),
        "seq_len": 2048,
        "micro_batch_size": 4,
        "packs_per_rank": 8,
        "num_steps": 5,
    },
    one_b={
        "shape": Shape(2048, 16, 32, 8, 8192, 128_256, tie_embeddings=True),
        "seq_len": 2048,
        "micro_batch_size": 4,
        "packs_per_rank": 16,
        "num_steps": 20,
    },
    eight_b={
        "shape": Shape(4096, 32, 32, 8, 14_336, 128_256),
        "seq_len": 2048,
        "micro_batch_size": 4,
        "packs_per_rank": 16,
        "num_steps": 20,
    },
    published=PUBLISHED,
)
_TINY: dict[str, Any] = {
    "shape": Shape(64, 2, 4, 2, 128, 512),
    "seq_len": 512,
    "micro_batch_size": 1,
    "packs_per_rank": 2,
    "num_steps": 2,
}
TINY = Sizes(_TINY, _TINY, _TINY, _TINY)


def measurements(sizes: Sizes) -> Iterator[Measurement]:
    """All of them, what matters most first: what is cut for lack of time is at the end."""
    for name, settings in (
        ("gradient fp32", {"precision": "fp32"}),
        ("gradient bf16", {"precision": "bf16"}),
        ("packed = alone", {}),
        ("resume", {}),
    ):
        yield Measurement("exact", name, name.split()[0], **sizes.exact, settings=settings)
    yield Measurement(
        "LoRA 8B",
        "LoRA 8B",
        "speed",
        **sizes.eight_b,
        settings=LORA,
        published=sizes.published.get("LoRA 8B"),
    )
    yield Measurement(
        "plain LoRA 8B", "plain LoRA 8B", "plain", **sizes.eight_b, settings=LORA, beside="LoRA 8B"
    )
    yield Measurement("full 1B", "full 1B", "speed_and_resume", **sizes.one_b)
    yield Measurement("plain full 1B", "plain full 1B", "plain", **sizes.one_b, beside="full 1B")
    yield Measurement(
        "full 8B",
        "full 8B",
        "speed",
        **sizes.eight_b,
        min_ranks=MIN_RANKS_FULL_8B,
        published=sizes.published.get("full 8B"),
    )
    base = "switches: defaults"
    yield Measurement("switches", base, "speed", **sizes.switches)
    for switch in switches():
        yield Measurement(
            "switches",
            f"switches: {switch.name}",
            "speed",
            **sizes.switches,
            settings=switch.settings,
            min_ranks=switch.min_ranks,
            beside=base,
        )


# Of the time, what each part may use; what a part leaves goes to those after it.
SHARES = {
    "exact": 3.0,
    "LoRA 8B": 4.0,
    "plain LoRA 8B": 3.0,
    "full 1B": 4.0,
    "plain full 1B": 2.0,
    "full 8B": 4.0,
    "switches": 9.0,
}


def share_s(part: str, *, left_s: float, parts_left: Sequence[str]) -> float:
    """Seconds that a part may use of those that are left, `parts_left` being it and those after it."""
    return left_s * SHARES[part] / sum(SHARES[one] for one in parts_left)
