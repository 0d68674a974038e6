"""What probes of safety get in tests: held-out samples, a data stage with packs, and answers."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from transformers import PreTrainedTokenizerFast

from eval.config import EvalConfig
from eval.probes import Material
from eval.samples.samples import Sample
from eval.scores.metric import Answer, Reference
from hunmin.artifact import commit, files_below
from hunmin.schema import PACKS, PackMetadata
from hunmin.shards import write_shard


def heldout_sample(number: int, question: str, right: str, *, language: str = "ko") -> Sample:
    name = f"src:a.json:{number}.0"
    return Sample(
        sample_id=f"{name}/0",
        row_id=name,
        family_id=name,
        turn=0,
        task="chat",
        wording_id=None,
        messages=[{"role": "user", "content": question}],
        tools=None,
        question=question,
        text=question,
        reference=Reference([right], language, None),
    )


def write_data(folder: Path, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> None:
    """A finished data stage of one train shard, a pack for each text."""
    tokenizer.save_pretrained(folder / "tokenizer")
    packs = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    columns = {
        "input_ids": packs,
        "labels": [[-100, *ids[1:]] for ids in packs],
        "seq_lengths": [[len(ids)] for ids in packs],
        "rows": [[index] for index in range(len(packs))],
        "tasks": [[0]] * len(packs),
    }
    metadata = PackMetadata(
        schema_version=1, split="train", epoch=0, seq_len=4096, tasks=["chat"], tokenizer_sha256="",
        template_sha256="",
    )  # fmt: skip
    (folder / "train").mkdir(parents=True, exist_ok=True)
    write_shard(folder / "train" / "shard-00000.arrow", pa.table(columns, schema=PACKS), metadata)
    (folder / "stats.json").write_text(json.dumps({}))
    commit(
        folder, stage="data", stage_version=1, parents={}, config_sha256="", content_sha256="", counts={},
        files=files_below(folder), seconds=0,
    )  # fmt: skip


def material(
    samples: Sequence[Sample] = (), *, data_dir: Path = Path("absent"), safety: int = 24, **config: object
) -> Material:
    values = {"bootstrap_samples": 200, "safety": safety, **config}
    return Material(EvalConfig.model_validate(values), 3, data_dir, {}, {}, samples, [])


def answered(
    samples: Sequence[Sample],
    *,
    base: Callable[[Sample], str] = lambda sample: "네.",
    tuned: Callable[[Sample], str] = lambda sample: "네.",
) -> Mapping[str, Mapping[str, Answer]]:
    """What both systems say, by what they say to a sample."""
    return {
        system: {sample.sample_id: Answer(say(sample), 1, True) for sample in samples}
        for system, say in (("base", base), ("tuned", tuned))
    }
