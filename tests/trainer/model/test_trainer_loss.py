import pytest
import torch

from hunmin.schema import IGNORE_INDEX
from trainer.batches.targets import next_token_targets
from trainer.model.loss import masked_loss

X = IGNORE_INDEX


def test_shift_stays_inside_segments() -> None:
    # Two segments of 4 and 3. The second's first label is trained by mistake: nobody may predict it.
    labels_T = torch.tensor([X, X, 12, 13, 20, 21, X])
    before = labels_T.clone()
    positions_N, targets_N = next_token_targets(labels_T, torch.tensor([0, 4, 7], dtype=torch.int32))
    assert positions_N.tolist() == [1, 2, 4]
    assert targets_N.tolist() == [12, 13, 21]
    assert torch.equal(labels_T, before), "the labels are not changed"


def test_the_first_label_is_not_the_last_position_s_target() -> None:
    labels_T = torch.tensor([5, X, X])
    positions_N, _ = next_token_targets(labels_T, torch.tensor([0, 3], dtype=torch.int32))
    assert positions_N.numel() == 0


def test_losses_are_per_token_in_fp32() -> None:
    logits_NV = torch.tensor([[0.0, 0.0], [100.0, 0.0]], dtype=torch.bfloat16)
    losses_N = masked_loss(logits_NV, torch.tensor([1, 0]))
    assert losses_N.dtype == torch.float32
    assert losses_N.tolist() == pytest.approx([0.6931472, 0.0])


def test_no_target_gives_a_zero_with_a_graph() -> None:
    hidden = torch.randn(3, 4, requires_grad=True)
    head = torch.randn(5, 4, requires_grad=True)
    losses_N = masked_loss(hidden[:0] @ head.T, torch.empty(0, dtype=torch.long))
    losses_N.sum().backward()
    assert losses_N.sum().item() == 0
    assert head.grad is not None
    assert torch.equal(head.grad, torch.zeros_like(head))
