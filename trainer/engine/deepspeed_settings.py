"""DeepSpeed's configuration, derived from ours: each number stands in one place. `hunmin plan` prints it."""

from typing import Any

import torch

from trainer.config import TrainConfig

NEVER = int(1e12)  # steps between two lines that DeepSpeed prints itself


def deepspeed_settings(
    config: TrainConfig,
    *,
    accum_steps: int,
    device_type: str,
    dtype: torch.dtype,
    hidden_size: int,
) -> dict[str, Any]:
    """What `deepspeed.initialize` is given (https://www.deepspeed.ai/docs/config-json).

    bf16 keeps master weights and accumulates gradients in fp32. Overlap and offload say nothing to a CPU and
    are left out there.

    Args:
        hidden_size: of the model, by which sizes go where the config is silent.
    """
    zero, on_gpu = config.zero, device_type == "cuda"
    sizes = zero.sizes(hidden_size)
    settings: dict[str, Any] = {
        "train_micro_batch_size_per_gpu": config.packs_at_once,
        "gradient_accumulation_steps": accum_steps,
        "gradient_clipping": config.max_grad_norm,
        "zero_allow_untested_optimizer": True,
        # With offload, DeepSpeed would refuse every AdamW but its own, which is compiled on the machine.
        "zero_force_ds_cpu_optimizer": False,
        "zero_optimization": {
            "stage": 3,
            "overlap_comm": zero.overlap_comm and on_gpu,
            "stage3_param_persistence_threshold": sizes.param_persistence_threshold,
            "stage3_max_live_parameters": zero.max_live_parameters,
            "stage3_max_reuse_distance": zero.max_live_parameters,
            "stage3_prefetch_bucket_size": sizes.prefetch_bucket_size,
            "reduce_bucket_size": sizes.reduce_bucket_size,
            "sub_group_size": zero.sub_group_size,
            "zero_hpz_partition_size": zero.hpz_partition_size,
        },
        "bf16": {"enabled": dtype == torch.bfloat16},
        "steps_per_print": NEVER,
    }
    if dtype == torch.bfloat16:
        settings |= {
            "data_types": {"grad_accum_dtype": "fp32"},
            "communication_data_type": zero.reduce_dtype,
        }
    for part, wanted in (
        ("offload_optimizer", zero.offload_optimizer),
        ("offload_param", zero.offload_param),
    ):
        if wanted and on_gpu:
            settings["zero_optimization"][part] = {"device": "cpu", "pin_memory": True}
    return settings
