"""`hunmin bench RUN --suite NAME`: benchmarks that others use, on the model before and after training."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from hunmin.lock import run_lock
from launcher.commands.chat import find_run
from launcher.config import load

if TYPE_CHECKING:
    from eval.bench.bench_results import BenchResults, BenchScores

FETCHED = Path("fetched") / "benchmarks"


def bench(
    run: Path,
    *,
    suite_name: str,
    data: Path | None,
    fetch: bool,
    limit: int | None,
    shots: int | None,
    batch_size: int | None,
) -> "BenchResults | None":
    """Ask both models a suite, and give what its results.json says; with `fetch`, only bring the data.

    Raises:
        InputError: no such run or suite, or data are missing.
        GateError: the model does not fit.
        EnvironmentFailure: the harness is not installed or failed, or the hub does not give the data.
    """
    from eval.bench.harness import tasks_of
    from eval.bench.question_tables import find_tables
    from eval.bench.suites import load_suite

    folder = (data or FETCHED).expanduser()
    suite = load_suite(suite_name)
    run_dir = None if fetch else find_run(run).resolve()
    tasks = tasks_of(suite, shots=shots)
    wanted = [one for task in tasks for one in task.wanted]
    if run_dir is None:
        from eval.bench.fetch_tables import fetch_tables

        fetch_tables(wanted, suite=suite, folder=folder)
        return None
    cure = ["hunmin", "bench", str(run), "--suite", suite_name, "--data", str(folder), "--fetch"]
    tables = find_tables(wanted, suite=suite, folder=folder, cure=shlex.join(cure))

    from eval.bench import benchmark
    from eval.bench.bench_results import read_results
    from launcher.run import Run

    config, base = load(run_dir / "config.yaml", [])
    with run_lock(run_dir):
        benchmark.run(
            suite=suite,
            tasks=tasks,
            tables=tables,
            data=folder,
            run_dir=run_dir,
            base=Run(config, base, run_dir).base_path(),
            asked=benchmark.Asked(
                batch_size=batch_size or config.eval.batch_size,
                num_threads=config.eval.num_threads,
                limit=limit,
                seed=config.seed,
                bootstrap_samples=config.eval.bootstrap_samples,
            ),
        )
    return read_results(run_dir, suite.name)


def as_text(results: "BenchResults") -> str:
    """The table for the terminal: both models, their difference, and the protocol below."""
    rows: list[tuple[str, BenchScores]] = list(results["tasks"].items())
    if results["overall"] is not None:
        rows.append(("all", results["overall"]))
    width = max(len(name) for name, _ in rows)
    lines = [f"{'':{width}}  {'n':>6}  {'base':>7}  {'tuned':>7}  tuned minus base"]
    for name, found in rows:
        base, tuned, delta = found["systems"]["base"], found["systems"]["tuned"], found["delta"]
        ends = "" if delta["low"] is None else f"  [{delta['low']:+.3f}, {delta['high']:+.3f}]"
        lines.append(
            f"{name:{width}}  {found['n']:>6,}  {base['value']:>7.3f}  {tuned['value']:>7.3f}  "
            f"{delta['value']:+.3f}{ends}"
        )
    told = results["protocol"]
    limit = "" if told["limit"] is None else f"; the first {told['limit']} of each task: no number to compare"
    lines.append(
        f"{told['harness']}, {told['engine']} {told['dtype']}, template {told['template_sha256'][:12]}{limit}"
    )
    for name, found in results["tasks"].items():
        if cut := max(found["num_cut"].values()):
            lines.append(f"{name}: {cut} of {found['n']} prompts were longer than the context, and were cut")
    return "\n".join(lines)
