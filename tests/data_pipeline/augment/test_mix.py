import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.augment.mix import SourcePlan, draw_copies, plan_mix, report_shares
from data_pipeline.config import MixConfig, SourceConfig
from hunmin.errors import ConfigError

PROPORTIONAL = MixConfig.model_validate({})


def source(name: str, **fields: object) -> SourceConfig:
    return SourceConfig.model_validate({"name": name, "format": "alpaca", "path": "x.json"} | fields)


def per_epoch(num_rows: dict[str, int], sources: list[SourceConfig], **mix: object) -> dict[str, int]:
    plan = plan_mix(num_rows, sources, MixConfig.model_validate(mix))
    return {name: planned.rows_per_epoch for name, planned in plan.items()}


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=8))
def test_by_default_every_row_stands_once_in_an_epoch(sizes: list[int]) -> None:
    num_rows = {f"s{i}": size for i, size in enumerate(sizes)}
    plan = plan_mix(num_rows, [source(name) for name in num_rows], PROPORTIONAL)
    assert {name: planned.rows_per_epoch for name, planned in plan.items()} == num_rows
    for name, size in num_rows.items():
        assert plan[name].factor == (1.0 if size else 0.0)
        assert (draw_copies(size, size, seed=3, source=name, epoch=2) == 1).all()


def test_weights_and_temperature_set_the_shares_of_a_fixed_number_of_rows() -> None:
    num_rows = {"big": 900, "small": 100}
    both = [source("big"), source("small")]
    assert per_epoch(num_rows, [source("big"), source("small", weight=3)]) == {"big": 750, "small": 250}
    assert per_epoch(num_rows, both, temperature=2) == {"big": 750, "small": 250}  # roots are 30 and 10
    assert per_epoch(num_rows, both, rows=200) == {"big": 180, "small": 20}


def test_epochs_fix_the_passes_over_a_source_outside_the_shares() -> None:
    num_rows = {"fixed": 100, "a": 300, "b": 100}
    sources = [source("fixed", epochs=2.5), source("a"), source("b")]
    assert per_epoch(num_rows, sources) == {"fixed": 250, "a": 300, "b": 100}
    assert per_epoch(num_rows, sources, rows=450) == {"fixed": 250, "a": 150, "b": 50}
    with pytest.raises(ConfigError, match=r"data\.mix\.rows is 250.*take 250 rows"):
        per_epoch(num_rows, sources, rows=250)
    assert per_epoch(num_rows, sources[:1]) == {
        "fixed": 250,
    }


def test_a_cap_makes_the_epoch_smaller_unless_its_size_is_promised() -> None:
    num_rows = {"a": 600, "b": 300, "c": 100}
    capped = [source("a", max_rows=100), source("b"), source("c")]
    assert per_epoch(num_rows, capped) == {"a": 100, "b": 300, "c": 100}
    assert per_epoch(num_rows, capped, rows=500) == {"a": 100, "b": 300, "c": 100}
    assert per_epoch(num_rows, [source("a", epochs=2, max_rows=700)]) == {"a": 700}
    all_capped = [source(name, max_rows=50) for name in num_rows]
    assert per_epoch(num_rows, all_capped, rows=500) == {"a": 50, "b": 50, "c": 50}


def test_what_a_cap_leaves_over_can_bring_another_source_to_its_own() -> None:
    num_rows = {"a": 800, "b": 100, "c": 100}
    sources = [source("a", max_rows=10), source("b", max_rows=200), source("c")]
    assert per_epoch(num_rows, sources, rows=1000) == {"a": 10, "b": 200, "c": 790}


@given(
    st.lists(st.tuples(st.integers(0, 5000), st.floats(0.01, 100)), min_size=1, max_size=6),
    st.floats(1, 20),
    st.integers(1, 20_000),
)
def test_the_rows_asked_for_are_the_rows_planned(
    pairs: list[tuple[int, float]], temperature: float, rows: int
) -> None:
    num_rows = {f"s{i}": size for i, (size, _) in enumerate(pairs)}
    sources = [source(f"s{i}", weight=weight) for i, (_, weight) in enumerate(pairs)]
    plan = plan_mix(num_rows, sources, MixConfig(temperature=temperature, rows=rows))
    if any(num_rows.values()):
        assert sum(planned.rows_per_epoch for planned in plan.values()) == rows
        assert sum(planned.share for planned in plan.values()) == pytest.approx(1)
    assert all(plan[name].rows_per_epoch == 0 for name, size in num_rows.items() if not size)


@given(st.integers(1, 400), st.integers(0, 1200), st.integers(0, 2**32), st.integers(0, 40))
def test_rows_are_used_evenly_over_any_number_of_epochs(
    num_rows: int, rows_per_epoch: int, seed: int, epochs: int
) -> None:
    used = np.zeros(num_rows, dtype=np.int64)
    for epoch in range(epochs):
        taken = draw_copies(num_rows, rows_per_epoch, seed=seed, source="s", epoch=epoch)
        assert taken.min() >= 0
        assert taken.sum() == rows_per_epoch
        used += taken
    passes = epochs * rows_per_epoch
    assert set(used) <= {passes // num_rows, -(-passes // num_rows)}


def test_another_seed_or_source_takes_other_rows() -> None:
    a, b, c = (
        draw_copies(1000, 100, seed=seed, source=name, epoch=0)
        for seed, name in ((0, "s"), (1, "s"), (0, "t"))
    )
    assert (a != b).any()
    assert (a != c).any()


@pytest.mark.parametrize("epoch", [0, 1, 7, 1000])
def test_an_epoch_lies_evenly_over_the_list(epoch: int) -> None:
    taken = draw_copies(100_000, 7_000, seed=0, source="s", epoch=epoch)
    for window in (1_000, 10_000):
        per_window = taken.reshape(-1, window).sum(1)
        assert abs(per_window - 0.07 * window).max() <= 4  # at random it would be 30 and 100


def test_planned_and_realised_shares_are_within_half_a_percent_on_skewed_lengths() -> None:
    rng = np.random.default_rng(0)
    lengths = {
        "long": np.sort(rng.lognormal(5, 1.5, 3_000).astype(int) + 1),
        "short": np.sort(rng.lognormal(2, 1, 40_000).astype(int) + 1),
        "odd": np.sort(np.where(rng.random(8_000) < 0.01, 6_000, 3)),
    }
    sources = [source("long", weight=0.3), source("short"), source("odd", epochs=0.2)]
    num_rows = {name: len(values) for name, values in lengths.items()}
    plan = plan_mix(num_rows, sources, MixConfig(temperature=3, rows=12_345))
    rows, tokens = dict.fromkeys(plan, 0), dict.fromkeys(plan, 0)
    for epoch in range(3):
        for name, planned in plan.items():
            taken = draw_copies(num_rows[name], planned.rows_per_epoch, seed=0, source=name, epoch=epoch)
            rows[name] += int(taken.sum())
            tokens[name] += int((taken * lengths[name]).sum())
    shares = report_shares(
        plan, rows=rows, tokens=tokens, mean_tokens={n: float(v.mean()) for n, v in lengths.items()}
    )
    for mine in shares.values():
        assert mine["realised_rows_share"] == pytest.approx(mine["planned_rows_share"], abs=0.005)
        assert mine["realised_tokens_share"] == pytest.approx(mine["planned_tokens_share"], abs=0.005)
    for name in (
        "planned_rows_share",
        "realised_rows_share",
        "planned_tokens_share",
        "realised_tokens_share",
    ):
        assert sum(mine[name] for mine in shares.values()) == pytest.approx(1)


def test_a_source_that_lost_its_rows_shows_in_the_report() -> None:
    plan = {"a": SourcePlan(50, 1.0, 0.5), "b": SourcePlan(50, 1.0, 0.5)}
    shares = report_shares(plan, rows={"a": 50}, tokens={"a": 500}, mean_tokens={"a": 10.0, "b": 30.0})
    assert shares["b"] == {
        "planned_rows_share": 0.5,
        "realised_rows_share": 0.0,
        "planned_tokens_share": 0.75,
        "realised_tokens_share": 0.0,
    }
