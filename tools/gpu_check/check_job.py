"""A tiny job for checks of a machine: a model from scratch and random packs, the same on every machine."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from data_pipeline.packing.tokenizer_training import train_tokenizer
from hunmin.models.config import ModelConfig
from hunmin.schema import IGNORE_INDEX, PACKS
from hunmin.shards import shard_name, write_shard
from hunmin.stage import Inputs
from trainer.config import STAGE_VERSION, TrainConfig
from trainer.job import Job

NUM_STEPS = 8
CORPUS = ["한 사람이 길을 걷다가 작은 책방에 들렀다.", "A small shop stood at the end of the street."] * 30
SMALL = {"hidden_size": 256, "num_layers": 4, "num_heads": 4, "vocab_size": 512}
LARGE = {"hidden_size": 1024, "num_layers": 16, "num_heads": 16, "vocab_size": 512}


def make_job(folder: Path, *, sizes: dict[str, Any], seq_len: int, global_batch_size: int) -> Job:
    """The job in a folder; its data are written where they are not there yet."""
    data = folder / "data"
    if not data.exists():
        tokenizer = train_tokenizer(CORPUS, vocab_size=512)
        _write_packs(data / "train", num_ids=len(tokenizer), seq_len=seq_len, num_packs=4 * global_batch_size)
        _write_packs(data / "val", num_ids=len(tokenizer), seq_len=seq_len, num_packs=1)
        tokenizer.save_pretrained(data / "tokenizer")
    return Job(
        config=TrainConfig.model_validate(
            {
                "global_batch_size": global_batch_size,
                "num_steps": NUM_STEPS,
                "learning_rate": 1e-3,
                "tensorboard": False,
            }
        ),
        model=ModelConfig.model_validate({"from_scratch": sizes}),
        seed=0,
        data_dir=data,
        out_dir=folder / "train",
        inputs=Inputs(STAGE_VERSION, {}, "check"),
    )


def _write_packs(folder: Path, *, num_ids: int, seq_len: int, num_packs: int) -> None:
    """Full packs of segments of very uneven lengths; the second half of each segment is trained."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(num_packs):
        cuts = np.sort(rng.choice(np.arange(4, seq_len - 4), size=3, replace=False))
        lengths = np.diff([0, *cuts, seq_len])
        ids = rng.integers(0, num_ids, seq_len)
        within = np.arange(seq_len) - np.repeat([0, *cuts], lengths)
        labels = np.where(within >= np.repeat(np.maximum(1, lengths // 2), lengths), ids, IGNORE_INDEX)
        rows.append(
            {
                "input_ids": ids.tolist(),
                "labels": labels.tolist(),
                "seq_lengths": lengths.tolist(),
                "rows": list(range(len(lengths))),
                "tasks": [0] * len(lengths),
            }
        )
    folder.mkdir(parents=True)
    metadata: Any = {
        "schema_version": 1,
        "split": folder.name,
        "epoch": 0,
        "seq_len": seq_len,
        "tasks": ["check"],
        "tokenizer_sha256": "check",
        "template_sha256": "check",
    }
    write_shard(folder / shard_name(0), pa.Table.from_pylist(rows, schema=PACKS), metadata)
