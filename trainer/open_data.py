"""The packs of a run as a rank opens them. The first rank reads what all must know, and tells the others."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hunmin.progress import Heartbeat, no_heartbeat, say
from trainer.batches.pack_index import PackIndex, scan
from trainer.batches.packs import PackFolder
from trainer.config import TrainConfig
from trainer.engine.long_work import told_by_first
from trainer.engine.ranks import Rank
from trainer.job import Job, packs_to_ask
from trainer.metrics.sample_answers import Question, choose_questions


class OpenData(NamedTuple):
    """`asked`: indices of the validation packs that each validation asks; `questions`: what is sampled."""

    packs: PackFolder
    val_packs: PackFolder
    asked: np.ndarray
    questions: list[Question]


def open_data(job: Job, me: Rank, *, alive: Heartbeat = no_heartbeat) -> OpenData:
    """Training and validation packs. Collective: files are scanned by the first rank alone.

    Raises:
        ArtifactError: a file is not a packed shard.
    """
    packs, val_packs = (open_split(job.data_dir / split, me, alive=alive) for split in ("train", "val"))

    def choose(alive: Heartbeat) -> bytes:
        asked = packs_to_ask(job, packs, val_packs)
        say_subset(len(asked), num_packs=len(val_packs), config=job.config)
        alive()
        questions = choose_questions(val_packs, job.config.num_samples)
        return json.dumps([asked.tolist(), [asdict(question) for question in questions]]).encode()

    asked, questions = json.loads(told_by_first(me, choose, alive=alive))
    return OpenData(
        packs, val_packs, np.array(asked, np.int64), [Question(**question) for question in questions]
    )


def open_split(folder: Path, me: Rank, *, alive: Heartbeat = no_heartbeat) -> PackFolder:
    """A split's packs; see `open_data`."""

    def index(alive: Heartbeat) -> bytes:
        return scan(folder, alive=alive).to_bytes()

    return PackFolder(folder, PackIndex.from_bytes(told_by_first(me, index, alive=alive)))


def say_subset(num_asked: int, *, num_packs: int, config: TrainConfig) -> None:
    """Tell that not all validation packs are asked, if so."""
    if num_asked < num_packs:
        say(
            f"train: validation asks {num_asked} of {num_packs} packs, some of every task; "
            f"train.val_share is {config.val_share:g}"
        )
