"""The `cluster.slurm` section of a config: what a site's SLURM wants of a job. All of it is execution."""

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from hunmin.section import Section, execution

# Of values that stand in an #SBATCH line, where a blank or a quote would begin something else.
Word = Annotated[str, StringConstraints(pattern=r"^[^\s\"'\\#]+$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Option = Annotated[str, StringConstraints(pattern=r"^--?[A-Za-z][^\r\n]*$")]
Line = Annotated[str, StringConstraints(pattern=r"^[^\r\n]+$")]

_TIME = re.compile(
    r"(?:(?P<days>\d+)-(?P<day_hours>\d+)(?::(?P<day_minutes>\d+)(?::(?P<day_seconds>\d+))?)?"
    r"|(?:(?P<hours>\d+):)?(?P<minutes>\d+):(?P<seconds>\d+)|(?P<only_minutes>\d+))"
)


def seconds_of(time: str) -> int | None:
    """A time limit as sbatch reads it (MINUTES, MINUTES:SECONDS, HOURS:MINUTES:SECONDS, DAYS-HOURS[:…]), in
    seconds; None where it is none.
    """
    found = _TIME.fullmatch(time)
    if found is None:
        return None
    part = {name: int(value or 0) for name, value in found.groupdict().items()}
    hours = 24 * part["days"] + part["day_hours"] + part["hours"]
    minutes = 60 * hours + part["day_minutes"] + part["minutes"] + part["only_minutes"]
    return 60 * minutes + part["day_seconds"] + part["seconds"]


def _is_a_time(time: str) -> str:
    if not seconds_of(time):
        raise ValueError("must be a time such as 90, 1:30:00 (hours) or 2-12 (days-hours)")
    return time


Time = Annotated[str, AfterValidator(_is_a_time)]


class SlurmConfig(Section):
    """What a job asks of SLURM, under the names of sbatch's options; what is absent is the site's default."""

    nodes: int = execution(1, ge=1, le=65_536, description="hosts of the job")
    gpus_per_node: int | None = execution(
        None, ge=0, le=1_024, description="GPUs of each host; absent: as many as the ranks need"
    )
    gpu_type: Word | None = execution(None, description="kind of GPU, as the site calls it: h100")
    cpus_per_node: int | None = execution(
        None, ge=1, le=65_536, description="cores of each host; absent: cluster.num_cpus, of whole hosts all"
    )
    mem: Word | None = execution(None, description="memory of each host, as sbatch: 480G; 0: all of it")
    exclusive: bool | None = execution(
        None, description="whole hosts, all cores and memory; absent: where all GPUs of a host are asked for"
    )
    time: Time | None = execution(None, description="time limit, as sbatch: 90, 1:30:00, 2-12")
    partition: Word | None = execution(None, description="partition, as sbatch")
    account: Word | None = execution(None, description="account, as sbatch")
    qos: Word | None = execution(None, description="quality of service, as sbatch")
    constraint: Word | None = execution(None, description="features that hosts must have, as sbatch")
    reservation: Word | None = execution(None, description="reservation, as sbatch")
    nodelist: Word | None = execution(None, description="hosts that must be among the job's, as sbatch")
    exclude: Word | None = execution(None, description="hosts that are not taken, as sbatch")
    signal_s: int = execution(
        300, ge=30, le=65_535, description="seconds before the time limit at which a run saves and ends"
    )
    max_requeues: int = execution(
        20, ge=0, le=10_000, description="starts after the first, at limits and lost hosts; 0: none"
    )
    directives: tuple[Option, ...] = execution((), description="further options of sbatch: --comment=night")
    modules: tuple[Line, ...] = execution((), description="environment modules that the job loads")
    env: dict[Name, Line] = execution({}, description="variables of the job's environment")
    setup: tuple[Line, ...] = execution((), description="lines of bash that the job runs first")
    srun_flags: tuple[Option, ...] = execution((), description="further options of the srun that starts Ray")
