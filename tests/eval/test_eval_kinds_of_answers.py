"""The stage from held-out rows to scores where models think, call tools, write code, answer several times.

The pool is a stand-in that says what a test wants said; the pool itself is tested in answering/.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from eval_stages import TASKS, Stages, assistant, default_rows, heldout_row, make_stages, user
from transformers import PreTrainedTokenizerFast

from eval import evaluate
from eval.answering import asker
from eval.answering.groups import Group
from eval.config import STAGE_VERSION, EvalConfig
from eval.engines import Generation, GenerationSettings
from hunmin.artifact import Manifest
from hunmin.schema import DRAWS, SAMPLES, TaskInfo
from hunmin.stage import Inputs

TEMPLATE = (
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\n' }}"
    "{%- if m.reasoning_content %}{{- '<think>\n' + m.reasoning_content + '\n</think>\n\n' }}{%- endif %}"
    "{{- m.content }}{%- for call in m.tool_calls or [] %}{{- '<tool_call>\n' + "
    "({'name': call.function.name, 'arguments': call.function.arguments} | tojson) + "
    "'\n</tool_call>' }}{%- endfor %}{{- '<|im_end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
WEATHER = {"id": "a", "name": "weather", "arguments": '{"city": "서울", "days": 1}'}
CALLING = [
    user("날씨는?"),
    {**assistant(""), "tool_calls": [WEATHER]},
    {"role": "tool", "content": "맑음", "train": False, "tool_call_id": "a", "name": "weather"},
    assistant("맑아요."),
]
ROWS = [
    heldout_row(0, task="chat", messages=CALLING),
    heldout_row(
        1,
        task="code",
        messages=[
            user("add를 쓰세요.\nassert add(1, 2) == 3"),
            assistant("def add(a, b):\n    return a + b"),
        ],
        constraints=["one_function"],
    ),
    heldout_row(2, task="sentiment", messages=[user("좋았다."), assistant("긍정")]),
]
INFO: dict[str, TaskInfo] = {
    **TASKS,
    "code": {"metrics": ["pass_at_1"], "labels": [], "language": "en"},
}
SAID = {
    "src:a.json:0.0/0": "<tool_call>\n"
    '{"name": "weather", "arguments": {"days": 1, "city": "서울"}}\n</tool_call>',
    "src:a.json:0.0/1": "맑아요.",
    "src:a.json:1.0/0": "```python\ndef add(x, y):\n    return y + x\n```",
    "src:a.json:2.0/0": "<think>\n부정은 아니다.\n</think>\n\n긍정",
}
Say = Callable[[str, str, int], str]  # of system, sample id, seed


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tokenizer: PreTrainedTokenizerFast) -> Callable[[Say], None]:
    """Lets the models say what a function says."""

    def answer_with(say: Say) -> None:
        def answer_groups(
            groups: Sequence[Group], *, settings: GenerationSettings, **_: Any
        ) -> dict[str, dict[str, Generation]]:
            found: dict[str, dict[str, Generation]] = {}
            for group in groups:
                for prompt in group.prompts:
                    text = say(group.model.system, prompt.sample_id, settings.seed)
                    ids = tokenizer.encode(text, add_special_tokens=False)
                    found.setdefault(group.model.system, {})[prompt.sample_id] = Generation(ids, True)
            return found

        monkeypatch.setattr(asker, "answer_groups", answer_groups)

    return answer_with


def run(stages: Stages, out_dir: Path, **config: Any) -> tuple[Manifest, dict[str, Any]]:
    manifest = evaluate.run(
        config=EvalConfig(max_new_tokens=64, bootstrap_samples=10, robustness=0, safety=0, **config),
        seed=3,
        data_dir=stages.data,
        train_dir=stages.train,
        base=stages.base,
        out_dir=out_dir,
        num_cpus=1,
        num_gpus=0,
        inputs=Inputs(STAGE_VERSION, {"data": "d", "train": "t"}, "c"),
    )
    return manifest, json.loads((out_dir / "scores.json").read_text())["tasks"]


def test_thoughts_calls_and_code_are_scored_for_what_they_are(
    asked: Callable[[Say], None], tokenizer: PreTrainedTokenizerFast, tmp_path: Path, monkeypatch: Any
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(
        "eval.metrics.pass_at_1.run_python", lambda program: bool(ran.append(program)) or True
    )
    monkeypatch.setattr(evaluate, "check_sandbox", lambda: None)
    monkeypatch.setattr(tokenizer, "chat_template", TEMPLATE)
    stages = make_stages(tmp_path, tokenizer, rows=ROWS, tasks=INFO)
    asked(lambda system, name, seed: SAID[name] if system == "tuned" else "모르겠어요.")
    manifest, scores = run(stages, tmp_path / "eval", run_code=True)
    assert manifest.counts["skipped"] == {}
    found = {
        (task, name): (metric["n"], metric["systems"]["tuned"]["value"], metric["systems"]["base"]["value"])
        for task, one in scores.items()
        for name, metric in one["metrics"].items()
    }
    assert found[("chat", "tool_calls")] == (1, 1.0, 0.0)
    assert found[("chat", "rougeL")][:2] == (1, 1.0)
    assert found[("code", "pass_at_1")] == (1, 1.0, 0.0)
    assert found[("code", "constraints_met")] == (1, 1.0, 0.0)
    assert found[("sentiment", "accuracy")] == (1, 1.0, 0.0)
    assert {program.splitlines()[0] for program in ran} == {"def add(x, y):"}  # prose is not run
    assert scores["sentiment"]["unread"]["base"] == 1.0
    assert scores["sentiment"]["thought_tokens"]["tuned"] > 3
    table = pq.read_table(tmp_path / "eval" / "samples.parquet")
    assert table.schema.equals(SAMPLES)
    tuned = {row["sample_id"]: row for row in table.to_pylist() if row["system"] == "tuned"}
    thinking, calling = tuned["src:a.json:2.0/0"], tuned["src:a.json:0.0/0"]
    assert (thinking["answer"], thinking["thought"]) == ("긍정", "부정은 아니다.")
    assert 0 < thinking["num_thought_tokens"] < thinking["num_answer_tokens"]
    assert (
        calling["answer"]
        == '<tool_call>{"name": "weather", "arguments": {"days": 1, "city": "서울"}}</tool_call>'
    )
    assert calling["thought"] is None


def test_code_is_not_run_unless_asked_for(
    asked: Callable[[Say], None],
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
    monkeypatch: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("eval.metrics.pass_at_1.run_python", lambda program: pytest.fail("it ran"))
    stages = make_stages(tmp_path, tokenizer, rows=ROWS[1:2], tasks=INFO)
    asked(lambda system, name, seed: SAID[name])
    _, scores = run(stages, tmp_path / "eval")
    assert scores["code"]["metrics"].keys() == {"constraints_met"}
    assert (
        "code: metrics that run the code of models are left out; eval.run_code: true"
        in capsys.readouterr().out
    )


def test_further_draws_and_own_histories_stand_beside_and_change_no_other_answer(
    asked: Callable[[Say], None], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    stages = make_stages(tmp_path, tokenizer, rows=default_rows(), tasks=TASKS)
    asked(lambda system, name, seed: f"{system} {name} {seed}")
    run(stages, tmp_path / "one", temperature=0.7)
    manifest, scores = run(stages, tmp_path / "several", temperature=0.7, num_answers=3, own_history=2)
    one, several = (pq.read_table(tmp_path / name / "samples.parquet") for name in ("one", "several"))
    assert one.equals(several)
    draws = pq.read_table(tmp_path / "several" / "draws.parquet")
    assert draws.schema.equals(DRAWS)
    said: dict[tuple[str, str], list[str]] = {}
    for row in draws.to_pylist():
        said.setdefault((row["system"], row["sample_id"]), []).append(row["answer"])
    assert len(said) == 2 * 13
    assert {len(set(answers)) for answers in said.values()} == {3}
    models = [row for row in several.to_pylist() if row["system"] in ("base", "tuned")]
    assert {(row["system"], row["sample_id"]): row["answer"] for row in models} == {
        key: answers[0] for key, answers in said.items()
    }
    assert scores["sentiment"]["drawn"]["draws"] == 3
    assert scores["sentiment"]["drawn"]["metrics"]["accuracy"]["tuned"] == {"mean": 0.0, "spread": 0.0}
    history = scores["chat"]["own_history"]
    assert history["n"] == history["conversations"] == {"base": 2, "tuned": 2}
    own = pq.read_table(tmp_path / "several" / "own_history.parquet").to_pylist()
    assert {(row["system"], row["turn"]) for row in own} == {("base", 1), ("tuned", 1)}
    assert all(row["sample_id"].endswith("/1/own") for row in own)
    assert manifest.counts["skipped_own_history"] == {}
