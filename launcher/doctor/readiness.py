"""What one config needs of this machine: its inputs, its model, GPUs, cores, disk."""

import json
import math
import struct
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from data_pipeline.build.inputs import check_sources
from hunmin.errors import EnvironmentFailure, HunminError, InputError
from hunmin.limits import usable_cores
from hunmin.models.config import FromScratchConfig
from hunmin.models.folder import local_model
from hunmin.models.gguf import gguf_file, names_gguf
from launcher.config import RunConfig, load
from launcher.doctor.findings import Finding, gib
from launcher.doctor.machine import disk

SECTION = "config"
STATES = 3  # fp32 numbers a checkpoint holds per parameter: the weight and two moments


def config_findings(path: Path, *, num_gpus: int, runs: Path) -> list[Finding]:
    """All findings of this file."""
    try:
        config, base = load(path, [])
    except HunminError as error:
        return [_failed(str(path), error)]
    return [
        inputs(config, base),
        model("model", config.model.path, base, path),
        *([model("tokenizer", config.model.tokenizer, base, path)] if config.model.tokenizer else []),
        *workers(config, num_gpus),
        space(config, base, runs),
    ]


def _failed(what: str, error: HunminError) -> Finding:
    """The user's mistake is wrong, what this machine lacks is missing: the exit codes 2 and 4 of a run."""
    return Finding(SECTION, what, "wrong" if isinstance(error, InputError) else "missing", str(error))


def inputs(config: RunConfig, base: Path) -> Finding:
    """Whether the sources, tasks and the template are there and readable."""
    try:
        with redirect_stdout(StringIO()):  # it tells of tasks without a file as it goes
            check_sources(config.data, base=base)
    except HunminError as error:
        return _failed("inputs", error)
    return Finding(SECTION, "inputs", "ok", f"{len(config.data.sources)} sources can be read")


def model(what: str, wanted: str | None, base: Path, path: Path) -> Finding:
    """Whether the model, or the one whose tokenizer is wanted, is on this machine."""
    if wanted is None:
        return Finding(SECTION, what, "ok", "from scratch, nothing to fetch")
    try:
        if names_gguf(wanted):
            return Finding(SECTION, what, "ok", f"{gguf_file(wanted, base=base)}; converted once by a run")
        folder = local_model(wanted, base) or _in_hub_cache(wanted)
    except HunminError as error:
        return _failed(what, error)
    if folder is None:
        text = f"{wanted} is neither a folder nor in the hub's cache here"
        return Finding(SECTION, what, "missing", text, f"hunmin fetch {path}")
    return Finding(SECTION, what, "ok", str(folder))


def _in_hub_cache(name: str) -> Path | None:
    """The snapshot of a hub id that was fetched before; the network is not asked."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (HFValidationError, OSError, ValueError):
        return None


def workers(config: RunConfig, num_gpus: int) -> list[Finding]:
    """GPUs and cores against the cluster section."""
    cluster = config.cluster
    cores, _ = usable_cores()
    asked = cluster.num_workers * cluster.gpus_per_worker
    if asked > num_gpus:
        text = f"cluster asks for {asked} ({cluster.num_workers} workers), this machine has {num_gpus}"
        cure = "cluster.gpus_per_worker=0 for the CPU, or hunmin submit CONFIG --to slurm"
        return [Finding(SECTION, "GPUs", "missing", text, cure)]
    found = [Finding(SECTION, "GPUs", "ok", f"{asked} of {num_gpus} asked for")] if asked else []
    wanted = max(cluster.num_cpus, 0 if asked else cluster.num_workers)
    if wanted > cores:
        text = f"cluster asks for {wanted} cores, {cores:g} are usable: slower, not wrong"
        cure = f"cluster.num_cpus={max(1, int(cores))} cluster.num_workers={max(1, int(cores))}"
        return [*found, Finding(SECTION, "cores", "warning", text, cure)]
    return [*found, Finding(SECTION, "cores", "ok", f"{wanted} of {cores:g} asked for")]


def space(config: RunConfig, base: Path, runs: Path) -> Finding:
    """Disk that checkpoints and export will take, where the model's size is known."""
    scratch, wanted = config.model.from_scratch, config.model.path
    try:
        folder = None if wanted is None or names_gguf(wanted) else local_model(wanted, base)
    except HunminError:
        folder = None
    if scratch is None and folder is None:
        return Finding(SECTION, "disk", "optional", "not estimated before the model is here")
    size = scratch_parameters(scratch) if scratch else folder_parameters(folder or base)
    # Kept checkpoints, the best, the one being written; the weights that each kept one knows as the best; the
    # export and the base weights.
    needed = size * 4 * (STATES * (config.train.keep + 2) + config.train.keep + 2)
    text = f"a run of {size / 1e6:.1f}M parameters writes about {gib(needed)}, data not counted; in"
    found = disk("disk", runs / config.name, needed, "export HUNMIN_RUNS=/path/to/larger/disk")
    return Finding(SECTION, "disk", found.status, f"{text} {found.found}", found.cure)


def scratch_parameters(config: FromScratchConfig) -> int:
    """Parameters of a Llama with random weights, at the largest vocabulary it may get."""
    hidden, layers = config.hidden_size, config.num_layers
    inner = config.intermediate_size or 64 * math.ceil(8 * hidden / 3 / 64)
    embeddings = config.vocab_size * hidden * (1 if config.tie_embeddings else 2)
    return embeddings + layers * (4 * hidden**2 + 3 * hidden * inner + 2 * hidden) + hidden


def folder_parameters(folder: Path) -> int:
    """Numbers in a folder's safetensors files, from their headers.

    Raises:
        EnvironmentFailure: a header cannot be read.
    """
    total = 0
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with path.open("rb") as handle:
                (length,) = struct.unpack("<Q", handle.read(8))
                header = json.loads(handle.read(length))
        except (OSError, ValueError, struct.error) as error:
            raise EnvironmentFailure(f"{path}: not a safetensors file ({error})") from error
        total += sum(math.prod(one["shape"]) for name, one in header.items() if name != "__metadata__")
    return total
