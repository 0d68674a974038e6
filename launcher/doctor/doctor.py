"""`hunmin doctor`: what this machine has, what is missing, and the command that brings it.

It must work where packages are absent or broken, so it imports the standard library only. Heavy libraries
are imported by processes of their own, all at once and with a time limit; a probe that fails is a line.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from launcher.doctor.findings import Finding, gib
from launcher.doctor.machine import machine_probes
from launcher.doctor.packages import ROOT, package_probes, pins, pip_install

LIMIT_S = 60  # for one import; a cold network disk is slow
WRONG_EXIT, MISSING_EXIT = 2, 4
_SIGNS = {"ok": "ok", "warning": "warning", "missing": "MISSING", "wrong": "WRONG", "optional": "-"}
_MARK = "hunmin-probe "  # libraries print what they like before it

_TORCH = """
import torch
n = torch.cuda.device_count() if torch.cuda.is_available() else 0
found = {"version": torch.__version__, "cuda": torch.version.cuda,
         "gpus": [[torch.cuda.get_device_name(i), torch.cuda.get_device_properties(i).total_memory]
                  for i in range(n)]}
"""
# Groups share a process, for torch takes seconds to import; in each: library -> what sets `found`.
_IMPORTS: tuple[dict[str, str], ...] = (
    {
        "torch": _TORCH,
        "transformers": (
            "import transformers; from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast; "
            "found = {'version': transformers.__version__}"
        ),
        "deepspeed": "import deepspeed; found = {'version': deepspeed.__version__}",
    },
    {
        "ray": "import ray, ray.data, ray.train; found = {'version': ray.__version__}",
        "pyarrow": "import pyarrow.parquet, pyarrow; found = {'version': pyarrow.__version__}",
        "sentencepiece": "import sentencepiece; found = {'version': sentencepiece.__version__}",
        "sacrebleu with ko-mecab": (
            "from sacrebleu.tokenizers.tokenizer_ko_mecab import TokenizerKoMecab; "
            "assert TokenizerKoMecab()('나는 학교에 간다').split()[:2] == ['나', '는']; "
            "found = {'version': 'splits Korean'}"
        ),
    },
)
_CHILD = """
import json, sys
for name, code in json.loads(sys.argv[1]).items():
    scope = {}
    try:
        exec(code, scope)
        found = scope["found"]
    except BaseException as error:
        found = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
    print(sys.argv[2] + json.dumps([name, found]), flush=True)
"""


def doctor(
    config: Path | None, *, network: bool, environ: dict[str, str] | None = None
) -> tuple[list[Finding], int]:
    """Every finding, and the exit code: 2 if the config is wrong, 4 if something is missing, else 0."""
    environ = dict(os.environ) if environ is None else environ
    runs = Path(environ.get("HUNMIN_RUNS") or "runs")
    with ThreadPoolExecutor() as pool:
        probes = [pool.submit(_import_probe, group) for group in _IMPORTS]
        fonts = pool.submit(_korean_font)
        found = _all_isolated("packages", package_probes())
        imported = {name: result for probe in probes for name, result in probe.result().items()}
        torch = imported["torch"]
        libraries = {
            name: lambda name=name, result=result: [_import_finding(name, result, torch)]
            for name, result in imported.items()
        }
        found += _all_isolated("libraries", libraries | {"GPUs": lambda: _gpu_findings(torch)})
        found += _all_isolated("machine", machine_probes(runs))
        elsewhere = {
            "SLURM": _slurm,
            "tools": _tools,
            "Korean font": lambda: [fonts.result()],
            "model hub": lambda: [_hub(network, environ)],
        }
        found += _all_isolated("elsewhere", elsewhere)
    if config is not None:
        found += _config_findings(config, num_gpus=len(torch.get("gpus", [])), runs=runs)
    return found, _exit_code(found)


def _exit_code(found: list[Finding]) -> int:
    states = {one.status for one in found}
    if "wrong" in states:
        return WRONG_EXIT
    return MISSING_EXIT if "missing" in states else 0


def as_text(found: list[Finding]) -> str:
    """The findings as lines, with what to type under those that lack something."""
    width = max(len(one.what) for one in found)
    lines: list[str] = []
    section = None
    for one in found:
        if one.section != section:
            lines += [*([""] if section else []), one.section]
            section = one.section
        lines.append(f"  {_SIGNS[one.status]:<8} {one.what:<{width}}  {one.found}")
        if one.cure and one.status != "ok":
            lines.append(f"  {'':<8} {'':<{width}}  → {one.cure}")
    wrong = sum(one.status == "wrong" for one in found)
    missing = sum(one.status == "missing" for one in found)
    warnings = sum(one.status == "warning" for one in found)
    many = "1 warning" if warnings == 1 else f"{warnings} warnings"
    bad = [f"{count} {word}" for count, word in ((wrong, "wrong"), (missing, "missing")) if count]
    lines += ["", ", ".join([*(bad or ["nothing needed is missing"]), many])]
    return "\n".join(lines)


def findings_json(found: list[Finding], exit_code: int) -> str:
    """The findings as one JSON object."""
    return json.dumps(
        {"exit_code": exit_code, "findings": [vars(one) for one in found]}, ensure_ascii=False, indent=1
    )


def main(arguments: list[str]) -> int:
    """`python -m launcher doctor` where the packages of the command line itself are missing."""
    paths = [word for word in arguments if not word.startswith("-")]
    found, code = doctor(Path(paths[0]) if paths else None, network="--network" in arguments)
    print(findings_json(found, code) if "--json" in arguments else as_text(found))
    return code


def _all_isolated(section: str, probes: Mapping[str, Callable[[], list[Finding]]]) -> list[Finding]:
    return [finding for what, probe in probes.items() for finding in _isolated(section, what, probe)]


def _isolated(section: str, what: str, probe: Callable[[], list[Finding]]) -> list[Finding]:
    """The probe's findings; a probe that breaks is a finding too, and stops no other."""
    try:
        return probe()
    except Exception as error:
        text = f"could not be examined ({type(error).__name__}: {error})"
        return [Finding(section, what, "warning", text)]


def _run(command: list[str], *, limit_s: float = LIMIT_S) -> subprocess.CompletedProcess[str] | None:
    """A command's end, or None where it did not end in time or does not exist."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "RAY_USAGE_STATS_ENABLED": "0"},
        )
    except (subprocess.TimeoutExpired, OSError):
        return None


def _import_probe(group: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What each import of a group told, or {"error": why there is nothing}."""
    done = _run([sys.executable, "-c", _CHILD, json.dumps(group), _MARK])
    told = {} if done is None else _told(done.stdout)
    for name in (name for name in group if name not in told):
        if done is None:
            told[name] = {"error": f"the import did not end in {LIMIT_S} s"}
        else:
            end = f"killed by signal {-done.returncode}" if done.returncode < 0 else f"exit {done.returncode}"
            told[name] = {"error": f"the import ended the process ({end})"}
            break  # those behind it are asked again, without it
    rest = {name: code for name, code in group.items() if name not in told}
    return told | (_import_probe(rest) if rest else {})


def _told(stdout: str) -> dict[str, dict[str, Any]]:
    lines = [line for line in stdout.splitlines() if line.startswith(_MARK)]
    return dict(json.loads(line.removeprefix(_MARK)) for line in lines)


def _import_finding(name: str, result: dict[str, Any], torch: dict[str, Any]) -> Finding:
    library = name.split()[0]
    if "error" not in result:
        build = ""
        if library == "torch":
            build = f", built for CUDA {result['cuda']}" if result["cuda"] else ", built for CPU"
        return Finding("libraries", name, "ok", f"{result['version']}{build}")
    if library != "torch" and result["error"] == torch.get("error"):
        return Finding("libraries", name, "missing", "fails as torch does; repair torch first")
    pinned = pins()
    again = ["--force-reinstall", "--no-deps"] if "No module" not in result["error"] else []
    missing = result["error"].split("'")[1] if "No module named '" in result["error"] else library
    what = missing.split(".")[0].replace("_", "-") if missing.split(".")[0] != library else library
    wanted = f"{what}=={pinned[what]}" if what in pinned else what
    return Finding("libraries", name, "missing", result["error"], pip_install(*again, wanted))


def _gpu_findings(torch: dict[str, Any]) -> list[Finding]:
    """GPUs that torch sees; one that only the driver sees needs another torch."""
    gpus = torch.get("gpus", [])
    if gpus:
        listed = ", ".join(f"{name} ({gib(size)})" for name, size in gpus)
        return [Finding("libraries", "GPUs", "ok", f"{len(gpus)}: {listed}")]
    if not Path("/proc/driver/nvidia/version").exists():
        return [Finding("libraries", "GPUs", "optional", "none; training runs on the CPU")]
    pinned = pins().get("torch", "")
    if "error" not in torch and torch["cuda"] is None:
        text = "an NVIDIA driver is there, and this torch is built for CPU"
        cure = pip_install("--force-reinstall", f"torch=={pinned}")
        return [Finding("libraries", "GPUs", "warning", text, cure)]
    return [Finding("libraries", "GPUs", "warning", "a driver, and no GPU that torch can use", "nvidia-smi")]


def _slurm() -> list[Finding]:
    """The commands that `hunmin submit --to slurm` calls."""
    names = ("sbatch", "srun", "squeue", "scancel")
    absent = [name for name in names if shutil.which(name) is None]
    if not absent:
        return [Finding("elsewhere", "SLURM", "ok", ", ".join(names))]
    text = f"no {', '.join(absent)} here; only hunmin submit --to slurm needs them"
    cure = "log in to the cluster's login node"
    return [Finding("elsewhere", "SLURM", "optional", text, cure)]


def _tools() -> list[Finding]:
    """git, and the browser that the report's tests drive."""
    git = shutil.which("git")
    found = [
        Finding("elsewhere", "git", "ok", git)
        if git
        else Finding(
            "elsewhere", "git", "optional", "not there; make test needs it", "sudo apt-get install git"
        )
    ]
    browsers = ("chromium", "chromium-browser", "google-chrome")
    browser = next((path for path in map(shutil.which, browsers) if path), None)
    if browser:
        return [*found, Finding("elsewhere", "Chromium", "ok", browser)]
    text = "not there; the tests of the report page skip"
    return [*found, Finding("elsewhere", "Chromium", "optional", text, "sudo apt-get install chromium")]


def _korean_font() -> Finding:
    """A font with Hangul, by fontconfig or by the file names of the usual ones."""
    what, cure = "Korean font", "sudo apt-get install fonts-noto-cjk"
    done = _run(["fc-list", ":lang=ko", "family"], limit_s=20) if shutil.which("fc-list") else None
    names = sorted(set(done.stdout.split("\n")) - {""}) if done and done.returncode == 0 else []
    if names:
        return Finding("elsewhere", what, "ok", names[0].split(",")[0])
    text = "none found; the tests of the report page skip, and a browser here shows boxes"
    return Finding("elsewhere", what, "optional", text, cure)


def _hub(network: bool, environ: dict[str, str]) -> Finding:
    """Whether the model hub answers; only asked with --network."""
    what, endpoint = "model hub", environ.get("HF_ENDPOINT", "https://huggingface.co")
    if not network:
        return Finding("elsewhere", what, "optional", "not tried", "hunmin doctor --network")
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    cure = "hunmin fetch CONFIG --to FOLDER on a machine with a network"
    try:
        with urlopen(Request(endpoint, method="HEAD"), timeout=5) as answer:
            return Finding("elsewhere", what, "ok", f"{endpoint} answers ({answer.status})")
    except HTTPError as error:
        return Finding("elsewhere", what, "ok", f"{endpoint} answers ({error.code})")
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return Finding("elsewhere", what, "warning", f"{endpoint} does not answer ({reason})", cure)


def _config_findings(config: Path, *, num_gpus: int, runs: Path) -> list[Finding]:
    """What a config needs of this machine; without pydantic or YAML that cannot be said."""
    try:
        from launcher.doctor.readiness import config_findings
    except ImportError as error:
        text = f"not examined: {error}; install the packages above first"
        return [Finding("config", str(config), "missing", text, "make setup")]
    return _isolated("config", str(config), lambda: config_findings(config, num_gpus=num_gpus, runs=runs))
