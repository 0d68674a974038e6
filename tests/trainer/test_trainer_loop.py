import math

from trainer.checkpoint import TrainState
from trainer.loop import keep_best


def test_the_best_is_the_lowest_finite_validation_loss() -> None:
    state = keep_best(TrainState(step=1), 2.0)
    assert (state.best_step, state.best_val_loss) == (1, 2.0)
    later = TrainState(step=2, best_step=1, best_val_loss=2.0)
    assert keep_best(later, 1.5).best_step == 2
    for worse in (2.0, 3.0, math.nan, math.inf):
        assert keep_best(later, worse) == later
    assert keep_best(TrainState(step=1), math.nan).best_step is None
