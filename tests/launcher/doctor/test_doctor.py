"""The doctor on sound and on broken machines: what it names as missing, and that it never falls itself."""

import json
import os
import re
import socket
import subprocess
import sys
import venv
from collections import namedtuple
from pathlib import Path

import pytest

from launcher.cluster import ray_folder
from launcher.doctor import doctor, machine, packages, readiness
from launcher.doctor.findings import GIB, Finding

ROOT = Path(__file__).resolve().parents[3]
CONFIG = """\
name: t
model: {from_scratch: {hidden_size: 32, num_layers: 1, vocab_size: 600}}
data:
  sources: [{name: a, format: alpaca, path: a.jsonl}]
"""


def examined(python: str, *args: str, **env: str) -> tuple[int, dict[str, Finding]]:
    """`hunmin doctor --json` of an interpreter: exit code and findings by name."""
    done = subprocess.run(
        [python, "-m", "launcher", "doctor", "--json", *args],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
        env=os.environ | env,
    )
    assert "Traceback" not in done.stderr, done.stderr
    found = [Finding(**one) for one in json.loads(done.stdout)["findings"]]
    return done.returncode, {one.what: one for one in found}


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An environment without a single package."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=True)
    return str(folder / "bin" / "python")


def test_here_nothing_needed_is_missing() -> None:
    code, found = examined(sys.executable)
    assert code == 0, [one for one in found.values() if one.status == "missing"]
    assert found["torch"].status == "ok"
    assert found["torch"].found.startswith("2.13.0")
    assert found["sacrebleu with ko-mecab"].found == "splits Korean"
    assert found["model hub"].found == "not tried"


def test_without_packages_it_names_them_and_what_to_type(bare_python: str) -> None:
    code, found = examined(bare_python, "configs/quickstart.yaml")
    assert code == 4
    assert found["needed packages"].status == "missing"
    assert "deepspeed" in found["needed packages"].found
    assert found["torch"].found == "ModuleNotFoundError: No module named 'torch'"
    assert found["torch"].cure == f"{bare_python} -m pip install torch==2.13.0"
    assert found["CPU cores"].found
    assert found["configs/quickstart.yaml"].status == "missing"


def test_without_packages_other_commands_say_where_to_look(bare_python: str) -> None:
    done = subprocess.run(
        [bare_python, "-m", "launcher", "run", "x.yaml"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 4
    assert "-m launcher doctor" in done.stderr
    assert "Traceback" not in done.stderr


def test_broken_libraries_are_told_apart(tmp_path: Path) -> None:
    for name, code in (
        ("torch", "raise ImportError('libcudart.so.12: cannot open shared object file')"),
        ("ray", "import os; os.abort()"),
        ("sentencepiece", "print('noise'); __version__ = '0.0'"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(code)
    code, found = examined(sys.executable, PYTHONPATH=str(tmp_path))
    assert code == 4
    assert "libcudart" in found["torch"].found
    assert found["transformers"].found == "fails as torch does; repair torch first"
    assert found["ray"].found == "the import ended the process (killed by signal 6)"
    assert "--force-reinstall" in str(found["ray"].cure)
    assert found["pyarrow"].status == "ok"
    assert found["sentencepiece"].found == "0.0"


def test_an_import_without_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "endless.py").write_text("import time; time.sleep(60)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(doctor, "LIMIT_S", 1)
    monkeypatch.setattr(doctor._run, "__kwdefaults__", {"limit_s": 1})
    assert doctor._import_probe({"endless": "import endless"}) == {
        "endless": {"error": "the import did not end in 1 s"}
    }


def test_a_broken_probe_is_a_line_and_stops_no_other() -> None:
    def broken() -> list[Finding]:
        raise ValueError("no such thing")

    (found,) = doctor._isolated("machine", "memory", broken)
    assert (found.what, found.status, "no such thing" in found.found) == ("memory", "warning", True)


def test_every_probe_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ValueError("no such thing")

    for module, names in (
        (machine, ("memory", "network")),
        (packages, ("python_version", "demo_model")),
        (doctor, ("_tools", "_hub", "_gpu_findings", "_korean_font")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, broken)
    monkeypatch.setattr(doctor, "_IMPORTS", ({"torch": "found = {'version': '1', 'cuda': None}"},))
    found = {one.what: one for one in doctor.doctor(None, network=False)[0]}
    for what in ("memory", "network", "Python", "demo model", "tools", "model hub", "GPUs", "Korean font"):
        assert (found[what].status, "no such thing" in found[what].found) == ("warning", True), what
    for what in ("CPU cores", "open files", "SLURM", "torch"):
        assert "no such thing" not in found[what].found


@pytest.mark.parametrize("text", [None, "name: t\nnope: 1\n", CONFIG])
def test_a_wrong_config_is_exit_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str | None
) -> None:
    """No such file, an unknown key, a source that is not there: as hunmin run ends."""
    monkeypatch.setattr(doctor, "_IMPORTS", ({"torch": "found = {'version': '1', 'cuda': None}"},))
    if text is not None:
        (tmp_path / "t.yaml").write_text(text)
    assert doctor.main([str(tmp_path / "t.yaml")]) == 2
    assert re.search(r"^  WRONG +", out := capsys.readouterr().out, re.MULTILINE), out
    assert "1 wrong" in out.splitlines()[-1]


def test_cures_name_the_lock_where_they_are_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout, elsewhere = tmp_path / "checkout", tmp_path / "else"
    for folder in (checkout, elsewhere):
        folder.mkdir()
    (checkout / "requirements.lock").write_text("no-a==1\nno-b==1\nno-c==1\n")
    (checkout / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["no-a", "no-b"]\n')
    for folder, named in ((elsewhere, checkout / "requirements.lock"), (checkout, "requirements.lock")):
        monkeypatch.chdir(folder)
        found = {one.what: one for one in packages.pinned_packages(checkout)}
        assert str(found["needed packages"].cure).endswith(f" -r {named}")


def test_versions_are_held_against_the_lock(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text("typer==0.0.1\nno-such-package==1.0\npyyaml==1.2\n")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\ndependencies = ["typer", "PyYAML>=1"]\n'
        '[project.optional-dependencies]\ndev = ["no-such-package"]\n'
    )
    found = {one.what: one for one in packages.pinned_packages(tmp_path)}
    assert "typer 0.29.2 instead of 0.0.1" in found["versions"].found
    assert str(found["versions"].cure).endswith("-m pip install typer==0.0.1 pyyaml==1.2")
    assert found["for make test"].status == "optional"
    assert "needed packages" not in found


def hang(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    "files",
    [
        {
            "proc/self/cgroup": "0::/user/job\n",
            "sys/fs/cgroup/user/job/cpu.max": "max 100000\n",
            "sys/fs/cgroup/user/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/user/job/memory.max": "2147483648\n",
        },
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/job\n3:memory:/job\n",
            "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "150000\n",
            "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "2147483648\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    ],
    ids=["version 2", "version 1"],
)
def test_cgroup_limits_count(tmp_path: Path, files: dict[str, str]) -> None:
    memory = "MemTotal: 67108864 kB\nMemAvailable: 33554432 kB\n"
    root = hang(tmp_path, files | {"proc/meminfo": memory})
    assert machine.cores(root).status == "warning"
    assert "1.5 by cgroup quota" in machine.cores(root).found
    found = machine.memory(root)
    assert (found.status, "2.0 GiB by cgroup or SLURM limit (the machine has 64 GiB)" in found.found) == (
        "warning",
        True,
    )


def test_small_disks_and_shared_memory_warn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")(64 << 20, 0, 64 << 20)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: usage)
    (tmp_path / "dev/shm").mkdir(parents=True)
    shm = machine.shared_memory(tmp_path)
    assert (shm.status, shm.cure) == ("warning", "docker run --shm-size=4g …")
    assert machine.disk("disk", tmp_path / "a" / "b", 10 * GIB, "cure").status == "warning"


def test_a_host_without_a_name_and_a_wrong_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: object, **kwargs: object) -> None:
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(machine.socket, "getaddrinfo", unknown)
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    host, interface = machine.network()
    assert (host.status, interface.status) == ("warning", "warning")
    assert "/etc/hosts" in str(host.cure)
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "nothere0")
    assert machine.network()[1].status == "missing"


def test_few_open_files_name_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.resource, "getrlimit", lambda which: (1024, 524288))
    assert machine.open_files().cure == "ulimit -n 65536"


def test_what_a_run_would_say_of_ray_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.ray_files().status == "ok"
    monkeypatch.setattr(ray_folder, "_candidates", lambda: ["/tmp/" + "x" * 80, "/proc"])
    found = machine.ray_files()
    assert (found.status, found.cure) == ("missing", "export TMPDIR=/a/short/path")
    assert "too long" in found.found
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert machine.ray_address() == []
    for address, status in (("auto", "wrong"), ("127.0.0.1:1", "missing")):
        monkeypatch.setenv("RAY_ADDRESS", address)
        (found,) = machine.ray_address()
        assert (found.status, found.cure) == (status, "unset RAY_ADDRESS")


@pytest.mark.parametrize(
    ("change", "what", "status", "text"),
    [
        ("", "inputs", "ok", "1 sources can be read"),
        ("path: a.jsonl|path: b.jsonl", "inputs", "wrong", "did you mean a.jsonl"),
        ("{from_scratch: {hidden_size: 32, num_layers: 1, vocab_size: 600}}|{path: nobody/nothing}", "model",
         "missing", "neither a folder nor in the hub's cache"),
        ("{from_scratch: {hidden_size: 32, num_layers: 1, vocab_size: 600}}|{path: ., tokenizer: no/such}",
         "tokenizer", "missing", "neither a folder nor in the hub's cache"),
        ("name: t|name: t\ncluster: {num_workers: 64, gpus_per_worker: 1}", "GPUs", "missing", "asks for 64"),
        ("name: t|name: t\ncluster: {num_cpus: 4000}", "cores", "warning", "asks for 4000 cores"),
        ("hidden_size: 32|hidden_size: 65536", "disk", "warning", "parameters writes about"),
    ],
)  # fmt: skip
def test_what_a_config_needs(tmp_path: Path, change: str, what: str, status: str, text: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"instruction": "q", "output": "a"}\n')
    before, _, after = change.partition("|")
    config = tmp_path / "t.yaml"
    config.write_text(CONFIG.replace(before, after) if change else CONFIG)
    found = {one.what: one for one in readiness.config_findings(config, num_gpus=0, runs=tmp_path)}
    assert found[what].status == status, found
    assert text in found[what].found


def test_a_wrong_config_is_one_line(tmp_path: Path) -> None:
    config = tmp_path / "t.yaml"
    config.write_text(CONFIG.replace("format", "fromat"))
    (found,) = readiness.config_findings(config, num_gpus=0, runs=tmp_path)
    assert (found.status, "did you mean data.sources.0.format" in found.found) == ("wrong", True)


def test_the_size_of_a_model_is_counted() -> None:
    from hunmin.models.config import FromScratchConfig

    config = FromScratchConfig.model_validate(
        {"hidden_size": 8, "num_layers": 1, "num_heads": 1, "intermediate_size": 16, "vocab_size": 512}
    )
    assert readiness.scratch_parameters(config) == 512 * 8 + (4 * 64 + 3 * 8 * 16 + 2 * 8) + 8
