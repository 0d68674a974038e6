"""A conversation rendered as several rows: each is made again from its source, and its tokens traced."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from data_pipeline.build.context import BuildContext
from data_pipeline.config import DataConfig
from launcher.inspect.origin import origin_of
from launcher.inspect.rebuild import SourceChanged, rebuild_segment

TALK = ["안녕하세요?", "네, 반갑습니다.", "몇 시에 여나요?", "아홉 시에 엽니다.", "고마워요.", "천만에요."]
# Marks the answers that others follow, so that each is written as it is served in a row of its own alone.
REWRITES = (
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\\n' + m.content }}"
    "{%- if m.role == 'assistant' and not loop.last %}{{- ' ' }}{%- endif %}{{- '<|im_end|>\\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


@pytest.fixture
def build(tmp_path: Path, scratch_tokenizer: PreTrainedTokenizerFast) -> BuildContext:
    turns = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(TALK)]
    (tmp_path / "talk.jsonl").write_text(json.dumps({"messages": turns}), encoding="utf-8")
    source = {"name": "s", "format": "messages", "path": "talk.jsonl"}
    config = DataConfig.model_validate({"sources": [source], "augment": {"rewordings": 0}})
    tokenizer = copy.deepcopy(scratch_tokenizer)
    tokenizer.chat_template = REWRITES
    tokenizer.save_pretrained(str(tmp_path / "tokenizer"))
    return BuildContext(config, {}, 0, tmp_path, tmp_path)


def line(**changes: object) -> dict[str, Any]:
    origin = {"source": "s", "file": "talk.jsonl", "record": 0, "sub_record": 0}
    return origin | {"split": "train", "epoch": 0, "repeat": 0} | changes


@pytest.mark.parametrize("turn", [0, 1, 2])
def test_each_turn_is_made_again_and_its_tokens_are_traced(build: BuildContext, turn: int) -> None:
    rebuilt = rebuild_segment(build, line(turn=turn))
    assert [message["content"] for message in rebuilt.messages] == TALK[: 2 * turn + 2]
    assert [token for piece in rebuilt.pieces for token in piece.input_ids] == rebuilt.input_ids
    origins = [origin_of(build, rebuilt, token) for token in range(len(rebuilt.input_ids))]
    said = {(one.message, one.text) for one in origins if one.part == "message"}
    assert said == set(enumerate(TALK[: 2 * turn + 2]))


def test_a_line_of_before_there_were_turns_is_the_first(build: BuildContext) -> None:
    assert rebuild_segment(build, line()).input_ids == rebuild_segment(build, line(turn=0)).input_ids


def test_a_turn_that_is_gone_is_told(build: BuildContext) -> None:
    with pytest.raises(SourceChanged, match="fewer rendered rows"):
        rebuild_segment(build, line(turn=3))
