"""A small literal run folder, as the data, train and eval stages leave it."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hunmin.artifact import Manifest, file_entry, files_below, write_json
from hunmin.hashing import sha256_json
from hunmin.schema import HELDOUT, LEDGER, REJECTED, SAMPLES

CONFIG = """\
name: 감성과 번역
seed: 7
model:
  path: null
  from_scratch: {hidden_size: 128, num_layers: 4, num_heads: 4, vocab_size: 4000}
data:
  sources:
  - {name: 영화평, format: table, path: corpus/reviews.tsv}
  - {name: chat, format: sharegpt, path: corpus/chat.json}
"""
CARD = """\
---
license: cc0-1.0
---

# 감성과 번역

An instruction-following model.

## Corpus

| source | records |
| --- | --- |
| 영화평 | 12 |

## Limits

It can state what is false.
"""
LONG_ANSWER = "서울의 봄은 짧지만 아름답습니다. 벚꽃이 지기 전에 걸어 보세요. " * 12
HOSTILE = "<script>alert('답')</script> & <b>굵게</b>"
VERSIONS = {"python": "3.11.0", "torch": "2.13.0", "transformers": "5.23.0"}


@dataclass
class RunSpec:
    """What the other stages say; a test changes one thing."""

    stats: dict[str, Any]
    scores: dict[str, Any]
    samples: list[dict[str, Any]]
    metrics: list[dict[str, Any]]
    ledger: list[dict[str, Any]]
    heldout: list[dict[str, Any]]
    rejected: list[dict[str, Any]]
    train_counts: dict[str, Any]
    config: str = CONFIG
    versions: dict[str, dict[str, str]] = field(default_factory=dict)  # by stage
    skipped: dict[str, int] = field(default_factory=dict)  # held-out samples that eval could not ask
    export_rule: str = "lowest validation loss"


def small_run() -> RunSpec:
    """Two sources, three tasks (a label task, a translation, a conversation), 40 steps, 3 validations."""
    return RunSpec(
        stats=_stats(),
        scores={
            "schema_version": 1,
            "seed": 7,
            "systems": ["base", "tuned", "majority", "copy", "first_sentence"],
            "engine": {"name": "hf", "dtype": "float32"},
            "models": {
                "base": {"path": "train/base", "sha256": "b" * 64},
                "tuned": {"path": "train/export", "sha256": "c" * 64},
            },
            "goals": _goals(),
            "tasks": {
                "감성": _sentiment_scores(),
                "translation": _translation_scores(),
                "chat": _chat_scores(),
            },
        },
        samples=[*_sentiment_samples(), *_translation_samples(), *_chat_samples()],
        metrics=[
            *(_train_line(step) for step in range(1, 41)),
            *(line(step) for step in (1, 20, 40) for line in (_val_line, _samples_line)),
        ],
        ledger=[_ledger_row(index) for index in range(10)],
        heldout=[_heldout_row(index) for index in range(10, 14)],
        rejected=[
            _rejected("영화평", "reviews.tsv", 9, "label_unmapped", "5점은 긍정도 부정도 아님"),
            _rejected("영화평", "reviews.tsv", 4, "label_unmapped", "6점은 긍정도 부정도 아님"),
            _rejected("chat", "chat.json", 2, "answer_empty", "<img src=x onerror=alert(1)>"),
        ],
        train_counts={
            "steps": 40,
            "best_step": 20,
            "best_val_loss": 2.875,
            "export_step": 20,
            "num_parameters": 1_234_567,
        },
    )


def write_run(run_dir: Path, spec: RunSpec) -> dict[str, str]:
    """Write the folder; the stages' content hashes, as a launcher would hand them on."""
    data, train, eval_ = run_dir / "data", run_dir / "train", run_dir / "eval"
    for folder in (data, train, eval_):
        folder.mkdir(parents=True)
    (run_dir / "config.yaml").write_text(spec.config)
    write_json(data / "stats.json", spec.stats)
    pq.write_table(pa.Table.from_pylist(spec.ledger, schema=LEDGER), data / "rows.parquet")
    pq.write_table(pa.Table.from_pylist(spec.heldout, schema=HELDOUT), data / "heldout.parquet")
    pq.write_table(pa.Table.from_pylist(spec.rejected, schema=REJECTED), data / "rejected.parquet")
    lines = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in spec.metrics)
    (train / "metrics.jsonl").write_text(lines)
    (train / "export").mkdir()
    (train / "export" / "README.md").write_text(CARD)
    write_json(eval_ / "scores.json", spec.scores)
    pq.write_table(pa.Table.from_pylist(spec.samples, schema=SAMPLES), eval_ / "samples.parquet")
    stages: dict[str, tuple[Path, dict[str, Any], float]] = {
        "data": (data, {"records": 16}, 12.5),
        "train": (train, spec.train_counts, 200.0),
        "eval": (eval_, {"samples": len(spec.samples), "skipped": spec.skipped}, 61.25),
    }
    parents: dict[str, str] = {}
    for stage, (folder, counts, seconds) in stages.items():
        parents[stage] = sha256_json(stage)
        entries = [
            file_entry(path, below=folder) for path in files_below(folder) if path.name != "metrics.jsonl"
        ]
        manifest = Manifest(
            stage=stage,
            stage_version=1,
            parents={},
            config_sha256="d" * 64,
            content_sha256=parents[stage],
            counts=counts,
            files=entries,
            code_sha256="e" * 64,
            versions=VERSIONS | spec.versions.get(stage, {}),
            seconds=seconds,
            extra={"export": spec.export_rule} if stage == "train" else {},
        )
        write_json(folder / "manifest.json", asdict(manifest))
    return parents


def _stats() -> dict[str, Any]:
    split = {"rows": 10, "families": 8, "packs": 5, "tokens": 1_220, "trained_tokens": 430, "fill": 0.953125}
    val = {"rows": 2, "families": 2, "packs": 1, "tokens": 200, "trained_tokens": 80, "fill": 0.78125}
    heldout = {"rows": 4, "families": 4, "packs": 0, "tokens": 0, "trained_tokens": 0, "fill": 0.0}

    def task(rows: tuple[int, int, int], tokens: int, trained: int, majority: str) -> dict[str, Any]:
        by_split = dict(zip(("train", "val", "heldout"), rows, strict=True))
        return {"rows": by_split, "tokens": tokens, "trained_tokens": trained, "majority_answer": majority}

    return {
        "schema_version": 1,
        "sources": {
            "영화평": {
                "files": 1,
                "records": 12,
                "kept": 10,
                "rejected": {"label_unmapped": 2},
                "licence": "CC0-1.0",
                "dialect": ["UTF-8, 탭으로 나뉜 표", "header: id, document, label"],
            },
            "chat": {
                "files": 2,
                "records": 4,
                "kept": 3,
                "rejected": {"answer_empty": 1},
                "licence": "Apache-2.0",
                "dialect": [],
            },
        },
        "rejected": {"label_unmapped": 2, "answer_empty": 1},
        "tasks": {
            "감성": task((5, 1, 2), 500, 30, "긍정"),
            "translation": task((3, 1, 1), 420, 250, "안녕하세요."),
            "chat": task((2, 0, 1), 300, 150, "네."),
        },
        "splits": {"train": split, "val": val, "heldout": heldout},
        "row_tokens": {"edges": [0, 64, 128, 192, 256], "counts": [2, 5, 2, 1]},
        "trained_tokens": {"edges": [0, 16, 32, 48, 64, 80], "counts": [3, 0, 2, 4, 1]},
        "rejected_examples": {
            "label_unmapped": [
                {"where": "영화평:reviews.tsv:4.0", "detail": "6점은 긍정도 부정도 아님"},
                {"where": "영화평:reviews.tsv:9.0", "detail": "5점은 긍정도 부정도 아님"},
            ],
            "answer_empty": [{"where": "chat:chat.json:2.0", "detail": "<img src=x onerror=alert(1)>"}],
        },
        "duplicates": {"영화평": {"duplicate": 1_204, "near_duplicate": 3}, "chat": {"duplicate": 2}},
        "flags": {"bias:gender": 3, "harmful_request_refused": 1},
        "personal_data": {"phone": 2},
        "same_prompt": {"prompts": 4, "rows": 9, "rule": "keep_all"},
        "contamination": {"leaks": {}, "allowed": None},
        "wordings": {
            "pairs": {"감성/짧게": 4, "translation/formal": 2},
            "axes": {"expression": 2, "format": 0, "tone": 4},
            "never_paired": ["감성/세_문장", "translation/json"],
        },
        "variants": {
            "chat": _variants(
                3, rewording=0.333333, wrappers={"role:teacher+few_shot:2": 1, "few_shot:1": 1}
            ),
            "영화평": _variants(7, wording=0.857143, wrappers={"few_shot:1": 2}),
        },
        "mix": {"영화평": _shares(0.7, 0.699, 0.65, 0.6512), "chat": _shares(0.3, 0.301, 0.35, 0.3488)},
        "diversity": {"감성": _diversity(), "translation": _diversity() | {"verbs": {}, "rows_with_verb": 0}},
        "tokenizer": {"en": _tokens(600, 3.41, 0.0), "ko": _tokens(820, 1.62, 0.0213)},
        "vocab_size": 3871,
        "seq_len": 256,
        "epochs": 1,
        "unrendered": {"too_long": 3, "no_trained_tokens": 1},
    }


def _variants(rows: int, *, wrappers: dict[str, int], **shares: float) -> dict[str, Any]:
    none = dict.fromkeys(("wording", "rewording", "role", "few_shot", "chain_of_thought"), 0.0)
    return none | shares | {"rows": rows, "wrappers": wrappers}


def _shares(*values: float) -> dict[str, float]:
    names = ("planned_rows_share", "realised_rows_share", "planned_tokens_share", "realised_tokens_share")
    return dict(zip(names, values, strict=True))


def _diversity() -> dict[str, Any]:
    lengths = {"min": 5, "median": 24, "p95": 80, "max": 1_204}
    return {
        "rows": 5,
        "instruction": {"words": 40, "distinct_1": 0.5, "distinct_2": 0.75, "distinct_3": 1.0},
        "answer": {"words": 1_200, "distinct_1": 0.0004, "distinct_2": 0.9996, "distinct_3": 1.0},
        "verbs": {"분류하다": 3, "classify": 1},
        "rows_with_verb": 4,
        "lengths": dict.fromkeys(("instruction", "input", "answer"), lengths),
    }


def _tokens(tokens: int, chars: float, byte: float) -> dict[str, Any]:
    return {"tokens": tokens, "chars_per_token": chars, "byte_share": byte, "vocabulary_share": 0.4125}


def _interval(value: float, low: float | None, high: float | None) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high}


def _metric(systems: dict[str, Any], delta: Any, **changes: Any) -> dict[str, Any]:
    plain = {"unit": "%", "tokenizer": None, "higher_is_better": True, "n": 20, "undefined": 0}
    return plain | changes | {"systems": systems, "delta": delta}


def _sentiment_scores() -> dict[str, Any]:
    accuracy = {
        "base": _interval(10.0, 0.0, 25.0),
        "tuned": _interval(85.0, 70.0, 100.0),
        "majority": _interval(50.0, 35.0, 65.0),
        "copy": _interval(0.0, 0.0, 0.0),
    }
    f1 = {"base": _interval(0.09, 0.0, 0.2), "tuned": _interval(0.846, 0.7, 1.0)}
    return {
        "n": 20,
        "languages": {"ko": 20},
        "metrics": {
            "accuracy": _metric(
                accuracy,
                _interval(75.0, 55.0, 90.0),
                over={"majority": _interval(35.0, 20.0, 50.0), "copy": _interval(85.0, 70.0, 100.0)},
            ),
            "macro_f1": _metric(f1, _interval(0.756, 0.6, 0.9), unit="ratio", note="Over 2 labels."),
        },
        "stop_rate": {"base": 0.0, "tuned": 1.0},
        "length_ratio": {"base": 9.5, "tuned": 1.0},
        "unseen_wordings": {
            "n": 12,
            "wordings": 3,
            "metrics": {
                "accuracy": {
                    "unit": "%",
                    "seen": _interval(83.3, 66.7, 100.0),
                    "unseen": _interval(58.3, 33.3, 83.3),
                    "delta": _interval(-25.0, -50.0, -8.3),
                },
                "macro_f1": {
                    "unit": "ratio",
                    "seen": _interval(0.829, 0.6, 1.0),
                    "unseen": _interval(0.571, 0.3, 0.8),
                    "delta": _interval(-0.258, -0.5, 0.01),
                },
            },
        },
    }


def _goals() -> list[dict[str, Any]]:
    """One goal met, and one missed by its number of answers and by one of its rivals."""
    over_base, over_majority = _interval(75.0, 55.0, 90.0), _interval(35.0, 20.0, 50.0)
    met = {
        "task": "감성",
        "metric": "accuracy",
        "unit": "%",
        "margin": 15.0,
        "min_samples": 20,
        "n": 20,
        "tuned": 85.0,
        "rivals": {
            "base": {"delta": over_base, "met": True},
            "majority": {"delta": over_majority, "met": True},
        },
        "met": True,
    }
    close = {
        "base": {"delta": _interval(2.8, -0.5, 7.0), "met": False},
        "copy": {"delta": _interval(2.1, 0.5, 4.0), "met": True},
    }
    missed = {
        "task": "translation",
        "metric": "bleu",
        "margin": 0.0,
        "min_samples": 100,
        "n": 10,
        "tuned": 3.2,
    }
    return [met, met | missed | {"rivals": close, "met": False}]


def _translation_scores() -> dict[str, Any]:
    bleu = {
        "base": _interval(0.4, 0.0, 1.5),
        "tuned": _interval(3.2, 0.0, 8.25),
        "copy": _interval(1.1, 0.5, 2.0),
    }
    wrong = {"base": _interval(98.0, 95.0, 100.0), "tuned": _interval(81.0, 60.0, 97.0)}
    return {
        "n": 10,
        "languages": {"ko": 10},
        "metrics": {
            "bleu": _metric(
                bleu,
                _interval(2.8, -0.5, 7.0),
                over={"copy": _interval(2.1, 0.5, 4.0)},
                tokenizer="ko-mecab",
                n=10,
                undefined=1,
            ),
            "ter": _metric(wrong, _interval(-17.0, -30.0, -4.0), higher_is_better=False, n=10),
        },
        "stop_rate": {"base": 0.125, "tuned": 0.5},
        "length_ratio": {"base": 3.0, "tuned": 1.25},
    }


def _chat_scores() -> dict[str, Any]:
    chrf = {"base": _interval(12.0, 11.0, 13.0), "tuned": _interval(9.0, 8.0, 10.0)}
    chrf["first_sentence"] = _interval(15.5, 14.0, 17.0)
    delta, over = _interval(-3.0, -4.0, -2.0), {"first_sentence": _interval(-6.5, -8.0, -5.0)}
    return {
        "n": 12,
        "languages": {"en": 12},
        "metrics": {"chrf": _metric(chrf, delta, over=over, tokenizer="characters", n=12)},
        "stop_rate": {},
        "length_ratio": {},
    }


def sample(sample_id: str, system: str, task: str, **changes: Any) -> dict[str, Any]:
    """A line of samples.parquet."""
    row_id, _, turn = sample_id.rpartition("/")
    plain = {
        "sample_id": sample_id,
        "row_id": row_id,
        "turn": int(turn),
        "system": system,
        "task": task,
        "language": "ko",
        "wording_id": None,
        "prompt": "질문",
        "references": ["정답"],
        "label": None,
        "answer": "답",
        "extracted": None,
        "num_prompt_tokens": 20,
        "num_answer_tokens": 5,
        "stopped": True,
        "scores": [],
    }
    return plain | changes


def _sentiment_samples() -> list[dict[str, Any]]:
    rows = []
    for record, (review, label) in enumerate(
        [("정말 재미있게 봤어요 👍🏽", "긍정"), ("돈이 아까운 영화", "부정")]
    ):
        common = {
            "prompt": f"다음 감상은 긍정인가 부정인가?\n{review}",
            "references": [label],
            "label": label,
        }
        name = f"영화평:reviews.tsv:{record}.0/0"
        long = {"answer": "영화 영화 영화", "num_answer_tokens": 64, "stopped": False}
        rows.append(sample(name, "base", "감성", **common, **long, scores=[("accuracy", 0.0)]))
        found = {"answer": "긍정", "extracted": "긍정", "num_answer_tokens": 2}
        right = 100.0 if label == "긍정" else 0.0
        rows.append(sample(name, "tuned", "감성", **common, **found, scores=[("accuracy", right)]))
        rows.append(sample(name, "majority", "감성", **common, answer="다수 답은 쪽에 없다"))
    return rows


def _translation_samples() -> list[dict[str, Any]]:
    common = {
        "prompt": "Translate into Korean: Good morning, everyone.",
        "references": ["여러분, 좋은 아침입니다.", "다들 안녕하세요."],
    }
    name = "corpus:ko-en.txt:3.0/0"
    return [
        sample(name, "base", "translation", **common, answer="", num_answer_tokens=0),
        sample(name, "tuned", "translation", **common, answer=HOSTILE, scores=[("bleu", 3.2), ("ter", 81.0)]),
    ]


def _chat_samples() -> list[dict[str, Any]]:
    common = {"prompt": "봄에 서울에서 어디를 걸으면 좋을까?", "references": [LONG_ANSWER]}
    name = "chat:chat.json:0.0/1"
    return [
        sample(name, "base", "chat", **common, answer="I am a model.\n\n* one\n* two", language="en"),
        sample(name, "tuned", "chat", **common, answer=LONG_ANSWER, num_answer_tokens=300),
    ]


def _train_line(step: int) -> dict[str, Any]:
    return {
        "kind": "train",
        "step": step,
        "loss": 2.0 + 6.0 / (step + 1) + 0.05 * (step % 3),
        "num_valid_tokens": 430,
        "num_tokens": 1_220,
        "learning_rate": 1e-4,
        "grad_norm": 1.0 + step % 5,
        "step_s": 2.0,
        "tokens_per_s": 610.0,
        "trained_tokens_per_s": 215.0,
        "idle_share": 0.25 if step % 10 == 0 else 0.0,
        "peak_memory_bytes": 1_610_612_736,
        "skipped": step == 7,
        "busy_s": [1.5, 1.4],
        "model_flops": 3.5e10,
        "mfu": None,
        "time_left_s": 2.0 * (40 - step),
        "tasks": {
            "감성": {"loss": 1.0 + 6.0 / (step + 1), "num_valid_tokens": 130, "gradient_share": 0.25},
            "translation": {"loss": 3.0, "num_valid_tokens": 300, "gradient_share": 0.75},
        },
    }


def _samples_line(step: int) -> dict[str, Any]:
    said = {1: "", 20: "긍정긍정", 40: "긍정"}[step]
    sample = {
        "task": "감성",
        "prompt": "다음 문장의 감성을 분류하세요: 아주 <좋았다>",
        "reference": "긍정",
        "answer": said,
    }
    return {"kind": "samples", "step": step, "samples": [sample]}


def _val_line(step: int) -> dict[str, Any]:
    loss = {1: 5.5, 20: 2.875, 40: 3.0}[step]
    tasks = {"감성": loss - 1.0, "translation": loss + 0.5}
    return {"kind": "val", "step": step, "loss": loss, "num_valid_tokens": 80, "tasks": tasks}


def family(index: int) -> str:
    """The family of the fixture's row of that index."""
    return f"{index:064x}"


def _heldout_row(index: int) -> dict[str, Any]:
    return {"row_id": f"영화평:reviews.tsv:{index}.0", "family_id": family(index), "task": "감성"}


def _ledger_row(index: int) -> dict[str, Any]:
    return {
        "row": index,
        "row_id": f"영화평:reviews.tsv:{index}.0",
        "source": "영화평",
        "file": "reviews.tsv",
        "record": index,
        "sub_record": 0,
        "family_id": family(index),
        "task": "감성",
        "domain": "review",
        "language": "en" if index == 0 else "ko",
        "licence": "CC0-1.0",
        "synthetic": index < 2,
        "wording_id": f"sentiment/{index % 3}" if index < 6 else None,
        "wrapper": None,
        "weight": 1.0,
        "constraints": [],
        "transforms": [],
        "split": "val" if index > 7 else "train",
        "epoch": 0,
        "pack": index // 2,
        "num_tokens": 100,
        "num_trained_tokens": 6,
    }


def _rejected(source: str, file: str, record: int, reason: str, detail: str) -> dict[str, Any]:
    row_id = f"{source}:{file}:{record}.0"
    origin = {"row_id": row_id, "source": source, "file": file, "record": record, "sub_record": 0}
    return origin | {"reason": reason, "detail": detail}
