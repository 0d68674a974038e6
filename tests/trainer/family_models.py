"""A tiny model of each family, with random weights, in files as the hub's models of it have them."""

from pathlib import Path
from typing import Any

import torch
import transformers as tf
from rank_helpers import VOCAB_SIZE

SIZES: dict[str, Any] = {
    "vocab_size": VOCAB_SIZE + 4,  # more embeddings than the tokenizer has tokens
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "eos_token_id": 256,
    "bos_token_id": 256,
    "pad_token_id": 257,
}
PLAIN: dict[str, Any] = {name: size for name, size in SIZES.items() if name != "head_dim"}
SLIDING: dict[str, Any] = {"sliding_window": 7, "layer_types": ["sliding_attention", "full_attention"]}
EXPERTS: dict[str, Any] = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
ROUTED: dict[str, Any] = {
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
    "first_k_dense_replace": 1,  # a layer without experts
    "n_group": 1,
    "topk_group": 1,
}
LINEAR: dict[str, Any] = {f"linear_{name}": 2 for name in ("num_key_heads", "num_value_heads")} | {
    f"linear_{name}": 8 for name in ("key_head_dim", "value_head_dim")
}
ALL_HEADS: dict[str, Any] = {"num_key_value_heads": 4}
SEES: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
# Windows shorter than the rows (up to 48 tokens): a model that sees past them has other gradients.
FAMILIES: dict[str, tf.PreTrainedConfig] = {
    "llama": tf.LlamaConfig(**SIZES, tie_word_embeddings=True),
    "qwen2": tf.Qwen2Config(**PLAIN),
    "qwen3": tf.Qwen3Config(**SIZES, tie_word_embeddings=True),
    "mistral": tf.MistralConfig(**SIZES, sliding_window=7),
    "gemma2": tf.Gemma2Config(**SIZES, sliding_window=7, query_pre_attn_scalar=8),
    "gemma3": tf.Gemma3TextConfig(**SIZES, **SLIDING),
    "gemma3_with_eyes": tf.Gemma3Config(
        text_config=tf.Gemma3TextConfig(**SIZES, **SLIDING),
        vision_config=SEES,
        mm_tokens_per_image=4,
        image_token_index=300,
        boi_token_index=301,
        eoi_token_index=302,
    ),
    "phi3": tf.Phi3Config(**PLAIN),
    "smollm3": tf.SmolLM3Config(**PLAIN),
    "exaone4": tf.Exaone4Config(**SIZES, **SLIDING),
    "gpt_neox": tf.GPTNeoXConfig(**{k: v for k, v in PLAIN.items() if k != "num_key_value_heads"}),
    "mixtral": tf.MixtralConfig(**SIZES, num_local_experts=8),
    "qwen2_moe": tf.Qwen2MoeConfig(**PLAIN, **EXPERTS, shared_expert_intermediate_size=16),
    "qwen3_moe": tf.Qwen3MoeConfig(**SIZES, **EXPERTS),
    "olmoe": tf.OlmoeConfig(**PLAIN, num_experts=8, num_experts_per_tok=2),
    "granitemoe": tf.GraniteMoeConfig(**PLAIN, num_local_experts=8, num_experts_per_tok=2),
    "glm4_moe": tf.Glm4MoeConfig(**SIZES, **ROUTED),
    "deepseek_v3": tf.DeepseekV3Config(
        **PLAIN | ROUTED | ALL_HEADS,
        q_lora_rank=16,
        kv_lora_rank=16,
        qk_rope_head_dim=8,
        qk_nope_head_dim=8,
        v_head_dim=8,
    ),
    "exaone_moe": tf.ExaoneMoeConfig(**SIZES, **EXPERTS),
    "phimoe": tf.PhimoeConfig(**PLAIN, num_local_experts=8),
    "qwen3_next": tf.Qwen3NextConfig(
        **SIZES,
        **EXPERTS,
        **LINEAR,
        shared_expert_intermediate_size=16,
        layer_types=["linear_attention", "full_attention"],
    ),
    "gpt_oss": tf.GptOssConfig(**SIZES, num_local_experts=8, num_experts_per_tok=2),
}


def write_family(name: str, folder: Path, **settings: Any) -> Path:
    """A model of the family whose weights are loud enough to tell a wrong one; `settings` of its config."""
    torch.manual_seed(0)
    config = FAMILIES[name]
    for key, value in settings.items():
        config = type(config).from_dict(config.to_dict() | {key: value})
    model: Any = tf.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(torch.randn_like(tensor), alpha=0.1)
    model.save_pretrained(folder)
    return folder
