"""The engine that starts a vLLM elsewhere: a real process, a real HTTP server, and nothing left behind."""

import contextlib
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from eval.answering.choice import choose_engine, installed
from eval.answering.groups import ModelRef, Prompt, make_groups
from eval.answering.pool import answer_groups
from eval.engines import GenerationSettings, Place, prompt_seed, vllm_server
from eval.engines.hf import HFEngine
from eval.engines.vllm_server import (
    VLLMServerEngine,
    missing,
    request_bodies,
    serve_arguments,
    server_environment,
    versions,
)
from hunmin.errors import EnvironmentFailure, InputError

ROOT = Path(__file__).resolve().parents[3]
SERVER = Path(__file__).with_name("completions_server.py")
SETTINGS = GenerationSettings(
    max_new_tokens=24,
    temperature=0.0,
    seed=7,
    stop_ids=tuple(range(5, 500, 25)),
    num_threads=1,
    engine="vllm_server",
)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A program that takes the place of the other environment's Python."""
    path = tmp_path_factory.mktemp("venv") / "python"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{SERVER}" "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.fixture(scope="module")
def engine(python: str, model_folder: Path) -> Iterator[VLLMServerEngine]:
    started = VLLMServerEngine(str(model_folder), settings=SETTINGS, place=Place(python=python))
    yield started
    started.close()


def pids_of(engine: VLLMServerEngine) -> list[int]:
    """The server and its worker."""
    words = engine._server.last_lines().split()
    return [int(words[words.index("of") + 1]), int(words[words.index("worker") + 1])]


def await_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 30
    while alive := [pid for pid in pids if psutil.pid_exists(pid)]:
        assert time.monotonic() < deadline, f"{alive} are left behind"
        time.sleep(0.1)


def test_greedy_answers_are_ours_in_the_order_of_the_prompts(
    engine: VLLMServerEngine, model_folder: Path, prompts: list[list[int]]
) -> None:
    wanted = HFEngine(str(model_folder), settings=SETTINGS).generate(prompts)
    assert engine.generate(prompts) == wanted
    assert {one.stopped for one in wanted} == {True, False}
    assert engine.generate(prompts[5:6]) == wanted[5:6]


def test_what_the_server_refuses_is_one_message(engine: VLLMServerEngine) -> None:
    with pytest.raises(EnvironmentFailure, match=r"refused the prompts \(HTTP 400: .*out of vocabulary"):
        engine.generate([[500]])


def test_the_key_is_asked_for_and_stands_in_no_list_of_processes(engine: VLLMServerEngine) -> None:
    (server, _) = pids_of(engine)
    assert not any(engine._key in part for part in psutil.Process(server).cmdline())
    key, engine._key = engine._key, "wrong"
    try:
        with pytest.raises(EnvironmentFailure, match="HTTP 401"):
            engine.generate([[280]])
    finally:
        engine._key = key


def test_closing_ends_the_server_and_its_workers(python: str, model_folder: Path) -> None:
    started = VLLMServerEngine(str(model_folder), settings=SETTINGS, place=Place(python=python))
    pids = pids_of(started)
    assert all(map(psutil.pid_exists, pids))
    started.close()
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    started.close()  # twice is once


def test_a_server_that_dies_is_one_message_and_its_workers_go_too(python: str, model_folder: Path) -> None:
    started = VLLMServerEngine(str(model_folder), settings=SETTINGS, place=Place(python=python))
    pids = pids_of(started)
    os.kill(pids[0], signal.SIGKILL)
    with pytest.raises(EnvironmentFailure, match=r"the vLLM server broke off .*It said last:\nworker"):
        started.generate([[280, 290]])
    await_gone(pids)
    started.close()
    assert started._server.exit_code() == -signal.SIGKILL


OWNER = """
import sys, time
from test_eval_engines_vllm_server import SETTINGS, pids_of
from eval.engines import Place
from eval.engines.vllm_server import VLLMServerEngine

engine = VLLMServerEngine(sys.argv[1], settings=SETTINGS, place=Place(python=sys.argv[2]))
print(*pids_of(engine), flush=True)
time.sleep(600)
"""


def test_an_owner_that_is_killed_leaves_nothing_behind(python: str, model_folder: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(model_folder), python],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"},
    )
    assert owner.stdout is not None
    pids = [int(word) for word in owner.stdout.readline().split()]
    assert len(pids) == 2
    assert all(map(psutil.pid_exists, pids))
    owner.kill()
    owner.wait()
    owner.stdout.close()
    await_gone(pids)


def test_actors_ask_their_servers_and_leave_none_behind(
    ray_local: None, python: str, model_folder: Path, prompts: list[list[int]], tmp_path: Path
) -> None:
    """Of a model each, one after the other; the killed actor's server goes with it, and another comes."""
    models = [ModelRef("base", str(model_folder), "a"), ModelRef("tuned", str(model_folder), "b")]
    named = [Prompt(f"row/{index}", ids) for index, ids in enumerate(prompts)]
    groups = make_groups(named, models=models, settings=SETTINGS, batch_size=1, parts_dir=tmp_path)
    others, seen = servers(model_folder), set[int]()
    killed = threading.Event()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            alive = servers(model_folder) - others
            seen.update(alive)
            if alive and list(tmp_path.rglob("*.json")) and not killed.is_set():
                (actor,) = [one for one in psutil.Process().children(recursive=True) if is_actor(one)]
                actor.kill()
                killed.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        found = answer_groups(groups, settings=SETTINGS, num_actors=None, num_cpus=2, python=python)
    finally:
        done.set()
        watcher.join()
    alone = HFEngine(str(model_folder), settings=SETTINGS)
    wanted = {prompt.sample_id: alone.generate([prompt.ids])[0] for prompt in named}
    assert found == {"base": wanted, "tuned": wanted}
    assert killed.is_set()
    assert len(seen) == 3
    await_gone(sorted(seen))


def servers(model_folder: Path) -> set[int]:
    """Those that serve this model now; the module's own engine may be one."""
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if {str(SERVER), f"--model={model_folder}"} <= set(process.cmdline()):
                found.add(process.pid)
    return found


def is_actor(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return "ray::Answerer" in " ".join(process.cmdline())
    return False


@pytest.mark.slow
@pytest.mark.skipif("HUNMIN_VLLM_PYTHON" not in os.environ, reason="HUNMIN_VLLM_PYTHON names no real vLLM")
def test_a_real_vllm_answers_as_we_do(
    prompts: list[list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In fp32, without ties; its build for CPUs wants heads of 32 numbers or more."""
    python = os.environ["HUNMIN_VLLM_PYTHON"]
    assert missing(python) is None
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            hidden_size=128,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            vocab_size=500,
            max_position_embeddings=512,
            eos_token_id=1,
        )
    )
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=0.3)
    model.save_pretrained(tmp_path)
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")  # GiB
    engine = VLLMServerEngine(str(tmp_path), settings=SETTINGS, place=Place(python=python))
    try:
        found = engine.generate(prompts)
        pids = [one.pid for one in psutil.process_iter() if is_of_vllm(one, engine._port)]
    finally:
        engine.close()
    assert found == HFEngine(str(tmp_path), settings=SETTINGS).generate(prompts)
    assert pids
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


def is_of_vllm(process: psutil.Process, port: int) -> bool:
    """The server, or one that it started."""
    with contextlib.suppress(psutil.Error):
        return any(f"--port={port}" in one.cmdline() for one in (process, *process.parents()))
    return False


def test_a_start_that_fails_says_why(
    python: str, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_VLLM", "refuse")
    with pytest.raises(EnvironmentFailure) as refused:
        VLLMServerEngine(str(model_folder), settings=SETTINGS, place=Place(python=python))
    said = str(refused.value)
    assert "ended with exit code 3 before it was ready" in said
    assert said.endswith("INFO loading\nValueError: Model architectures ['Odd'] are not supported")
    assert refused.value.exit_code == 4


def test_a_start_that_stands_still_is_ended(
    python: str, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_VLLM", "silent")
    monkeypatch.setattr(vllm_server, "SILENT_LIMIT_S", 1.0)
    with pytest.raises(EnvironmentFailure, match=r"printed nothing for 1 s and is not ready.*\nINFO waiting"):
        VLLMServerEngine(str(model_folder), settings=SETTINGS, place=Place(python=python))


def test_what_is_missing_is_said_with_the_cure(python: str, tmp_path: Path) -> None:
    assert missing(python) is None
    assert versions(python) == {"vllm": "0.32.0", "torch": "2.13.0"}
    assert "eval.vllm_python names no Python" in str(missing(None))
    assert "is not a program" in str(missing(str(tmp_path / "none")))
    told = str(missing(sys.executable))
    assert "has no vLLM" in told
    assert "pip install vllm" in told
    assert "vllm_server" in installed(python)
    assert "vllm_server" not in installed()
    with pytest.raises(InputError, match=r"eval\.engine: vllm_server, but eval\.vllm_python names no"):
        choose_engine("vllm_server", num_gpus=1, available=["hf"])
    assert choose_engine("auto", num_gpus=1, available=installed(python), lowest=(9, 0)) == "vllm_server"
    assert choose_engine("auto", num_gpus=0, available=installed(python)) == "hf"


def test_the_server_gets_the_engines_own_arguments() -> None:
    four = Place(tuple(f"cuda:{index}" for index in range(4)))
    asked = serve_arguments("folder", replace(SETTINGS, dtype="bfloat16"), place=four, port=80)
    assert {
        "--model=folder",
        "--skip-tokenizer-init",
        "--no-trust-remote-code",
        "--no-enable-prefix-caching",
        "--dtype=bfloat16",
        "--tensor-parallel-size=4",
        "--distributed-executor-backend=mp",
        "--host=127.0.0.1",
        "--port=80",
    } <= set(asked)
    ours = {"PYTHONPATH": "/ours", "PATH": "/bin", "CUDA_VISIBLE_DEVICES": "2,3"}
    found = server_environment(ours, SETTINGS, on_gpu=True, key="k")
    assert "PYTHONPATH" not in found
    assert (found["PATH"], found["CUDA_VISIBLE_DEVICES"]) == ("/bin", "2,3")
    assert (found["VLLM_API_KEY"], found["VLLM_BATCH_INVARIANT"], found["OMP_NUM_THREADS"]) == ("k", "1", "1")
    assert "VLLM_BATCH_INVARIANT" not in server_environment(ours, SETTINGS, on_gpu=False, key="k")


def test_greedy_prompts_go_together_and_sampled_ones_with_a_seed_each() -> None:
    (body,) = request_bodies([[5, 6], [7]], SETTINGS, stop_ids={9, 2})
    assert (body["prompt"], body["stop_token_ids"], body["seed"]) == ([[5, 6], [7]], [2, 9], None)
    assert (body["ignore_eos"], body["max_tokens"], body["return_token_ids"]) == (True, 24, True)
    first, second = request_bodies([[5, 6], [7]], replace(SETTINGS, temperature=0.5), stop_ids={2})
    assert (first["prompt"], second["prompt"]) == ([[5, 6]], [[7]])
    assert [first["seed"], second["seed"]] == [prompt_seed(7, [5, 6]), prompt_seed(7, [7])]
