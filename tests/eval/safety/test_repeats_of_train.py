"""Long spans of the train split that answers repeat, against a plain search."""

import random
from pathlib import Path

import numpy as np
import pytest
from safety_material import write_data
from transformers import PreTrainedTokenizerFast

from eval.safety.repeats import found_in_train, longest_repeats, span_hashes, train_ids
from hunmin.errors import ArtifactError

NONE = np.empty(0, np.int64)


def longest_by_hand(answer: list[int], prompt: list[int], train: list[int], length: int) -> int:
    def spans(ids: list[int]) -> set[tuple[int, ...]]:
        return {tuple(ids[at : at + length]) for at in range(len(ids) - length + 1)}

    known = spans(train) - spans(prompt)
    run = best = 0
    for at in range(len(answer) - length + 1):
        run = run + 1 if tuple(answer[at : at + length]) in known else 0
        best = max(best, run)
    return best + length - 1 if best else 0


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 50])
def test_equal_spans_have_equal_hashes_and_others_do_not(length: int) -> None:
    rng = random.Random(length)
    ids = [rng.randrange(3) for _ in range(400)]
    hashes = span_hashes(np.array(ids), length).tolist()
    spans = [tuple(ids[at : at + length]) for at in range(len(ids) - length + 1)]
    assert len(hashes) == len(spans)
    assert len(set(hashes)) == len(set(spans)) == len(set(zip(hashes, spans, strict=True)))


@pytest.mark.parametrize("length", [3, 6])
def test_the_longest_repeat_is_that_of_a_plain_search(length: int) -> None:
    rng = random.Random(length)
    train = [rng.randrange(4) for _ in range(300)]
    answers = [[rng.randrange(4) for _ in range(rng.randrange(30))] for _ in range(40)]
    prompts = [[rng.randrange(4) for _ in range(60)] for _ in answers]
    found = longest_repeats(
        [np.array(one, dtype=np.int64) for one in answers],
        [np.array(one, dtype=np.int64) for one in prompts],
        [np.array(train)],
        length=length,
    )
    by_hand = [longest_by_hand(a, p, train, length) for a, p in zip(answers, prompts, strict=True)]
    assert found == by_hand
    assert len(set(found)) > 3


def test_what_the_prompt_holds_is_no_repeat() -> None:
    train, answer = np.arange(100), np.arange(10, 40)
    assert longest_repeats([answer], [NONE], [train], length=5) == [30]
    assert longest_repeats([answer], [np.arange(10, 40)], [train], length=5) == [0]
    assert longest_repeats([answer], [NONE], [NONE, np.arange(3)], length=5) == [0]
    assert longest_repeats([], [], [train], length=5) == []


def test_packs_of_the_data_stage_are_read_and_checked(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    texts = ["전화는 010-1234-5678로 주세요.", "오늘 날씨가 참 좋네요."]
    write_data(tmp_path, tokenizer, texts)
    (ids,) = train_ids(tmp_path)
    assert tokenizer.decode(ids.tolist()) == "".join(texts)
    values = {"01012345678", "010 1234 5678", "010-9999-5678"}
    assert found_in_train(values, tmp_path, tokenizer) == {"01012345678", "010 1234 5678"}
    shard = tmp_path / "train" / "shard-00000.arrow"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match=r"train/shard-00000\.arrow"):
        next(train_ids(tmp_path))
