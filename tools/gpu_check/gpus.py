"""Which GPUs torch sees here, as one JSON object: python -m tools.gpu_check.gpus. Loads nothing but torch."""

import json
from typing import Any

import torch
from torch.cuda import nccl


def machine() -> dict[str, Any]:
    """Builds, and each GPU's name, memory in bytes and compute capability."""
    gpus = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return {
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "nccl": ".".join(map(str, nccl.version())) if gpus else None,
        "gpus": [
            {"name": gpu.name, "bytes": gpu.total_memory, "capability": [gpu.major, gpu.minor]}
            for gpu in gpus
        ],
    }


if __name__ == "__main__":
    print(json.dumps(machine()))
