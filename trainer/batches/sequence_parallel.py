"""A pack's tokens shared by several ranks (DeepSpeed Ulysses, Jacobs et al., 2023).

Each rank of a group computes its slice of the tokens. In attention the slices of all heads become all tokens
of some heads, and back (all-to-all), so segments are seen whole. Targets are told over the whole pack before
it is cut: none is lost between two slices.
"""

import torch
from torch import Tensor

from hunmin.schema import IGNORE_INDEX
from trainer.batches.packs import NO_ROW, Batch
from trainer.batches.targets import next_token_targets

PAD_ID = 0  # of the tokens that make a pack divisible: a segment of their own, without a target


def slice_of(num_tokens: int, *, index: int, size: int) -> slice:
    """The tokens of the rank `index` of a group of `size`; num_tokens divides."""
    part = num_tokens // size
    return slice(index * part, (index + 1) * part)


def shard(batch: Batch, *, index: int, size: int) -> Batch:
    """A rank's slice: input_ids and position_ids of its tokens, labels and cu_seqlens of the whole pack."""
    whole = padded(batch, size)
    mine = slice_of(len(whole.input_ids), index=index, size=size)
    return whole._replace(input_ids=whole.input_ids[mine], position_ids=whole.position_ids[mine])


def padded(batch: Batch, size: int) -> Batch:
    """The batch with a last segment of padding, so that `size` divides its tokens."""
    lacking = -len(batch.input_ids) % size
    if not lacking:
        return batch
    end = batch.cu_seqlens[-1:] + lacking
    return Batch(
        input_ids=torch.cat([batch.input_ids, batch.input_ids.new_full((lacking,), PAD_ID)]),
        position_ids=torch.cat([batch.position_ids, torch.arange(lacking)]),
        labels=torch.cat([batch.labels, batch.labels.new_full((lacking,), IGNORE_INDEX)]),
        cu_seqlens=torch.cat([batch.cu_seqlens, end.to(batch.cu_seqlens.dtype)]),
        tasks=torch.cat([batch.tasks, batch.tasks.new_zeros(1)]),
        rows=torch.cat([batch.rows, batch.rows.new_full((1,), NO_ROW)]),
        weights=torch.cat([batch.weights, batch.weights.new_ones(1)]),
    )


def own_targets(
    labels_T: Tensor, cu_seqlens: Tensor, *, index: int, size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The targets that a rank's slice predicts.

    Args:
        labels_T: of the whole pack, padded.
        cu_seqlens: likewise.
        index, size: the rank in its group.

    Returns:
        places_N (among all targets of the pack), positions_N (in the slice), targets_N.
    """
    positions, targets = next_token_targets(labels_T, cu_seqlens)
    mine = slice_of(len(labels_T), index=index, size=size)
    places_N = torch.nonzero((positions >= mine.start) & (positions < mine.stop)).squeeze(1)
    return places_N, positions[places_N] - mine.start, targets[places_N]
