"""Real ranks for tests: spawned processes, gloo, a file store, no ports. And data small enough for them."""

import multiprocessing as mp
import os
import pickle
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from hunmin.artifact import commit, files_below
from hunmin.schema import IGNORE_INDEX, PACKS, WEIGHTED_PACKS
from hunmin.shards import shard_name, write_shard

CHAT_TEMPLATE = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ m['content'] + eos_token }}"
    "{% else %}{{ '<u>' + m['content'] + '<a>' }}{% endif %}{% endfor %}"
)
VOCAB_SIZE = 300


def run_ranks(fn: Callable[..., Any], world_size: int, *args: Any, timeout_s: float = 240) -> list[Any]:
    """Run fn(*args) on `world_size` ranks that have met; return what each returned, raise what one raised.

    fn must be importable (a module's top level): ranks are forked from a server that has imported the trainer
    and done nothing else, not from this process. Importing it costs a rank 10 s.
    """
    context = mp.get_context("forkserver")
    context.set_forkserver_preload(["trainer.loop"])
    with tempfile.TemporaryDirectory() as folder:
        processes = [
            context.Process(target=_rank, args=(fn, args, rank, world_size, folder))
            for rank in range(world_size)
        ]
        for process in processes:
            process.start()
        results: list[Any] = []
        for rank, process in enumerate(processes):
            process.join(timeout_s)
            alive = process.is_alive()
            if alive or process.exitcode:
                for other in processes:
                    other.kill()
                    other.join()
            out = Path(folder) / f"out-{rank}"
            reported = out.exists()
            assert reported, f"rank {rank} {'hung' if alive else f'died with {process.exitcode}'}"
            result, text = pickle.loads(out.read_bytes())
            assert text is None, f"rank {rank}:\n{text}"
            results.append(result)
        return results


def _rank(fn: Callable[..., Any], args: Sequence[Any], rank: int, world_size: int, folder: str) -> None:
    import torch.distributed as dist

    os.environ.update(
        RANK=str(rank),
        WORLD_SIZE=str(world_size),
        LOCAL_RANK=str(rank),
        MASTER_ADDR="unused",
        MASTER_PORT="0",
    )
    torch.set_num_threads(1)
    result, text = None, None
    try:
        dist.init_process_group(
            "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world_size
        )
        result = fn(*args)
        dist.barrier()
    except BaseException:
        text = traceback.format_exc()
    (Path(folder) / f"out-{rank}").write_bytes(pickle.dumps((result, text)))
    os._exit(0 if text is None else 1)


def make_tokenizer(folder: Path, *, vocab_size: int = VOCAB_SIZE) -> PreTrainedTokenizerFast:
    """256 bytes and special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: index for index, token in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    spare = [f"<x{i}>" for i in range(vocab_size - 256 - 4)]
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<pad>")
    fast.add_special_tokens({"additional_special_tokens": ["<u>", "<a>", *spare]})
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)
    return fast


def make_packs(
    num_packs: int,
    *,
    seq_len: int,
    seed: int,
    num_tasks: int = 2,
    num_ids: int = VOCAB_SIZE,
    weights: Sequence[float] = (),
) -> pa.Table:
    """Packs of random ids with very uneven masks: some segments all answer, some almost none. Where there
    are weights, each segment has one of them.
    """
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for _ in range(num_packs):
        lengths: list[int] = []
        while (room := seq_len - sum(lengths)) >= 4:
            lengths.append(int(rng.integers(4, max(5, min(room, seq_len // 2) + 1))))
        ids = rng.integers(0, num_ids, sum(lengths))
        labels = ids.copy()
        start = 0
        for length in lengths:
            labels[start : start + int(rng.integers(1, length))] = IGNORE_INDEX
            start += length
        segments = len(lengths)
        rows.append(
            {
                "input_ids": ids.tolist(),
                "labels": labels.tolist(),
                "seq_lengths": lengths,
                "rows": list(range(segments)),
                "tasks": rng.integers(0, num_tasks, segments).tolist(),
            }
        )
    if weights:
        for row in rows:
            row["weights"] = rng.choice(weights, len(row["rows"])).tolist()
    return pa.Table.from_pylist(rows, schema=WEIGHTED_PACKS if weights else PACKS)


def write_split(folder: Path, epochs: Sequence[pa.Table], *, split: str, seq_len: int) -> None:
    folder.mkdir(parents=True)
    for epoch, table in enumerate(epochs):
        metadata: Any = {
            "schema_version": 1,
            "split": split,
            "epoch": epoch,
            "seq_len": seq_len,
            "tasks": ["translation", "chat"],
            "tokenizer_sha256": "t",
            "template_sha256": "t",
        }
        write_shard(folder / shard_name(epoch), table, metadata)


def make_data(
    folder: Path, *, packs: int = 12, epochs: int = 2, seq_len: int = 48, val_packs: int = 3
) -> str:
    """A finished data stage; returns its content_sha256."""
    write_split(
        folder / "train",
        [make_packs(packs, seq_len=seq_len, seed=epoch) for epoch in range(epochs)],
        split="train",
        seq_len=seq_len,
    )
    if val_packs:
        write_split(
            folder / "val", [make_packs(val_packs, seq_len=seq_len, seed=99)], split="val", seq_len=seq_len
        )
    make_tokenizer(folder / "tokenizer")
    return commit(
        folder,
        stage="data",
        stage_version=1,
        parents={},
        config_sha256="c",
        content_sha256=f"{packs}-{epochs}-{seq_len}-{val_packs}",
        counts={},
        files=files_below(folder),
        seconds=0.0,
    ).content_sha256
