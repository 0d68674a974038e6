"""The exported folder: shards under the names of the base's files, and what stands beside the weights."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from family_models import write_family
from rank_helpers import make_tokenizer
from safetensors import safe_open
from transformers import AutoModelForCausalLM

from trainer.export import export as export_module
from trainer.export.export import export
from trainer.model.folder_weights import FolderWeights


@dataclass
class Untrained:
    """A checkpoint that holds the base's own weights."""

    base: FolderWeights
    ranks: dict[str, Any] = field(default_factory=lambda: {"dtype": "float32"})
    shapes: dict[str, tuple[int, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self.shapes = self.base.parameters

    def full(self, name: str) -> torch.Tensor:
        return self.base.read(name, 0, math.prod(self.shapes[name])).reshape(self.shapes[name])


@pytest.mark.parametrize("family", ["mixtral", "gemma3_with_eyes", "glm4_moe"])
def test_shards_hold_every_tensor_of_the_base_and_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    base = write_family(family, tmp_path / "base")
    (base / "preprocessor_config.json").write_text('{"size": 28}')
    make_tokenizer(tmp_path / "tokenizer")
    monkeypatch.setattr(export_module, "MAX_SHARD_BYTES", 40_000)
    export(
        Untrained(FolderWeights(base)),
        base=base,
        tokenizer_dir=tmp_path / "tokenizer",
        stop_ids=[256],
        pad_id=None,
        documents={"README.md": "a card"},
        out=tmp_path / "export",
    )
    files = sorted((tmp_path / "export").glob("*.safetensors"))
    assert len(files) > 1
    weight_map = json.loads((tmp_path / "export/model.safetensors.index.json").read_text())["weight_map"]
    held = {}
    for path in files:
        with safe_open(path, framework="pt") as handle:
            held |= dict.fromkeys(handle.keys(), path.name)
    assert held == weight_map
    assert held.keys() == FolderWeights(base).files.shapes.keys()
    assert json.loads((tmp_path / "export/preprocessor_config.json").read_text()) == {"size": 28}

    found: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "export", output_loading_info=True)
    loaded, info = found
    assert not any(info.values())
    stock: Any = AutoModelForCausalLM.from_pretrained(base)
    ids = torch.arange(20)[None]
    with torch.no_grad():
        assert torch.equal(loaded(ids).logits, stock(ids).logits)
