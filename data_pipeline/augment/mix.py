"""How many rows of each source an epoch holds, which rows they are, and what came of the plan.

    share(source) = weight * rows ** (1 / temperature) / (the same summed over the sources that share)

Temperature 1 is proportional to the number of examples; larger ones even the sources out (Raffel et al. 2020,
arXiv:1910.10683, section 3.5.2, call the two examples-proportional and temperature-scaled mixing).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data_pipeline.config import MixConfig, SourceConfig
from hunmin.errors import ConfigError
from hunmin.hashing import GOLDEN, stable_hash
from hunmin.schema import SourceShares


@dataclass(frozen=True)
class SourcePlan:
    """What an epoch takes from a source. Where variants are materialised, a row stands for all of them."""

    rows_per_epoch: int
    factor: float  # passes over the source in an epoch; below 1 a part of it
    share: float  # of the epoch's rows


def plan_mix(
    num_rows: Mapping[str, int], sources: Sequence[SourceConfig], mix: MixConfig
) -> dict[str, SourcePlan]:
    """Divide an epoch among the sources, in the order of `sources`.

    1. A source with `epochs` gives rows * epochs, at most `max_rows`, and has no part in the shares.
    2. The others share what is left of `mix.rows`; where that is absent, as many rows as they have, so that
       equal weights and temperature 1 give every row exactly once.
    3. `max_rows` caps a source. Rows beyond a cap go to the sources below theirs, by share, where `mix.rows`
       promises a size; otherwise they are left out and the epoch is smaller.
    4. Whole rows by largest remainder, ties to the source listed first.

    Raises:
        ConfigError: `mix.rows` leaves nothing for the sources that share it.
    """
    rows = {source.name: num_rows.get(source.name, 0) for source in sources}
    caps = {source.name: float("inf") if source.max_rows is None else source.max_rows for source in sources}
    quotas = {
        source.name: min(rows[source.name] * source.epochs, caps[source.name])
        for source in sources
        if source.epochs is not None
    }
    scores = {
        source.name: source.weight * rows[source.name] ** (1 / mix.temperature)
        for source in sources
        if source.epochs is None and rows[source.name]
    }
    if scores:
        budget = _budget(mix, taken=sum(quotas.values()), own=sum(rows[name] for name in scores))
        quotas |= _shared(scores, caps, budget=budget, refill=mix.rows is not None)
    whole = _whole_rows({name: quotas.get(name, 0.0) for name in rows})
    total = sum(whole.values()) or 1
    return {name: SourcePlan(n, n / rows[name] if n else 0.0, n / total) for name, n in whole.items()}


def _budget(mix: MixConfig, *, taken: float, own: int) -> float:
    """Rows for the sources that share: what `mix.rows` leaves, or as many as they have."""
    if mix.rows is None:
        return own
    if mix.rows <= taken:
        raise ConfigError(
            f"data.mix.rows is {mix.rows}, and the sources with `epochs` take {taken:g} rows, which leaves "
            "none for the others; raise data.mix.rows, or lower data.sources.*.epochs"
        )
    return mix.rows - taken


def _shared(
    scores: Mapping[str, float], caps: Mapping[str, float], *, budget: float, refill: bool
) -> dict[str, float]:
    """The budget in proportion to the scores, none above its cap; `refill` hands on what caps leave over."""
    quotas: dict[str, float] = {}
    open_ = dict(scores)
    while open_:
        per_score = (budget - sum(quotas.values())) / sum(open_.values())
        full = [name for name in open_ if open_[name] * per_score >= caps[name]] if refill else []
        if not full:
            return quotas | {name: min(score * per_score, caps[name]) for name, score in open_.items()}
        for name in full:
            quotas[name] = caps[name]
            del open_[name]
    return quotas


def _whole_rows(quotas: Mapping[str, float]) -> dict[str, int]:
    """Whole numbers that sum to the rounded sum of the quotas (largest remainder), none off by 1 or more."""
    whole = {name: int(quota) for name, quota in quotas.items()}
    missing = round(sum(quotas.values())) - sum(whole.values())
    by_remainder = sorted(whole, key=lambda name: whole[name] - quotas[name])  # stable: ties in order
    for name in by_remainder[:missing]:
        whole[name] += 1
    return whole


def draw_copies(num_rows: int, rows_per_epoch: int, *, seed: int, source: str, epoch: int) -> np.ndarray:
    """How many copies of each of a source's rows stand in an epoch.

    Row i has been used floor((E * rows_per_epoch + phase[i]) / num_rows) times after E epochs, where the
    phases are the numbers 0 .. num_rows - 1 in some order. Hence in each epoch the copies sum to
    rows_per_epoch, and after every number of epochs each row was used floor or ceil of E * factor times.
    The order is that of the multiples of the golden ratio: whatever phases an epoch uses, their rows lie
    evenly over the whole list, which keeps the distribution of what the list is sorted by.

    Returns:
        int64, (num_rows,), for the rows sorted by (length of the answer, hash of the row id).
    """
    if num_rows == 0:
        return np.zeros(0, dtype=np.int64)
    offset = np.uint64(stable_hash("mix", seed, source))
    spread = np.arange(num_rows, dtype=np.uint64) * np.uint64(GOLDEN) + offset  # modulo 2**64
    phase = np.empty(num_rows, dtype=np.int64)
    phase[np.argsort(spread)] = np.arange(num_rows)
    before, after = epoch * rows_per_epoch, (epoch + 1) * rows_per_epoch
    # Whole passes apart, so that 64 bits hold the rest at any epoch.
    passes = after // num_rows - before // num_rows
    return passes + (after % num_rows + phase) // num_rows - (before % num_rows + phase) // num_rows


def report_shares(
    plan: Mapping[str, SourcePlan],
    *,
    rows: Mapping[str, int],
    tokens: Mapping[str, int],
    mean_tokens: Mapping[str, float],
) -> dict[str, SourceShares]:
    """Planned and realised shares of rows and of trained tokens, for stats.json.

    Args:
        mean_tokens: trained tokens of a source's row, averaged over its distinct train rows, whether or not
            the mix took them.
    """
    amounts: dict[str, list[float]] = {
        "planned_rows_share": [p.rows_per_epoch for p in plan.values()],
        "realised_rows_share": [rows.get(name, 0) for name in plan],
        "planned_tokens_share": [p.rows_per_epoch * mean_tokens.get(name, 0.0) for name, p in plan.items()],
        "realised_tokens_share": [tokens.get(name, 0) for name in plan],
    }
    shares = {what: [amount / (sum(some) or 1) for amount in some] for what, some in amounts.items()}
    return {
        name: SourceShares(**{what: some[at] for what, some in shares.items()})
        for at, name in enumerate(plan)
    }  # type: ignore[typeddict-item]
