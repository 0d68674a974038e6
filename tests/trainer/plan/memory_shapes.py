"""Trainings small enough for a test, in each of which another part of the memory weighs most."""

from typing import Any

SIZES = {
    "vocab_size": 600,
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
}
BUCKET = 200_000  # elements; the default would outweigh all else


def shape(
    world_size: int,
    seq_len: int,
    *,
    architecture: str = "LlamaConfig",
    sizes: dict[str, Any] | None = None,
    zero: dict[str, Any] | None = None,
    offload: tuple[str, ...] = (),
    **train: Any,
) -> dict[str, Any]:
    """A shape as measured_memory.measure takes it."""
    return {
        "world_size": world_size,
        "seq_len": seq_len,
        "architecture": architecture,
        "sizes": SIZES | (sizes or {}),
        "offload": list(offload),
        "train": {"zero": {"reduce_bucket_size": BUCKET} | (zero or {})} | train,
    }


WIDE = {"hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 2, "head_dim": 96}
DEEP = {"num_hidden_layers": 8}
VOCAB = {"vocab_size": 6000, "num_hidden_layers": 2}
OFFLOAD = ("offload_optimizer", "offload_param")
SHAPES: dict[str, dict[str, Any]] = {
    "states": shape(1, 64, sizes=WIDE),
    "states over ranks, bf16": shape(2, 64, sizes=WIDE, precision="bf16"),
    "hpZ": shape(2, 64, sizes=WIDE, precision="bf16", zero={"hpz_partition_size": 2}),
    "offload": shape(2, 64, sizes=WIDE, precision="bf16", offload=OFFLOAD),
    "few live parameters": shape(
        2, 64, sizes=WIDE, zero={"max_live_parameters": 1, "prefetch_bucket_size": 0}
    ),
    "adapters": shape(2, 64, sizes=WIDE, lora={"rank": 8}),
    "activations": shape(2, 768, sizes=DEEP),
    "activations, bf16": shape(1, 768, sizes=DEEP, precision="bf16", architecture="Qwen3Config"),
    "sequence parallelism": shape(2, 768, sizes=DEEP, sequence_parallel_size=2),
    "recomputation": shape(2, 768, sizes=DEEP, activation_checkpointing=True),
    "selective recomputation": shape(2, 768, sizes=DEEP, activation_checkpointing="selective"),
    "logits": shape(1, 512, sizes=VOCAB),
    "logits in chunks": shape(1, 512, sizes=VOCAB, max_logits_mb=2),
    "attention scores": shape(1, 512, architecture="Gemma2Config", sizes={"num_hidden_layers": 2}),
    "attention masks": shape(
        1, 768, architecture="Gemma3TextConfig", sizes={"num_hidden_layers": 2, "sliding_window": 32}
    ),
    "two packs": shape(1, 256, micro_batch_size=2),
}
