"""What every step of one build needs, and what a worker process loads once."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data_pipeline.augment.few_shot import ExamplePool
from data_pipeline.build.schemas import ATTESTS
from data_pipeline.config import DataConfig
from data_pipeline.tasks.tasks import Task
from data_pipeline.workers.each_item import ALONE, Workers
from hunmin.models.fast_ids import FastIdsDiffer
from hunmin.models.renderer import Renderer
from hunmin.models.tokenizer import byte_tokens, load_tokenizer
from hunmin.progress import say
from hunmin.rows import Row
from hunmin.schema import ROW

FEW_SHOT = "few_shot.parquet"
EXAMPLES = pa.schema([*ROW, ("split", pa.string()), ATTESTS])


@dataclass(frozen=True)
class BuildContext:
    """One build of `data/`; travels to the workers."""

    config: DataConfig
    tasks: dict[str, Task]  # by name
    seed: int
    base: Path  # the config file's folder, which relative paths start from
    out_dir: Path
    workers: Workers = ALONE

    @property
    def renderer(self) -> Renderer:
        """The renderer of this build's tokenizer."""
        return _renderer(self._tokenizer_dir, self.config.fast_tokenizer)

    @property
    def byte_tokens(self) -> np.ndarray:
        """Which ids are pieces of characters: bool, (vocab_size,)."""
        return _byte_tokens(self._tokenizer_dir)

    @cached_property
    def _tokenizer_dir(self) -> Path:  # made once: each row asks for its renderer
        return self.out_dir / "tokenizer"

    @cached_property
    def examples(self) -> ExamplePool | None:
        """The rows that few-shot prompts draw from; None where none are drawn."""
        if not self.config.augment.few_shot:
            return None
        rows: list[Row] = pq.read_table(self.out_dir / FEW_SHOT).to_pylist()
        return ExamplePool.from_rows(rows)


@lru_cache(maxsize=1)
def _renderer(folder: Path, fast: bool) -> Renderer:
    renderer = Renderer(load_tokenizer(folder))  # loading takes as long as a thousand rows
    if fast:
        try:
            renderer.encode_fast()
        except FastIdsDiffer as error:
            say(f"data: data.fast_tokenizer is not used, gigatoken is not exact here: {error}")
    return renderer


@lru_cache(maxsize=1)
def _byte_tokens(folder: Path) -> np.ndarray:
    return byte_tokens(load_tokenizer(folder))
