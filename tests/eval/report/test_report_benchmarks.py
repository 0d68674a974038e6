"""Benchmarks on the page: each number beside what it was measured by, and none where none was asked."""

from pathlib import Path
from typing import Any

import pytest
from report_run import small_run, write_run

from eval.config import report_inputs
from eval.report import report
from eval.report.optional import benchmarks, parents_of
from hunmin.artifact import commit, write_json
from hunmin.errors import ArtifactError
from hunmin.hashing import sha256_json

TRAIN = sha256_json("train")  # content of the train stage that write_run writes


def interval(value: float, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high}


def scores(base: float, tuned: float, **values: Any) -> dict[str, Any]:
    delta = tuned - base
    return {
        "n": 40,
        "systems": {
            "base": interval(base, base - 0.1, base + 0.1),
            "tuned": interval(tuned, tuned - 0.1, tuned + 0.1),
        },
        "delta": interval(delta, delta - 0.05, delta + 0.05),
        **values,
    }


def task(base: float, tuned: float, **values: Any) -> dict[str, Any]:
    dataset = {
        "name": "a/quiz",
        "subset": None,
        "split": "test",
        "revision": None,
        "sha256": {"test": "f" * 64},
    }
    told = {"metric": "acc", "filter": "none", "higher_is_better": True, "shots": 5, "version": "1.0"}
    return scores(base, tuned, dataset=dataset, num_cut={"base": 0, "tuned": 0}, **{**told, **values})


def bench(
    run_dir: Path, name: str, tasks: dict[str, Any], *, limit: int | None = None, train: str = TRAIN
) -> None:
    folder = run_dir / "bench" / name
    folder.mkdir(parents=True)
    protocol = {
        "harness": "lm-evaluation-harness 0.4.13",
        "engine": "hf",
        "dtype": "float32",
        "batch_size": 16,
        "template_sha256": "ab" * 32,
        "same_ids_as_training": True,
        "limit": limit,
        "shot_seed": 1234,
    }
    results = {
        "schema_version": 1,
        "suite": name,
        "title": f"{name} <퀴즈>",
        "languages": ["ko"],
        "licence": "CC0-1.0",
        "source": "the tests",
        "protocol": protocol,
        "models": {},
        "tasks": tasks,
        "overall": scores(0.4, 0.6) if len(tasks) > 1 else None,
    }
    write_json(folder / "results.json", results)
    commit(
        folder,
        stage=name,
        stage_version=1,
        parents={"train": train},
        config_sha256="0" * 64,
        content_sha256=name[0] * 64,
        counts={},
        files=[folder / "results.json"],
        seconds=0.0,
    )


def page(run_dir: Path) -> str:
    parents = write_run(run_dir, small_run())
    return report.render(report.read_contents(run_dir, parents), "run")[0]


def test_a_run_without_benchmarks_does_not_mention_them(tmp_path: Path) -> None:
    assert benchmarks.content(tmp_path) is None
    assert "benchmarks" not in page(tmp_path)
    (tmp_path / "bench" / "half").mkdir(parents=True)
    assert benchmarks.content(tmp_path) is None


def test_numbers_stand_beside_their_protocol(tmp_path: Path) -> None:
    bench(tmp_path, "quiz", {"quiz_a": task(0.3, 0.5), "quiz_b": task(0.5, 0.3, shots=1)})
    shown = page(tmp_path)
    section = shown[shown.index('<section id="benchmarks"') :]
    assert "quiz &lt;" in section
    for word in (
        "lm-evaluation-harness 0.4.13",
        "abababababab",
        "5 examples, version 1.0",
        "1 example,",
        "0.300",
    ):
        assert word in section
    assert 'class="better">better' in section
    assert 'class="worse">worse' in section
    assert "sha256 ffffffffffff…" in section
    first_screen = shown[: shown.index('<section id="corpus"')]
    assert "tuned 0.600" in first_screen


def test_a_try_is_called_one_and_stays_off_the_first_screen(tmp_path: Path) -> None:
    bench(tmp_path, "quiz", {"quiz_a": task(0.3, 0.5)}, limit=20)
    content = benchmarks.content(tmp_path)
    assert content is not None
    assert benchmarks.facts(content) == []
    assert "only the first 20 questions" in page(tmp_path)


def test_numbers_of_an_export_that_is_gone_say_so(tmp_path: Path) -> None:
    bench(tmp_path, "quiz", {"quiz_a": task(0.3, 0.5)}, train="e" * 64)
    shown = page(tmp_path)
    assert "Of another training" in shown
    assert "Of another training" not in shown[: shown.index('<section id="benchmarks"')]
    content = benchmarks.content(tmp_path)
    assert content is not None
    assert benchmarks.facts(content) == []


def test_many_tasks_are_folded_and_drawn_as_one(tmp_path: Path) -> None:
    bench(tmp_path, "kmmlu", {f"kmmlu_{index}": task(0.3, 0.31) for index in range(45)})
    content = benchmarks.content(tmp_path)
    assert content is not None
    assert content["figure"].description.count("n = ") == 1
    assert "Each of the 45 tasks" in page(tmp_path)


def test_the_report_is_made_again_for_a_new_suite(tmp_path: Path) -> None:
    parents = write_run(tmp_path, small_run())

    def inputs() -> str:
        return str(report_inputs(name="run", seed=0, parents=parents | parents_of(tmp_path)))

    before = inputs()
    bench(tmp_path, "quiz", {"quiz_a": task(0.3, 0.5)})
    assert parents_of(tmp_path) == {"bench/quiz": "q" * 64}
    assert inputs() != before


def test_results_that_were_changed_are_refused(tmp_path: Path) -> None:
    bench(tmp_path, "quiz", {"quiz_a": task(0.3, 0.5)})
    (tmp_path / "bench" / "quiz" / "results.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"results\.json"):
        benchmarks.content(tmp_path)
