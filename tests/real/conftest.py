"""One run over the real corpora, which several modules look at: building it takes minutes."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

CORPUS = Path(__file__).parent / "corpus.yaml"
CAP = 50  # records of each file
# Everything that can stand around a row, so that packs hold tokens of all origins.
AUGMENT = ["few_shot=0.2", "role=0.2", "task_prefix=true", "chain_of_thought=true"]


@pytest.fixture(scope="session")
def real_run(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder: the first records of each file, a few steps, a few answers a task."""
    folder = tmp_path_factory.mktemp("real") / "run"
    num_sources = len(yaml.safe_load(CORPUS.read_text())["data"]["sources"])
    values = [f"data.sources.{index}.max_records={CAP}" for index in range(num_sources)]
    values += [f"data.augment.{value}" for value in AUGMENT]
    values += ["data.epochs=2", "data.too_long=shorten_input", "model.from_scratch.vocab_size=4000"]
    values += ["data.allow_contamination=the run is traced; what it scores is shown to nobody"]
    values += ["train.num_steps=6", "eval.max_samples_per_task=4", "eval.max_new_tokens=8"]
    values += ["eval.robustness=0", "eval.safety=2"]
    command = [sys.executable, "-m", "launcher", "run", str(CORPUS), "--run", str(folder), *values]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder
