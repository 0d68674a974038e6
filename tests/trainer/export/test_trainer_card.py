"""The model card as a golden file, and the lineage that an export carries to the runs after it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from golden_files import check_golden

from hunmin.errors import InputError
from trainer.config import TrainConfig
from trainer.export.card import CardFacts, model_card
from trainer.export.lineage import FROM_SCRATCH, Ancestor, ancestors_of, base_name

GOLDEN = Path(__file__).parent / "golden" / "model_card.md"
STATS: Any = {
    "tokenizer": {"ko": {}, "en": {}, "other": {}},
    "sources": {
        "리뷰": {"records": 1200, "kept": 1100, "licence": "Apache-2.0"},
        "pairs|2": {"records": 300, "kept": 300, "licence": "CC-BY-4.0"},
    },
    "tasks": {
        "sentiment": {"rows": {"train": 900, "val": 50, "heldout": 150}, "trained_tokens": 3200},
        "translation": {"rows": {"train": 300}, "trained_tokens": 9000},
    },
    "seq_len": 512,
    "epochs": 2,
}


def ancestor(run: str, base: str, **changes: Any) -> Ancestor:
    values: Any = {
        "run": run,
        "train_content_sha256": "a" * 64,
        "data_content_sha256": "b" * 64,
        "base": base,
        "base_sha256": "c" * 64,
        "steps": 40,
        "export_step": 30,
    }
    return Ancestor(**{**values, **changes})


def facts(**changes: Any) -> CardFacts:
    values: dict[str, Any] = {
        "run": ancestor("second", "first"),
        "ancestors": [ancestor("first", "org/model", base_sha256="hub:org/model@1", steps=1200)],
        "hub_base": "org/model",
        "config": TrainConfig.model_validate({"lora": {"rank": 8}}),
        "vocabulary": {"add_tokens": ["<생각>"]},
        "seed": 7,
        "stats": STATS,
        "template_sha256": "d" * 64,
        "losses": [(step, 3 - step / 20) for step in (10, 20, 30, 40)],
        "counts": {
            "steps": 40,
            "skipped_steps": 1,
            "num_parameters": 1_000_000,
            "num_trained_parameters": 5_000,
        },
        "export_rule": "lowest validation loss",
    }
    return CardFacts(**{**values, **changes})


def test_golden() -> None:
    check_golden(GOLDEN, model_card(facts()))


def test_weights_of_rows_are_told() -> None:
    weights = {"rendered_rows": 1234, "min": 0.5, "max": 2.0, "weighted_tokens": 9000.0}
    card = model_card(facts(stats=STATS | {"weights": weights}))
    assert "each token by its row's weight: 1,234 rendered rows weigh other than 1" in card
    assert "from 0.5 to 2 |" in card


def test_the_front_matter_is_what_the_hub_reads() -> None:
    front = yaml.safe_load(model_card(facts()).split("---")[1])
    assert front["base_model"] == "org/model"
    assert front["language"] == ["en", "ko"]
    assert front["license"] == ["apache-2.0", "cc-by-4.0"]
    assert front["datasets"] == ["pairs|2", "리뷰"]
    assert "lora" in front["tags"]
    bare = model_card(facts(stats=None, hub_base=None, losses=[], config=TrainConfig.model_validate({})))
    assert "base_model" not in yaml.safe_load(bare.split("---")[1])
    assert "There was no validation." in bare


def export_of(folder: Path, *, run: Ancestor, ancestors: list[Ancestor]) -> Path:
    export = folder / "train" / "export"
    export.mkdir(parents=True)
    (export / "config.json").write_text("{}")
    (export / "hunmin.json").write_text(
        json.dumps({"schema_version": 1, "run": run, "ancestors": ancestors}, ensure_ascii=False)
    )
    return export


def test_a_run_and_its_export_alone_tell_the_same_ancestors(tmp_path: Path) -> None:
    chain = [ancestor("second", "first"), ancestor("first", FROM_SCRATCH, base_sha256=None)]
    export = export_of(tmp_path / "second", run=chain[0], ancestors=chain[1:])
    assert ancestors_of(str(tmp_path / "second")) == chain
    moved = tmp_path / "elsewhere"
    export.rename(moved)
    assert ancestors_of(str(moved)) == chain
    assert base_name(str(moved), chain) == "second"


def test_models_without_a_run(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert ancestors_of(None) == ancestors_of(str(tmp_path / "plain")) == []
    assert base_name(None, []) == FROM_SCRATCH
    assert base_name(str(tmp_path / "plain"), []) == "plain", "no folder of this machine"


def test_a_damaged_lineage_is_one_line(tmp_path: Path) -> None:
    export = export_of(tmp_path, run=ancestor("a", "b"), ancestors=[])
    (export / "hunmin.json").write_text('{"run": 1')
    with pytest.raises(InputError, match=r"no lineage can be read .* delete the file"):
        ancestors_of(str(export))


def test_warm_up_is_told_as_it_was() -> None:
    steps = model_card(facts(config=TrainConfig.model_validate({"warmup_steps": 1200})))
    assert "| warm-up | 1,200 steps |" in steps
    assert "| warm-up | 0.1 of the steps |" in model_card(facts())
