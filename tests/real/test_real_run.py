"""The whole path on real corpora, capped: each file of each source gives its first records."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hunmin.models.tokenizer import load_tokenizer
from hunmin.schema import IGNORE_INDEX
from hunmin.shards import read_shards


@pytest.mark.slow
def test_every_record_of_every_source_is_accounted_for(real_run: Path) -> None:
    stats = json.loads((real_run / "data" / "stats.json").read_text())
    for name, source in stats["sources"].items():
        assert source["records"] == source["kept"] + sum(source["rejected"].values()), name
        assert source["kept"] > 0, name
    rejected = pq.read_table(real_run / "data" / "rejected.parquet").to_pylist()
    assert sum(stats["rejected"].values()) == len(rejected)
    ratings = [line for line in rejected if line["source"] == "nsmc" and line["reason"] == "label_not_mapped"]
    assert ratings
    assert not any(line["reason"] == "undecodable_text" for line in rejected)


@pytest.mark.slow
def test_every_trained_answer_decodes(real_run: Path) -> None:
    """One end-of-turn token closes each trained run, and the label of a review is 긍정 or 부정 alone."""
    tokenizer = load_tokenizer(real_run / "data" / "tokenizer")
    ledger = pq.read_table(real_run / "data" / "rows.parquet").to_pylist()
    reviews = set()
    for shard in read_shards(real_run / "data" / "train"):
        for pack in shard.to_pylist():
            start = 0
            for row, length in zip(pack["rows"], pack["seq_lengths"], strict=True):
                ids = [i for i in pack["labels"][start : start + length] if i != IGNORE_INDEX]
                start += length
                text = str(tokenizer.decode(ids))
                assert text.endswith("<|im_end|>")
                rendered = any(name.startswith("answer:") for name in ledger[row]["transforms"])
                if ledger[row]["source"] == "nsmc" and not rendered:  # as a score, a sentence, in English
                    reviews.add(text)
    assert reviews == {"긍정<|im_end|>", "부정<|im_end|>"}


@pytest.mark.slow
def test_every_task_is_scored(real_run: Path) -> None:
    scores = json.loads((real_run / "eval" / "scores.json").read_text())
    assert {"sentiment", "translation", "conversation", "xsum"} <= set(scores["tasks"])
    for task in scores["tasks"].values():
        for metric in task["metrics"].values():
            assert set(metric["systems"]) == {"base", "tuned", "majority", "copy", "first_sentence"}
    assert (real_run / "report" / "index.html").stat().st_size > 10_000
