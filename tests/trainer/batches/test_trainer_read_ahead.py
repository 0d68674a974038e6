import threading
from contextlib import closing

import pytest

from trainer.batches.read_ahead import read_ahead


def test_the_next_step_is_read_while_one_is_computed() -> None:
    begun = {step: threading.Event() for step in range(5)}

    def read(step: int) -> int:
        begun[step].set()
        return step * 10

    with closing(read_ahead(read, range(2, 5))) as steps:
        assert next(steps) == 20
        assert begun[3].wait(10), "read before it is asked for"
        assert not begun[4].is_set(), "one step ahead, and no more"
        assert list(steps) == [30, 40]
    assert list(read_ahead(read, range(3, 3))) == []


def test_what_cannot_be_read_is_raised_where_its_step_is_taken() -> None:
    def read(step: int) -> int:
        if step == 1:
            raise OSError("the disk is gone")
        return step

    with closing(read_ahead(read, range(3))) as steps:
        assert next(steps) == 0
        with pytest.raises(OSError, match="the disk is gone"):
            next(steps)
