"""The job script of a run under SLURM: pure functions of the config and of what was asked for."""

import math
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hunmin.errors import GateError, InputError
from launcher.cluster.snapshot import ROOT
from launcher.config import ClusterConfig


@dataclass(frozen=True)
class Resources:
    """What a job asks of SLURM; None leaves it to the cluster's default."""

    nodes: int
    cpus_per_node: int
    gpus_per_node: int
    time: str | None = None
    partition: str | None = None
    account: str | None = None


def resources_for(
    cluster: ClusterConfig,
    *,
    nodes: int,
    cpus_per_node: int | None,
    gpus_per_node: int | None,
    **limits: str | None,
) -> Resources:
    """The job's resources; what is not given follows from the `cluster` section.

    Raises:
        InputError: a value could not stand in a job script.
        GateError: the ranks would not find their GPUs.
    """
    for name, value in limits.items():
        if value is not None and not re.fullmatch(r"[\w.:,@+-]+", value):
            raise InputError(f"--{name} {value!r}: letters, digits and . : , @ + - _ only")
    gpus = gpus_per_node
    if gpus is None:
        gpus = cluster.gpus_per_worker * math.ceil(cluster.num_workers / nodes)
    needed = cluster.num_workers * cluster.gpus_per_worker
    if needed > nodes * gpus:
        raise GateError(
            f"cluster: {cluster.num_workers} ranks need {needed} GPUs, {nodes} node(s) with {gpus} have "
            f"{nodes * gpus}; raise --nodes or --gpus-per-node, or lower cluster.num_workers"
        )
    return Resources(nodes, cpus_per_node or cluster.num_cpus, gpus, **limits)


def render_script(resources: Resources, *, name: str, run_dir: Path, python: str) -> str:
    """The job script.

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
    values = vars(resources) | {"name": name, "run_dir": run_dir, "code": run_dir / "code", "python": python}
    return template.render(values)
