"""Counts of texts and tokens: by part, merged, and what counts as a piece of a character."""

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from data_pipeline.build.work_folder import WorkFolder
from data_pipeline.packing.tokenizer_training import train_tokenizer
from data_pipeline.stats.part_counts import KIND, PartCounts
from hunmin.models.tokenizer import byte_tokens

IS_BYTE = np.array([False, False, True, True, False, False])


def line(ids: list[int], **changes: object) -> dict:
    plain = {
        "split": "train",
        "epoch": 0,
        "repeat": 0,
        "turn": 0,
        "task": "t",
        "language": "ko",
        "reason": None,
        "input_ids": ids,
        "num_chars": 6,
        "instruction": "번역하라.",
        "row": {"fields": {"input": "비"}, "messages": None},
        "messages": [{"content": "번역하라.\n\n비"}, {"content": "rain"}],
    }
    return plain | changes


def tally_of(*lines: dict) -> PartCounts:
    tally = PartCounts()
    tally.add(lines, is_byte=IS_BYTE)
    return tally


def test_tokens_of_a_language_by_hand() -> None:
    tally = tally_of(line([0, 2, 3, 2]), line([1], split="heldout"), line([4], language="en"))
    assert tally.tokens["ko"].summary() == {
        "tokens": 5,
        "chars_per_token": 2.4,
        "byte_share": 0.6,
        "vocabulary_share": round(4 / 6, 6),
    }
    assert tally.tokens["en"].summary()["byte_share"] == 0


def test_texts_are_those_of_train_rows_once() -> None:
    refused = {"language": "ko", "task": "t", "reason": "too_long"}
    turns = [{"content": text} for text in ("설명해 줘", "비가 온다", "또?", "눈")]
    chat = line([1], row={"fields": None, "messages": turns}, instruction="설명해 줘", messages=turns[:2])
    again = [line([1], epoch=1), line([1], repeat=1), line([1], turn=1), line([1], split="val")]
    tally = tally_of(line([1]), *again, refused, chat)
    found = tally.texts["t"].summary()
    assert found["rows"] == 2
    assert found["verbs"] == {"번역하다": 1, "설명하다": 1}
    assert found["answer"]["words"] == 2
    assert found["lengths"]["input"]["min"] == 0


def test_parts_are_merged_from_their_files(tmp_path: Path) -> None:
    work = WorkFolder.open(tmp_path)
    parts = [[line([0, 2])], [line([3], task="u"), line([5], language="und")], []]
    for number, lines in enumerate(parts):
        tally_of(*lines).write(work.path(KIND, number, "json"))
    merged, whole = PartCounts.of_parts(work), tally_of(*(one for lines in parts for one in lines))
    assert {task: texts.summary() for task, texts in merged.texts.items()} == {
        task: texts.summary() for task, texts in whole.texts.items()
    }
    assert {name: one.summary() for name, one in merged.tokens.items()} == {
        name: one.summary() for name, one in whole.tokens.items()
    }


def test_bytes_of_sentencepiece_are_its_fallback_tokens() -> None:
    tokenizer = train_tokenizer(["하늘이 맑다. The sky is clear. "] * 50, vocab_size=600)
    found = byte_tokens(tokenizer)
    assert found.sum() == 256
    ids = tokenizer.encode("龘", add_special_tokens=False)
    assert found[ids].sum() == len("龘".encode())
    assert not found[tokenizer.encode("하늘이 맑다", add_special_tokens=False)].any()


@pytest.fixture
def byte_level() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=280,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|end|>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(["비 비 비 비가 rain rain"] * 20, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")


def test_pieces_of_characters_in_a_byte_level_bpe(byte_level: PreTrainedTokenizerFast) -> None:
    found = byte_tokens(byte_level)
    known = byte_level.encode("비")
    unknown = byte_level.encode("龘")
    assert [found[number] for number in known] == [False]
    assert found[unknown].all()
    assert len(unknown) == 3
    assert not found[byte_level.encode("rain <|end|>")].any()
