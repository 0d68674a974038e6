"""A build that is killed goes on: finished parts are kept, nothing is doubled, the content is the same."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
from test_pipeline import ON_RAY, hunmin, write_corpus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PARTS = (ON_RAY, "data.part_rows=10")


def start(config: Path, run: Path) -> psutil.Popen:
    command = [sys.executable, "-m", "launcher", "data", str(config), "--run", str(run), *PARTS]
    out = (run.parent / "out.txt").open("a")
    return psutil.Popen(command, stdout=out, stderr=subprocess.STDOUT)


def kill_all(driver: psutil.Popen) -> None:
    """The driver, its raylet and every worker, at once, as a node that is switched off."""
    for process in [driver, *driver.children(recursive=True)]:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    driver.wait()


def maps(process: psutil.Process) -> bool:
    """Whether this is a worker of Ray Data at its work, and none of Ray's own helpers."""
    try:
        return process.cmdline()[0].startswith("ray::Map")
    except (psutil.Error, IndexError):
        return False


def content(run: Path) -> str:
    return json.loads((run / "data" / "manifest.json").read_text())["content_sha256"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    done = hunmin("data", write_corpus(folder), "--run", folder / "run", *PARTS)
    assert done.returncode == 0, done.stderr
    return folder / "run"


def test_killed_whenever_a_step_has_begun(whole: Path, tmp_path: Path) -> None:
    config, run, rng = write_corpus(tmp_path), tmp_path / "run", random.Random(0)
    for begun in ("read", "rendered", "shards"):
        driver = start(config, run)
        while not list((run / "data" / ".work" / begun).glob("*")):
            assert driver.poll() is None, (tmp_path / "out.txt").read_text()
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.3))
        kill_all(driver)
    done = hunmin("data", config, "--run", run, *PARTS)
    assert done.returncode == 0, done.stderr
    assert "were done before and are kept" in (tmp_path / "out.txt").read_text() + done.stdout
    assert content(run) == content(whole)
    assert not (run / "data" / ".work").exists()
    ids = pq.read_table(run / "data" / "rows.parquet", columns=["row_id", "epoch", "repeat"]).to_pylist()
    assert len({tuple(line.values()) for line in ids}) == len(ids)


def test_a_worker_killed_midway_changes_nothing(whole: Path, tmp_path: Path) -> None:
    config, run = write_corpus(tmp_path), tmp_path / "run"
    driver = start(config, run)
    killed = 0
    while driver.poll() is None and killed < 3:
        if busy := [p for p in driver.children(recursive=True) if maps(p)]:
            busy[0].kill()
            killed += 1
        time.sleep(0.2)
    assert driver.wait() == 0, (tmp_path / "out.txt").read_text()
    assert killed
    assert content(run) == content(whole)


def test_blocks_in_another_order_and_four_workers_give_the_same(whole: Path, tmp_path: Path) -> None:
    done = hunmin(
        "data",
        write_corpus(tmp_path),
        "--run",
        tmp_path / "run",
        ON_RAY,
        "cluster.num_cpus=4",
        "data.part_rows=7",
    )
    assert done.returncode == 0, done.stderr
    assert content(tmp_path / "run") == content(whole)


def test_another_config_does_not_go_on_with_old_parts(tmp_path: Path) -> None:
    config, run = write_corpus(tmp_path), tmp_path / "run"
    driver = start(config, run)
    while not list((run / "data" / ".work" / "read").glob("*.parquet")):
        assert driver.poll() is None
        time.sleep(0.02)
    kill_all(driver)
    done = hunmin("data", config, "--run", run, "data.validation.skip=[repeated_text]")
    assert done.returncode == 0, done.stderr
    assert "were done before" not in done.stdout
