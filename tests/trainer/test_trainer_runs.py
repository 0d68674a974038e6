"""Whole runs by their real starters: killed, stopped, started again; torchrun and Ray Train give the same."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from rank_helpers import make_data, make_tokenizer
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig

from hunmin.artifact import load_manifest, verify
from hunmin.errors import EnvironmentFailure, InputError, StopRequested
from hunmin.models.config import ModelConfig
from hunmin.models.tokenizer import load_tokenizer
from trainer.__main__ import load_job
from trainer.config import TrainConfig, stage_inputs
from trainer.metrics import metrics_log

NUM_STEPS = 40
CONFIG: dict[str, Any] = {
    "seed": 5,
    "model": {"from_scratch": {"hidden_size": 32, "num_layers": 2, "num_heads": 2, "vocab_size": 512}},
    "train": {
        "global_batch_size": 4,
        "num_steps": NUM_STEPS,
        "learning_rate": 5e-3,
        "val_interval": 4,
        "save_interval": 3,
        "tensorboard": False,
    },
}


def make_run(root: Path) -> Path:
    make_data(root / "data")
    (root / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    return root


def torchrun(run_dir: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.Popen([*command, "-m", "trainer", str(run_dir)], start_new_session=True)


def finish_torchrun(run_dir: Path) -> None:
    assert torchrun(run_dir).wait(300) == 0
    verify(run_dir / "train", cure="-")


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to torchrun and every rank: nobody can tidy up."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in family:
        member.kill()
    psutil.wait_procs(family, timeout=30)
    process.wait(30)


def steps_done(run_dir: Path) -> int:
    lines = metrics_log.read_lines(run_dir / "train/metrics.jsonl")
    return max((line["step"] for line in lines if line["kind"] == "train"), default=0)


def wait_for(condition: Callable[[], bool], *, timeout_s: float = 200) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came so far"
        time.sleep(0.02)


def losses(run_dir: Path) -> list[tuple[str, int, float]]:
    lines = metrics_log.read_lines(run_dir / "train/metrics.jsonl")
    return [(line["kind"], line["step"], line["loss"]) for line in lines if line["kind"] != "samples"]


def weights(run_dir: Path) -> bytes:
    return (run_dir / "train/export/model.safetensors").read_bytes()


def as_ray(run_dir: Path, **changes: Any):
    from trainer.ray_workers import run

    config = TrainConfig(**(CONFIG["train"] | changes.pop("train", {})))
    model = changes.pop("model", ModelConfig(**CONFIG["model"]))
    data = load_manifest(run_dir / "data")
    assert data is not None
    return run(
        config=config,
        model=model,
        seed=5,
        data_dir=run_dir / "data",
        out_dir=run_dir / "train",
        num_workers=2,
        gpus_per_worker=0,
        inputs=stage_inputs(config, model=model, seed=5, base=run_dir, data_sha256=data.content_sha256),
    )


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody disturbed."""
    run_dir = make_run(tmp_path_factory.mktemp("straight"))
    finish_torchrun(run_dir)
    assert steps_done(run_dir) == NUM_STEPS
    return run_dir


def test_killed_at_random_and_started_again(straight: Path, tmp_path: Path) -> None:
    run_dir = make_run(tmp_path)
    draw = random.Random(11)
    for kill_after in (draw.randint(1, 6), draw.randint(7, NUM_STEPS // 2)):
        process = torchrun(run_dir)
        wait_for(lambda step=kill_after: steps_done(run_dir) >= step)
        time.sleep(draw.uniform(0, 0.2))  # anywhere in a step, a validation or a save
        kill_tree(process)
        assert load_manifest(run_dir / "train") is None, "the kill came before the end"
    finish_torchrun(run_dir)
    assert weights(run_dir) == weights(straight)
    assert losses(run_dir) == losses(straight), "every step once, nothing twice"


def start_ranks(run_dir: Path) -> list[subprocess.Popen[bytes]]:
    """As srun does: the contract in the environment, no torchrun, so that exit codes are seen."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    contract = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [
        subprocess.Popen(
            [sys.executable, "-m", "trainer", str(run_dir)],
            env=os.environ | contract | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
        )
        for rank in range(2)
    ]


def test_sigterm_saves_and_exits_75(straight: Path, tmp_path: Path) -> None:
    run_dir = make_run(tmp_path)
    ranks = start_ranks(run_dir)
    wait_for(lambda: steps_done(run_dir) >= 2)
    ranks[1].send_signal(signal.SIGTERM)  # one rank hears it, all stop
    texts = [rank.communicate(timeout=120)[1].decode() for rank in ranks]
    assert [rank.returncode for rank in ranks] == [75, 75]
    stopped_at = steps_done(run_dir)
    assert 2 <= stopped_at < NUM_STEPS
    assert f"stopped on request after step {stopped_at} of {NUM_STEPS}" in texts[0]
    assert (run_dir / f"train/checkpoints/step-{stopped_at:08d}/checkpoint.json").exists()
    finish_torchrun(run_dir)
    assert weights(run_dir) == weights(straight)
    assert losses(run_dir) == losses(straight)


def test_a_dead_rank_ends_the_other(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path)
    ranks = start_ranks(run_dir)
    wait_for(lambda: steps_done(run_dir) >= 1)
    ranks[1].kill()
    told = ranks[0].communicate(timeout=60)[1].decode()
    assert ranks[0].returncode == 4
    assert "EnvironmentFailure: a rank died" in told
    assert "Traceback" not in told


def test_rank_contract_is_asked_for(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path)
    environment = {name: value for name, value in os.environ.items() if name != "RANK"}
    done = subprocess.run(
        [sys.executable, "-m", "trainer", str(run_dir)], env=environment, capture_output=True, timeout=120
    )
    assert done.returncode == 2
    assert b"RANK" in done.stderr
    assert b"torchrun" in done.stderr
    assert b"Traceback" not in done.stderr


def test_data_of_another_tokenizer_is_refused(tmp_path: Path) -> None:
    """Of the same size: the ids would all be in range, and mean other words."""
    make_run(tmp_path)
    vocab_size = len(load_tokenizer(tmp_path / "data/tokenizer"))
    make_tokenizer(tmp_path / "model", vocab_size=vocab_size)
    LlamaConfig(vocab_size=vocab_size).save_pretrained(tmp_path / "model")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG | {"model": {"path": "model"}}))
    assert load_job(tmp_path).model.path == str(tmp_path / "model")
    described = (tmp_path / "model/tokenizer.json").read_text()
    (tmp_path / "model/tokenizer.json").write_text(described.replace("<x0>", "<y0>").replace("<x1>", "<y1>"))
    with pytest.raises(InputError, match=r"2 of its \d+ ids are other tokens .*hunmin data"):
        load_job(tmp_path)


@pytest.mark.usefixtures("ray_local")
class TestRay:
    def test_equals_torchrun(self, straight: Path, tmp_path: Path) -> None:
        manifest = as_ray(make_run(tmp_path))
        verify(tmp_path / "train", cure="-")
        assert weights(tmp_path) == weights(straight)
        assert losses(tmp_path) == losses(straight)
        by_torchrun = load_manifest(straight / "train")
        assert by_torchrun is not None
        assert manifest.content_sha256 == by_torchrun.content_sha256
        assert manifest.config_sha256 == by_torchrun.config_sha256
        assert manifest.counts == by_torchrun.counts
        assert manifest.extra["base"] == "base"

    def test_signal_to_the_driver_stops_the_ranks(self, straight: Path, tmp_path: Path) -> None:
        make_run(tmp_path)

        def ask() -> None:
            wait_for(lambda: steps_done(tmp_path) >= 2)
            os.kill(os.getpid(), signal.SIGUSR1)

        thread = threading.Thread(target=ask)
        thread.start()
        with pytest.raises(StopRequested, match="stopped on request") as stopped:
            as_ray(tmp_path)
        thread.join()
        assert stopped.value.exit_code == 75
        assert steps_done(tmp_path) < NUM_STEPS
        finish_torchrun(tmp_path)  # another starter goes on where Ray Train stopped
        assert weights(tmp_path) == weights(straight)

    def test_an_error_of_the_ranks_keeps_its_class(self, straight: Path, tmp_path: Path) -> None:
        make_run(tmp_path)
        broken = tmp_path / "broken"
        shutil.copytree(straight / "train/base", broken)
        tensors = load_file(broken / "model.safetensors")
        del tensors["model.norm.weight"]
        save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(InputError, match=r"missing model\.norm\.weight"):
            as_ray(tmp_path, model=ModelConfig.model_validate({"path": str(broken)}))

    def test_lost_ranks_are_started_again_up_to_a_limit(
        self, straight: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """One of two ranks is killed: once, then twice, where one restart is allowed."""
        restarted, given_up = make_run(tmp_path / "restarted"), make_run(tmp_path / "given-up")
        thread = threading.Thread(target=kill_a_rank, args=(restarted, [5]))
        thread.start()
        as_ray(restarted, train={"max_restarts": 1})
        thread.join()
        said = capsys.readouterr().out
        assert "died" in said
        assert "(restart 1 of 1)" in said
        assert weights(restarted) == weights(straight), "as if nothing had been"
        assert losses(restarted) == losses(straight)

        thread = threading.Thread(target=kill_a_rank, args=(given_up, [5, 9]))
        thread.start()
        with pytest.raises(EnvironmentFailure, match=r"rank.* died .* goes on from the last checkpoint"):
            as_ray(given_up, train={"max_restarts": 1})
        thread.join()


def kill_a_rank(run_dir: Path, at_steps: list[int]) -> None:
    """Kill a Ray Train worker when the run is at each of the steps; the others must end within a minute."""
    for step in at_steps:
        wait_for(lambda step=step: steps_done(run_dir) >= step)
        children = psutil.Process().children(recursive=True)
        ranks = [child for child in children if "RayTrainWorker" in " ".join(child.cmdline())]
        assert ranks
        ranks[-1].kill()
        _, alive = psutil.wait_procs(ranks, timeout=60)
        assert not alive, "one's death ends the others"
