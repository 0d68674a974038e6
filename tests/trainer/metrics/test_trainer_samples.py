"""Sample answers under ZeRO-3 on real ranks are those of the stock model's own greedy generation."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from plain_loop import SEED, job_in
from rank_helpers import make_data, run_ranks, write_split
from transformers import AutoModelForCausalLM

from hunmin.models.config import ModelConfig
from hunmin.schema import IGNORE_INDEX, PACKS
from trainer.batches.packs import Pack, PackFolder
from trainer.metrics.sample_answers import MAX_NEW_TOKENS, answer_questions, choose_questions
from trainer.model.packed_model import create_base

MODEL = ModelConfig.model_validate(
    {"from_scratch": {"hidden_size": 32, "num_layers": 2, "num_heads": 2, "vocab_size": 512}}
)


def answers_of_ranks(root: Path, stop_ids: list[int]) -> list[list[int]]:
    from trainer import loop
    from trainer.engine.ranks import join_ranks

    job = job_in(root, model=MODEL, global_batch_size=2)
    with join_ranks(timeout_s=60) as me:
        engine, _ = loop.set_up(job, me)
        engine.train(False)
        return answer_questions(
            choose_questions(PackFolder(root / "data/val"), 4), engine.next_tokens, stop_ids
        )


def test_answers_are_those_of_generate(tmp_path: Path) -> None:
    make_data(tmp_path / "data")
    assert MODEL.from_scratch is not None
    base = tmp_path / "train/base"
    base.parent.mkdir()
    create_base(MODEL.from_scratch, tokenizer_dir=tmp_path / "data/tokenizer", seed=SEED, out=base)
    model: Any = AutoModelForCausalLM.from_pretrained(base)
    for name, parameter in model.named_parameters():
        if "layers" in name and parameter.ndim == 2:
            parameter.data.mul_(20)  # louder than a fresh model, which repeats one token
    model.save_pretrained(base)
    questions = choose_questions(PackFolder(tmp_path / "data/val"), 4)
    assert {question.task for question in questions} == {"chat", "translation"}
    wanted = []
    for question in questions:
        ids = torch.tensor([question.prompt])
        out = model.generate(ids, do_sample=False, max_new_tokens=MAX_NEW_TOKENS, eos_token_id=None)
        wanted.append(out[0, ids.shape[1] :].tolist())
    stop = wanted[0][4]  # a token that an answer has: it must end there, and the others go on
    wanted = [ids[: ids.index(stop)] if stop in ids else ids for ids in wanted]
    assert len({tuple(ids) for ids in wanted}) > 1
    assert run_ranks(answers_of_ranks, 2, tmp_path, [stop]) == [wanted, wanted]


def test_questions_are_short_rows_of_every_task_with_their_first_answers(tmp_path: Path) -> None:
    make_data(tmp_path / "data")
    packs = PackFolder(tmp_path / "data/val")
    first, second = choose_questions(packs, 2)
    assert {first.task, second.task} == {"chat", "translation"}
    assert choose_questions(packs, 0) == []
    everything = [token for index in range(len(packs)) for token in packs[index].input_ids.tolist()]
    row = first.prompt + first.reference
    assert any(everything[i : i + len(row)] == row for i in range(len(everything)))


def test_only_the_packs_of_the_shown_rows_are_read(tmp_path: Path) -> None:
    """Of a validation split of a thousand packs two, whatever stands in the others."""
    make_data(tmp_path / "data", packs=1, epochs=1, val_packs=1000)
    packs, read = PackFolder(tmp_path / "data/val"), []
    real = packs.__getitem__

    class Counted(PackFolder):
        def __getitem__(self, index: int) -> Pack:
            read.append(index)
            return real(index)

    counted = Counted(tmp_path / "data/val")
    assert [question.task for question in choose_questions(counted, 2)] == ["chat", "translation"]
    assert 1 <= len(read) <= 4
    assert max(read) < 10, "the first ones"
    read.clear()
    assert len(choose_questions(counted, 5)) == 5
    assert len(read) == len(set(read)), "none twice"


def test_a_task_of_long_prompts_does_not_lead_through_the_whole_split(tmp_path: Path) -> None:
    long = {
        "input_ids": [1] * 300,
        "labels": [IGNORE_INDEX] * 299 + [1],
        "seq_lengths": [300],
        "rows": [0],
        "tasks": [0],
    }
    short = {"input_ids": [1, 2], "labels": [IGNORE_INDEX, 2], "seq_lengths": [2], "rows": [0], "tasks": [1]}
    table = pa.Table.from_pylist([long] * 100 + [short] * 3, schema=PACKS)
    write_split(tmp_path / "val", [table], split="val", seq_len=512)
    found = choose_questions(PackFolder(tmp_path / "val"), 2)
    assert [question.task for question in found] == ["chat", "chat"]
