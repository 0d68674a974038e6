"""The harness behind its file: its answers are those of a plain loop, and it is asked what the suite says."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from suite_files import DATASET, ROWS, SUITE, quiz
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from eval.bench import harness
from eval.bench.bench_job import BenchTask, Job
from eval.bench.harness import _answer, _row, answer, harness_version, tasks_of
from eval.bench.question_tables import Table, find_tables
from eval.bench.suites import Suite, load_suite, shipped_suites
from eval.engines import GenerationSettings, Place
from eval.engines.hf import HFEngine
from hunmin.artifact import read_sealed
from hunmin.errors import EnvironmentFailure, InputError
from hunmin.models.renderer import Renderer

NUM_TASKS = {"click": 11, "haerae": 5, "hrm8k": 5, "kmmlu": 45, "kobest": 5, "kobest_dev": 5, "mmlu": 57}


def job(run: Path, tasks: list[BenchTask], **values: Any) -> Job:
    place = run / "tables" / "someone--quiz" / "default"
    tables = {split: Table(str(place / f"{split}.jsonl"), "", {}, {}) for split in ("test", "train")}
    settings: dict[str, Any] = {
        "model": str(run / "train" / "export"),
        "tokenizer": str(run / "train" / "export"),
        "tasks": tasks,
        "tables": {task.name: tables for task in tasks},
        "parts": {task.name: str(run / f"{task.name}.json") for task in tasks},
        "stop": ["<|im_end|>"],
        "batch_size": 4,
        "device": "cpu",
        "divided": False,
        "dtype": "float32",
        "num_threads": 1,
        "limit": None,
    }
    return Job(**{**settings, **values})


def with_task(**values: Any) -> Suite:
    (entry,) = SUITE["tasks"]
    return quiz(tasks=[{"task": entry["task"], "define": {**entry["define"], **values}}])


def log_likelihood(model: Any, prompt: list[int], answer: list[int]) -> float:
    """Of the answer's tokens after the prompt, in nats."""
    with torch.inference_mode():
        logits = model(torch.tensor([prompt + answer])).logits[0].log_softmax(dim=-1)
    places = range(len(prompt) - 1, len(prompt) + len(answer) - 1)
    return sum(float(logits[place, token]) for place, token in zip(places, answer, strict=True))


def test_choices_are_those_of_a_plain_loop(bench_run: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    task = tasks_of(quiz(), shots=0)[0]
    asked = job(bench_run, [task])
    answer(asked)
    part, is_sealed = read_sealed(Path(asked.parts[task.name]))
    assert is_sealed
    model = AutoModelForCausalLM.from_pretrained(asked.model)
    renderer = Renderer(tokenizer)
    choices = ["예", "아니오"]
    for row, sample in zip(ROWS, part["samples"], strict=True):
        prompt = renderer.prompt([{"role": "user", "content": row["question"]}])
        assert tokenizer.encode(sample["prompt"], add_special_tokens=False) == prompt
        found = [
            log_likelihood(model, prompt, tokenizer.encode(choice, add_special_tokens=False))
            for choice in choices
        ]
        best = found.index(max(found))
        assert sample["answer"] == choices[best]
        assert sample["value_sum"] == float(best == row["label"])
    assert part["harness_value"] == sum(one["value_sum"] for one in part["samples"]) / len(ROWS)
    assert part["num_cut"] == 0


def test_written_answers_are_those_of_our_own_decoding(
    bench_run: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    suite = with_task(
        output_type="generate_until",
        doc_to_choice=None,
        doc_to_target="{{label}}",
        metric_list=[{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
        generation_kwargs={"until": [], "do_sample": False, "temperature": 0.0, "max_gen_toks": 8},
    )
    task = tasks_of(suite, shots=0)[0]
    asked = job(bench_run, [task], limit=4, batch_size=1)
    answer(asked)
    part, _ = read_sealed(Path(asked.parts[task.name]))
    renderer = Renderer(tokenizer)
    settings = GenerationSettings(
        max_new_tokens=8, temperature=0.0, seed=0, stop_ids=tuple(renderer.stop_ids), num_threads=1
    )
    engine = HFEngine(asked.model, settings=settings, place=Place())
    for row, sample in zip(ROWS[:4], part["samples"], strict=True):
        (found,) = engine.generate([renderer.prompt([{"role": "user", "content": row["question"]}])])
        assert sample["answer"] == tokenizer.decode(found.ids, skip_special_tokens=True)


def test_a_question_without_its_answer_is_refused(bench_run: Path) -> None:
    task = tasks_of(with_task(doc_to_target="{{label + 1}}"), shots=0)[0]
    with pytest.raises(InputError, match=r"of 6 question\(s\) the right answer is none of the choices"):
        answer(job(bench_run, [task]))


def test_worked_examples_stand_before_the_question_as_turns(bench_run: Path) -> None:
    task = tasks_of(quiz(shots=2))[0]
    asked = job(bench_run, [task], limit=1)
    answer(asked)
    (sample,) = read_sealed(Path(asked.parts[task.name]))[0]["samples"]
    assert sample["prompt"].count("<|im_start|>user") == 3
    assert sample["prompt"].count("<|im_start|>assistant") == 3


def test_a_prompt_longer_than_the_context_is_counted(bench_run: Path) -> None:
    task = tasks_of(with_task(doc_to_text="{{question * 60}}"), shots=0)[0]
    asked = job(bench_run, [task], limit=2)
    answer(asked)
    assert read_sealed(Path(asked.parts[task.name]))[0]["num_cut"] == 2


def test_a_suite_takes_the_harness_groups_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    (entry,) = SUITE["tasks"]

    def known(kind: str, **values: Any) -> SimpleNamespace:
        return SimpleNamespace(kind=SimpleNamespace(name=kind), yaml_path="/h/a.yaml", tags=(), **values)

    few = {**entry["define"], "num_fewshot": 4}
    index = {
        "all": known("GROUP", cfg={"task": ["some", "c"]}),
        "some": SimpleNamespace(kind=SimpleNamespace(name="TAG"), tags={"b", "a"}),
        "a": known("TASK", cfg=few),
        "b": known("TASK", cfg=few),
        "c": known("TASK", cfg=entry["define"]),
    }
    monkeypatch.setattr(harness, "_index", lambda: index)
    tasks = tasks_of(quiz(tasks=[{"task": "all"}]))
    assert [(task.name, task.shots) for task in tasks] == [("a", 4), ("b", 4), ("c", 0)]
    assert [one.split for one in tasks[0].wanted] == ["test", "train"]
    assert [one.split for one in tasks[2].wanted] == ["test"]
    assert "/h" not in str(tasks[0].protocol())
    assert {task.shots for task in tasks_of(quiz(tasks=[{"task": "all"}]), shots=1)} == {1}
    with pytest.raises(InputError, match="suite quiz: b is asked twice"):
        tasks_of(quiz(tasks=[{"task": "all"}, {"task": "b"}]))
    with pytest.raises(InputError, match=r"has no task 'al'; did you mean all\?"):
        tasks_of(quiz(tasks=[{"task": "al"}]))


def test_a_metric_that_a_task_lacks_is_named() -> None:
    with pytest.raises(InputError, match="task quiz_choice has no metric 'f1'; it has acc"):
        tasks_of(quiz(metric="f1"))
    with pytest.raises(InputError, match="task quiz_choice has no filter 'strict'; it has none"):
        tasks_of(quiz(filter="strict"))


def test_every_shipped_suite_is_known_to_the_harness(monkeypatch: pytest.MonkeyPatch) -> None:
    from lm_eval import tasks as harness_tasks

    folder = Path(str(harness_tasks.__file__)).parent  # of which reading the whole takes long
    names = ("click", "gsm8k", "haerae", "hrm8k", "ifeval", "kmmlu/default", "kobest", "mmlu/default")
    index = harness_tasks.TaskManager(
        include_path=[folder / name for name in names], include_defaults=False
    ).task_index
    monkeypatch.setattr(harness, "_index", lambda: index)
    found = {name: tasks_of(load_suite(name)) for name in shipped_suites()}
    assert {name: len(tasks) for name, tasks in found.items()} == dict.fromkeys(found, 1) | NUM_TASKS
    assert all(task.higher_is_better for tasks in found.values() for task in tasks)
    assert {task.shots for task in found["kmmlu"]} == {5}
    assert found["gsm8k"][0].filter == "flexible-extract"


def test_tasks_of_the_harness_read_kobests_own_tables(
    bench_run: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lm_eval import tasks as harness_tasks

    folder = Path(str(harness_tasks.__file__)).parent / "kobest"
    index = harness_tasks.TaskManager(include_path=folder, include_defaults=False).task_index
    monkeypatch.setattr(harness, "_index", lambda: index)
    suite = load_suite("kobest_dev")
    tasks = tasks_of(suite, shots=1)
    wanted = [one for task in tasks for one in task.wanted]
    found = find_tables(wanted, suite=suite, folder=shared_data / "ko" / "kobest", cure="x")
    tables = {task.name: {one.split: found[one] for one in task.wanted} for task in tasks}
    asked = job(bench_run, tasks, tables=tables, limit=2)
    answer(asked)
    parts = {name: read_sealed(Path(part))[0] for name, part in asked.parts.items()}
    assert {name: len(part["samples"]) for name, part in parts.items()} == {task.name: 2 for task in tasks}
    first = parts["kobest_copa"]["samples"][0]
    assert first["prompt"].count("<|im_start|>user") == 2
    assert first["target"] == "병사들이 전투에 파견되었다."


def test_kmmlu_redux_asks_as_it_says() -> None:
    """The task that the harness lacks: its templates on a row of the data set's form."""
    from lm_eval.utils import apply_template

    define = load_suite("kmmlu_redux").tasks[0].define
    assert define is not None
    doc = {"question": "물의 끓는점은? ", "options": ["0도", "50도", "100도", "200도"], "solution": "3"}
    text = "물의 끓는점은?\nA. 0도\nB. 50도\nC. 100도\nD. 200도\n정답："
    assert apply_template(define["doc_to_text"], doc) == text
    assert apply_template(define["doc_to_choice"], doc) == "['A', 'B', 'C', 'D']"
    assert apply_template(define["doc_to_target"], doc) == "2"


def test_without_the_harness_its_pins_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "PACKAGE", "no-such-package")
    with pytest.raises(
        EnvironmentFailure, match=r"not installed; in the checkout: .*requirements-bench\.lock"
    ):
        harness_version()


def sample(**values: Any) -> dict[str, Any]:
    return {
        "doc_id": 0,
        "doc_hash": "d",
        "prompt_hash": "p",
        "target": 1,
        "arguments": [("question", " a"), ("question", " b")],
        "filtered_resps": [(-2.0, False), (-1.0, False)],
        "acc": 1.0,
        **values,
    }


def test_what_is_kept_of_a_sample() -> None:
    task = tasks_of(quiz())[0]
    assert _row(sample(), task)["answer"] == "b"
    several = _row(sample(acc=[True, False, True]), task)
    assert (several["value_sum"], several["value_count"]) == (2.0, 3)
    assert _answer(sample(arguments=[("q", {})], filtered_resps=["42"])) == "42"
    with pytest.raises(InputError, match="acc is no number of a sample"):
        _row(sample(acc=(0, 1)), task)


def test_the_data_are_named_as_on_the_hub() -> None:
    (wanted,) = tasks_of(quiz(), shots=0)[0].wanted
    assert (wanted.dataset, wanted.key) == (DATASET, "someone/quiz/default")
