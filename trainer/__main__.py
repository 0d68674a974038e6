"""A rank started by torchrun or srun, without Ray.

torchrun --nproc-per-node 2 -m trainer RUN_DIR

RUN_DIR holds config.yaml (sections model, train, seed are read) and a finished data/.
"""

import os
import sys
import traceback
from contextlib import nullcontext
from pathlib import Path

import torch
import yaml
from pydantic import ValidationError

from hunmin.artifact import verify
from hunmin.errors import ConfigError, HunminError, InputError
from hunmin.lock import run_lock
from hunmin.models.config import ModelConfig
from hunmin.models.folder import local_model
from hunmin.models.tokenizer import count_differing_ids, load_tokenizer
from hunmin.progress import say
from trainer.config import TrainConfig, stage_inputs
from trainer.health.lost_ranks import known_failure
from trainer.job import Job, begin_training, finish_training, planned_memory
from trainer.loop import train
from trainer.metrics.metrics_log import show_progress

TOKENIZERS = ("tokenizer.json", "tokenizer.model")


def load_job(run_dir: Path) -> Job:
    """The job that `hunmin train` would do in this run folder.

    Raises:
        InputError: no run folder, or its config does not load.
        ArtifactError: data/ is not finished or damaged.
    """
    path = run_dir / "config.yaml"
    if not path.exists():
        raise InputError(f"{path}: missing; name a run folder made by: hunmin data CONFIG")
    sections = yaml.safe_load(path.read_text())
    try:
        config = TrainConfig(**sections.get("train", {}))
        model, seed = ModelConfig(**sections["model"]), int(sections.get("seed", 0))
    except (ValidationError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    data = verify(run_dir / "data", cure=f"hunmin data {path}")
    base = run_dir / sections.get("base", ".")
    inputs = stage_inputs(config, model=model, seed=seed, base=base, data_sha256=data.content_sha256)
    if model.path is not None and (local := local_model(model.path, base)) is not None:
        model = model.model_copy(update={"path": str(local.resolve())})
        _check_tokenizer(model, local, run_dir / "data")
    return Job(
        config=config,
        model=model,
        seed=seed,
        data_dir=run_dir / "data",
        out_dir=run_dir / "train",
        inputs=inputs,
    )


def _check_tokenizer(model: ModelConfig, folder: Path, data_dir: Path) -> None:
    """`hunmin run` makes data/ anew for another model; here somebody changed the config beside it.

    Raises:
        InputError: data/ was cut with ids that are not the model's.
    """
    if model.remakes_vocabulary or not any((folder / name).exists() for name in TOKENIZERS):
        return
    cut, own = (load_tokenizer(where).get_vocab() for where in (data_dir / "tokenizer", folder))
    if differing := count_differing_ids(cut, own):
        raise InputError(
            f"{data_dir} was cut with another tokenizer: {differing} of its {len(cut)} ids are other tokens "
            f"in {folder}; make it anew: hunmin data {data_dir.parent / 'config.yaml'}"
        )


def main(argv: list[str]) -> int:
    """Run one rank; the first also prepares, shows progress and finishes. Returns the exit code."""
    if len(argv) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    is_first = os.environ.get("RANK", "0") == "0"
    run_dir = Path(argv[0]).resolve()
    try:
        job = load_job(run_dir)
        with run_lock(run_dir) if is_first else nullcontext():
            if not is_first:
                train(job)
            else:
                stage, num_steps = begin_training(job)
                with show_progress(job.metrics_file, num_steps=num_steps):
                    train(job)
                finish_training(job, stage)
                say(f"train: done, {job.out_dir / 'export'}")
    except HunminError as error:
        return _told(error)
    except RuntimeError as error:
        if (failure := known_failure(error, lambda: _planned(run_dir))) is None:
            raise
        return _told(failure)
    return 0


def _told(error: HunminError) -> int:
    print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    return error.exit_code


def _planned(run_dir: Path) -> dict[str, int]:
    device_type = "cuda" if torch.cuda.is_available() else "cpu"
    return planned_memory(
        load_job(run_dir), world_size=int(os.environ["WORLD_SIZE"]), device_type=device_type
    )


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # At once: threads of a broken process group may keep a dying interpreter waiting for a dead peer.
    os._exit(code)
