from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from data_pipeline.augment.curriculum import check_curriculum, draw_kept_rows, shares_of_epoch
from data_pipeline.config import DataConfig
from hunmin.errors import ConfigError


def stages(*declared: dict[str, Any], epochs: int) -> Any:
    return DataConfig.model_validate(
        {
            "sources": [{"name": "a", "format": "alpaca", "path": "x"}],
            "epochs": epochs,
            "mix": {"curriculum": list(declared)},
        }
    ).mix.curriculum


def test_stages_fill_the_epochs_in_order() -> None:
    curriculum = stages({"tasks": {"a": 1.0}}, {"epochs": 2, "tasks": {"a": 0.25, "b": 1}}, epochs=3)
    assert [shares_of_epoch(curriculum, epoch) for epoch in range(3)] == [
        {"a": 1.0},
        {"a": 0.25, "b": 1.0},
        {"a": 0.25, "b": 1.0},
    ]
    assert shares_of_epoch((), 0) is None
    with pytest.raises(ValidationError, match="stages for 1 epochs, and epochs is 2"):
        stages({"tasks": {"a": 1.0}}, epochs=2)
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        stages({"tasks": {"a": 2.0}}, epochs=1)


def test_an_unknown_task_is_named_with_its_nearest() -> None:
    curriculum = stages({"tasks": {"sentimnt": 1.0}}, epochs=1)
    with pytest.raises(ConfigError, match=r"curriculum.0: .* the task 'sentimnt'; did you mean sent"):
        check_curriculum(curriculum, ["sentiment", "chat"])
    check_curriculum(curriculum, ["sentimnt"])


@given(st.integers(1, 200), st.floats(0.01, 1), st.integers(0, 5))
def test_a_share_is_met_and_spread(num_rows: int, share: float, epoch: int) -> None:
    chosen = draw_kept_rows(num_rows, share, seed=1, task="t", epoch=epoch)
    assert chosen.sum() == round(num_rows * share)
    halves = [half.sum() for half in np.array_split(chosen, 2)]
    assert abs(halves[0] - halves[1]) <= 3, "short and long answers alike"


def test_four_epochs_of_a_quarter_see_every_row_once() -> None:
    seen = sum(draw_kept_rows(40, 0.25, seed=3, task="t", epoch=epoch).astype(int) for epoch in range(4))
    assert np.all(seen == 1)
