import pytest

from data_pipeline.augment.chance import Chance

PLACES = [Chance(0, f"row{i}", epoch, 0) for i in range(1000) for epoch in range(2)]


def test_choices_of_distinct_salts_are_independent() -> None:
    both = sum(place.happens("role", 0.5) and place.happens("few_shot", 0.5) for place in PLACES)
    assert both / len(PLACES) == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("change", [{"seed": 1}, {"row_id": "x"}, {"epoch": 9}, {"repeat": 1}])
def test_every_part_of_the_place_counts(change: dict) -> None:
    place = {"seed": 0, "row_id": "r", "epoch": 0, "repeat": 0}
    assert Chance(**place).bits("a") != Chance(**(place | change)).bits("a")


def test_where_it_happens_it_still_happens_for_a_larger_share() -> None:
    few, many = ({place for place in PLACES if place.happens("a", share)} for share in (0.1, 0.3))
    assert few < many
    assert len(few) / len(PLACES) == pytest.approx(0.1, abs=0.02)
    assert not any(place.happens("a", 0.0) for place in PLACES)
    assert all(place.happens("a", 1.0) for place in PLACES)


def test_picks_are_even() -> None:
    picked = [place.pick("a", 4) for place in PLACES]
    assert set(picked) == {0, 1, 2, 3}
    assert min(map(picked.count, range(4))) > 430
