"""Attention in a pack on a CPU: one causal call a segment, one call with a mask, and padding; both passes.

.venv/bin/python benchmarks/packed_attention.py

Segments drawn log-normally (median 90 tokens) until the pack is full; 9 heads of 64, as SmolLM2-135M. Ratios
in one run, medians of seven; all three give the same outputs.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention as sdpa

HEADS, DIM, ROUNDS = 9, 64, 7


def segments(seq_len: int) -> list[int]:
    """Lengths that fill seq_len."""
    rng, lengths = np.random.default_rng(0), []
    while sum(lengths) < seq_len:
        lengths.append(int(min(max(8, rng.lognormal(4.5, 0.8)), seq_len - sum(lengths))))
    return lengths


def by_segment(query: Tensor, key: Tensor, value: Tensor, lengths: list[int]) -> Tensor:
    """One causal call for each."""
    parts = zip(*(tensor.split(lengths, 2) for tensor in (query, key, value)), strict=True)
    return torch.cat([sdpa(*part, is_causal=True) for part in parts], 2)


def masked(query: Tensor, key: Tensor, value: Tensor, lengths: list[int]) -> Tensor:
    """One call with a block-diagonal causal mask."""
    owner = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    seen = (owner[:, None] == owner[None]).tril()
    return sdpa(query, key, value, attn_mask=seen)


def padded(query: Tensor, key: Tensor, value: Tensor, lengths: list[int]) -> Tensor:
    """A batch of rows, padded to the longest."""
    rows = [
        torch.nn.utils.rnn.pad_sequence([part[0].transpose(0, 1) for part in tensor.split(lengths, 2)], True)
        for tensor in (query, key, value)
    ]
    out = sdpa(*(row.transpose(1, 2) for row in rows), is_causal=True)
    return torch.cat([row[:, :length] for row, length in zip(out, lengths, strict=True)], 1)[None]


def seconds(attend: Callable[..., Tensor], seq_len: int) -> tuple[float, Tensor]:
    """Median of forward and backward, and the output."""
    torch.manual_seed(0)
    inputs = [torch.randn(1, HEADS, seq_len, DIM, requires_grad=True) for _ in range(3)]
    lengths, times, out = segments(seq_len), [], torch.empty(0)
    for _ in range(ROUNDS + 1):
        start = time.perf_counter()
        out = attend(*inputs, lengths)
        out.sum().backward()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:]), out.detach()


def main() -> None:
    """Print a line for each length of pack."""
    torch.set_num_threads(1)
    for seq_len in (512, 2048, 8192):
        plain, wanted = seconds(by_segment, seq_len)
        cells = [f"{plain * 1e3:.1f} ms a segment call each ({len(segments(seq_len))} segments)"]
        for name, attend in (("mask", masked), ("padding", padded)):
            took, found = seconds(attend, seq_len)
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
            cells.append(f"{name} {took / plain:.1f}x")
        print(f"{seq_len} tokens: " + ", ".join(cells), flush=True)


if __name__ == "__main__":
    main()
