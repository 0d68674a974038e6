import json
import math
from pathlib import Path

import pytest

from hunmin.errors import ConfigError
from hunmin.models.config import FromScratchConfig, ModelConfig
from hunmin.schema import ValMetrics
from hunmin.stage import Inputs
from trainer.checkpoint.checkpoint import TrainState
from trainer.config import TrainConfig, check_best_by
from trainer.job import Job, begin_training
from trainer.loop import keep_best, loss_to_compare


def test_the_best_is_the_lowest_finite_validation_loss() -> None:
    state = keep_best(TrainState(step=1), 2.0)
    assert (state.best_step, state.best_val_loss) == (1, 2.0)
    later = TrainState(step=2, best_step=1, best_val_loss=2.0)
    assert keep_best(later, 1.5).best_step == 2
    for worse in (2.0, 3.0, math.nan, math.inf):
        assert keep_best(later, worse) == later
    assert keep_best(TrainState(step=1), math.nan).best_step is None


def test_the_best_step_is_told_by_all_tokens_or_by_one_task() -> None:
    losses: ValMetrics = {
        "kind": "val",
        "step": 1,
        "loss": 2.0,
        "num_valid_tokens": 9,
        "tasks": {"sentiment": 0.5, "conversation": 2.5},
    }
    assert loss_to_compare(losses, "all") == 2.0
    assert loss_to_compare(losses, "sentiment") == 0.5


def test_a_task_that_no_source_has_is_refused_before_any_work() -> None:
    for known in ("all", "sentiment"):
        check_best_by(known, ["sentiment", "translation"])
    with pytest.raises(ConfigError, match="no source has the task 'sentimant'; did you mean sentiment"):
        check_best_by("sentimant", ["sentiment", "translation"])


def test_a_task_without_validation_rows_cannot_pick_the_export(tmp_path: Path) -> None:
    tasks = {"sentiment": {"rows": {"train": 9, "val": 1}}, "translation": {"rows": {"train": 9}}}
    (tmp_path / "stats.json").write_text(json.dumps({"tasks": tasks}))
    job = Job(
        config=TrainConfig.model_validate({"best_by": "translation"}),
        model=ModelConfig(from_scratch=FromScratchConfig.model_validate({})),
        seed=0,
        data_dir=tmp_path,
        out_dir=tmp_path / "train",
        inputs=Inputs(1, {}, "c"),
    )
    with pytest.raises(ConfigError, match="no validation rows; tasks that have some: sentiment"):
        begin_training(job)
    assert not job.out_dir.exists()
