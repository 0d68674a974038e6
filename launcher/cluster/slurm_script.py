"""The job script of a run under SLURM: pure functions of the config and of what was asked for."""

import math
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import ValidationError

from hunmin.errors import GateError, InputError
from launcher.cluster.snapshot import ROOT
from launcher.config import ClusterConfig
from launcher.slurm_config import SlurmConfig, seconds_of

ALL_MEMORY = "0"  # of a host, in sbatch's --mem


def resources_for(cluster: ClusterConfig, asked: Mapping[str, Any], *, node_gpus: int | None) -> SlurmConfig:
    """The job's resources: `cluster.slurm`, the command line over it, and what follows from both.

    Args:
        asked: values of the command line, by the names of `cluster.slurm`; None: not given.
        node_gpus: the most GPUs that a host of the partition has; None where that is not known.

    Raises:
        InputError: a value could not stand in a job script, or the time is over before a run could save.
        GateError: the ranks would not find their GPUs.
    """
    given = {name: value for name, value in asked.items() if value is not None}
    try:
        slurm = SlurmConfig.model_validate(cluster.slurm.model_dump() | given)
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise InputError(
            f"--{option} {first['input']!r}: not a value that can stand in a job script"
        ) from None
    gpus = slurm.gpus_per_node
    if gpus is None:
        gpus = cluster.gpus_per_worker * math.ceil(cluster.num_workers / slurm.nodes)
    needed = cluster.num_workers * cluster.gpus_per_worker
    if needed > slurm.nodes * gpus:
        raise GateError(
            f"cluster: {cluster.num_workers} ranks need {needed} GPUs, {slurm.nodes} node(s) with {gpus} "
            f"have {slurm.nodes * gpus}; raise --nodes or --gpus-per-node, or lower cluster.num_workers"
        )
    limit_s = seconds_of(slurm.time) if slurm.time else None
    if limit_s is not None and limit_s <= slurm.signal_s:
        raise InputError(
            f"--time {slurm.time}: a run saves {slurm.signal_s} s before its limit (cluster.slurm.signal_s), "
            "which would be before it begins; ask for more time, or lower signal_s"
        )
    whole = slurm.exclusive if slurm.exclusive is not None else gpus > 0 and gpus == node_gpus
    return slurm.model_copy(
        update={
            "gpus_per_node": gpus,
            "cpus_per_node": slurm.cpus_per_node or cluster.num_cpus,
            "exclusive": whole,
            "mem": slurm.mem or (ALL_MEMORY if whole else None),
        }
    )


def render_script(slurm: SlurmConfig, *, name: str, run_dir: Path, python: str) -> str:
    """The job script of resources that `resources_for` completed.

    Raises:
        InputError: the run folder's name has characters that sbatch would read as its own.
    """
    if re.search(r'["%\\\n]', str(run_dir)):
        raise InputError(f'{run_dir}: a run folder for SLURM has none of " % \\ in its name; use --run')
    templates = Environment(
        loader=FileSystemLoader(ROOT / "slurm"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # a shell script, no page; what goes in is quoted or checked
    )
    templates.filters["quote"] = lambda value: shlex.quote(str(value))
    template = templates.get_template("job.sbatch.j2")
    values = {"slurm": slurm.model_dump(), "name": name, "run_dir": run_dir, "code": run_dir / "code"}
    return template.render(values | {"python": python})
