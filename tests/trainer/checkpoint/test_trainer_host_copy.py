"""Copies for the thread that writes; the GPU's way with a host's memory in its place."""

import pytest
import torch

from trainer.checkpoint import host_copy
from trainer.checkpoint.host_copy import HostCopies


def test_a_copy_does_not_follow_what_it_was_made_from() -> None:
    values = torch.arange(4.0)
    slices = [("param", "w", 8, values[1:])]
    assert HostCopies().missing_bytes(slices) == 12
    ((kind, name, start, copy),) = HostCopies().of(slices)
    values.zero_()
    assert (kind, name, start, copy.tolist()) == ("param", "w", 8, [1.0, 2.0, 3.0])


def test_of_a_gpu_pinned_memory_is_kept_and_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[torch.device] = []
    monkeypatch.setattr(host_copy, "on_gpu", lambda values: True)
    monkeypatch.setattr(host_copy, "pinned_like", torch.empty_like)
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    copies = HostCopies()
    slices = [(kind, "w", 0, torch.full((3,), float(n))) for n, kind in enumerate(("param", "exp_avg"))]
    assert copies.missing_bytes(slices) == 24
    first = copies.of(slices)
    assert len(waited) == 1
    assert copies.missing_bytes(slices) == 0, "it has been asked for, and is no longer free"
    again = copies.of([("param", "w", 0, torch.full((3,), 7.0))])
    assert again[0][3].data_ptr() == first[0][3].data_ptr()
    assert again[0][3].tolist() == [7.0] * 3
    assert first[1][3].tolist() == [1.0] * 3
