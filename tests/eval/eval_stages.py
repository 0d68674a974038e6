"""A tiny model, held-out rows, and finished data and train stages, built for the tests of eval."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from hunmin.artifact import commit, files_below
from hunmin.schema import HELDOUT, TaskInfo

CORPUS = [
    "이 영화는 정말 재미있었습니다. 배우들의 연기도 훌륭했어요.",
    "오늘 날씨가 참 좋네요. 산책하러 갈까요?",
    "다음 문장을 영어로 옮기세요: 나는 학교에 갑니다.",
    "긍정과 부정 가운데 하나로 답하세요.",
    "The weather is nice today, and the film was good.",
] * 20


def _index(token_id: Any) -> int:
    assert isinstance(token_id, int)
    return token_id


def tiny_model(tokenizer: PreTrainedTokenizerFast, *, seed: int) -> LlamaForCausalLM:
    """A random Llama with wide logits, so that greedy answers vary and no two logits are near."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            intermediate_size=64,
            vocab_size=len(tokenizer),
            max_position_embeddings=512,
            tie_word_embeddings=False,
            bos_token_id=None,
            eos_token_id=_index(tokenizer.eos_token_id),
            pad_token_id=_index(tokenizer.pad_token_id),
        )
    ).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=0.5)
    return model


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text, "train": False}


def assistant(text: str, *, train: bool = True) -> dict[str, Any]:
    return {"role": "assistant", "content": text, "train": train}


def heldout_row(record: int, *, task: str, messages: list[dict[str, Any]], **values: Any) -> dict[str, Any]:
    """A row of heldout.parquet; `values` overrides."""
    row_id = f"src:a.json:{record}.0"
    return {
        **dict.fromkeys(HELDOUT.names),
        "row_id": row_id,
        "source": "src",
        "file": "a.json",
        "record": record,
        "sub_record": 0,
        "family_id": row_id,
        "task": task,
        "language": "ko",
        "fields": {"instruction": None, "input": None, "answer": None, "rationale": None, "label": None},
        "messages": messages,
        "references": [],
        "seen_task": True,
        "seen_wording": True,
        **values,
    }


TASKS: dict[str, TaskInfo] = {
    "chat": {"metrics": [], "labels": [], "language": "ko"},
    "sentiment": {
        "metrics": ["accuracy", "macro_f1", "exact_match"],
        "labels": ["긍정", "부정"],
        "language": "ko",
    },
}


def default_rows() -> list[dict[str, Any]]:
    chat = [
        heldout_row(
            index,
            task="chat",
            messages=[
                user(f"안녕하세요 {index}. 오늘 뭐 했어요?"),
                assistant("저는 집에서 책을 읽었어요."),
                user("재미있었나요?"),
                assistant(f"네, 정말 재미있는 책이었어요 {index}."),
            ],
        )
        for index in range(4)
    ]
    sentiment = [
        heldout_row(
            10 + index,
            task="sentiment",
            messages=[user(f"긍정이나 부정으로 답하세요.\n\n영화 {index}편. 좋았다."), assistant(label)],
            fields={
                "instruction": "긍정이나 부정으로 답하세요.",
                "input": f"영화 {index}편. 좋았다.",
                "answer": label,
                "rationale": None,
                "label": label,
            },
        )
        for index, label in enumerate(["긍정", "부정", "긍정", "긍정", "부정"])
    ]
    return chat + sentiment


@dataclass(frozen=True)
class Stages:
    data: Path
    train: Path

    @property
    def base(self) -> str:
        return str(self.train / "base")


def make_stages(
    root: Path,
    tokenizer: PreTrainedTokenizerFast,
    *,
    rows: list[dict[str, Any]] | None = None,
    tasks: dict[str, TaskInfo] | None = None,
) -> Stages:
    """Folders as the data and train stages leave them, in what eval reads."""
    data, train = root / "data", root / "train"
    tokenizer.save_pretrained(data / "tokenizer")
    tasks = TASKS if tasks is None else tasks
    table = pa.Table.from_pylist(default_rows() if rows is None else rows, schema=HELDOUT)
    table = table.replace_schema_metadata({b"hunmin": json.dumps({"tasks": tasks}).encode()})
    pq.write_table(table, data / "heldout.parquet")
    majority = {
        task: {"majority_answer": "긍정" if info["labels"] else "네."} for task, info in tasks.items()
    }
    (data / "stats.json").write_text(json.dumps({"tasks": majority}))
    for name, seed in (("base", 1), ("export", 2)):
        tiny_model(tokenizer, seed=seed).save_pretrained(train / name)
    tokenizer.save_pretrained(train / "export")
    for stage, folder in (("data", data), ("train", train)):
        commit(
            folder,
            stage=stage,
            stage_version=1,
            parents={},
            config_sha256="c",
            content_sha256=stage,
            counts={},
            files=files_below(folder),
            seconds=0.0,
        )
    return Stages(data, train)
