"""The examples of CONTRIBUTING.md are complete: each works against its seam as it stands."""

import math
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml

from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.records import Reject, Unit
from data_pipeline.sources.formats import SourceFormat
from data_pipeline.tasks.tasks import load_tasks
from eval.engines import EngineKind, GenerationSettings, Place
from eval.scores.metric import Metric, Reference
from trainer.config import TrainConfig
from trainer.objectives import Scored

PAGE = Path(__file__).resolve().parent.parent / "CONTRIBUTING.md"
EXAMPLES = dict(
    re.findall(r"^```\w+ (\S+)\n((?:.*\n)*?)```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
)


def run_example(monkeypatch: pytest.MonkeyPatch, path: str) -> Any:
    """The example as a module of its own name."""
    module = ModuleType(f"example_{Path(path).stem}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(EXAMPLES[path], path, "exec"), module.__dict__)
    return module


def test_a_format(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    form: SourceFormat = run_example(monkeypatch, "data_pipeline/sources/formats/dolly.py").FORMAT
    path = tmp_path / "dolly.jsonl"
    path.write_text(
        '{"instruction": "Add.", "context": "1, 2", "response": "3"}\n{"instruction": "?", "response": ""}\n'
    )
    source = SourceConfig.model_validate({"name": "dolly", "format": "alpaca", "path": str(path)})
    good, empty = form.records(Unit(0, "dolly", "dolly", path.name, (str(path),)), source)
    (draft,) = form.parse(good.value, source)
    assert not isinstance(draft, Reject | None)
    assert (draft.instruction, draft.input, draft.answer) == ("Add.", "1, 2", "3")
    with pytest.raises(Reject, match="the response is empty"):
        form.parse(empty.value, source)


def test_a_task(tmp_path: Path) -> None:
    (tmp_path / "topic.yaml").write_text(EXAMPLES["tasks/topic.yaml"], encoding="utf-8")
    labels = yaml.safe_load(EXAMPLES["tasks/topic.yaml"])["labels"]
    assert load_tasks(tmp_path)["topic"].labels == tuple(labels)


def test_a_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    metric: Metric = run_example(monkeypatch, "eval/metrics/contains.py").METRIC
    answers, wanted = ["답은 서울입니다", "모릅니다"], Reference(["서울"], language="ko", label=None)
    statistics = metric.statistics(answers, [wanted, wanted])
    assert metric.aggregate(statistics.sum(axis=0, keepdims=True)).tolist() == [0.5]


def test_an_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    from eval.engines.hf import HFEngine

    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=30, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    LlamaForCausalLM(shape).save_pretrained(tmp_path)
    kind: EngineKind = run_example(monkeypatch, "eval/engines/one_by_one.py").ENGINE
    assert kind.preference(8, (9, 0)) == 0
    settings = GenerationSettings(max_new_tokens=6, temperature=0, seed=0, stop_ids=(3,), num_threads=1)
    prompts = [[5, 6, 7], [8, 9], [11]]
    wanted = HFEngine(str(tmp_path), settings=settings).generate(prompts)
    assert kind.load(str(tmp_path), settings, Place()).generate(prompts) == wanted


def test_an_objective(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    make = run_example(monkeypatch, "trainer/objectives/focal.py").OBJECTIVE
    objective = make(TrainConfig.model_validate({}), tmp_path)
    log_probs_N = torch.tensor([0.5, 0.25]).log().requires_grad_()
    none = torch.zeros(2, dtype=torch.int64)
    part = objective.minimise(Scored(log_probs_N, torch.tensor([0.5, 0.5]).double(), none, none))
    by_hand = -0.5 * (0.25 * math.log(0.5) + 0.5625 * math.log(0.25))
    assert part.value == pytest.approx(by_hand)
    assert dict(zip(objective.logs, part.logged, strict=True)) == {"mean_probability": pytest.approx(0.375)}
    part.loss.backward()
