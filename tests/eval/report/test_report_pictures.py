"""PNG figures: the same drawing, and Hangul drawn on any machine."""

import io
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from eval.report.drawing import figures, pictures, style
from eval.report.drawing.svg import WIDTH, Figure, tag

NO_GLYPH = "\U000e0fff"  # a code point that no font has


def pixels(text: str) -> np.ndarray:
    """A text drawn large and alone: float, (height, width), 0 white to 1 black."""
    drawn = tag("text", text, x=20.0, y=60.0, style="font-size: 48px")
    picture = Image.open(io.BytesIO(pictures.png(Figure("fig-a", "", "", drawn, 80.0))))
    return 1 - np.asarray(picture.convert("L"), dtype=float) / 255


def ink(text: str) -> np.ndarray:
    """The drawn text without the paper around it, as a bitmap."""
    dark = pixels(text) > 0.5
    rows, columns = dark.any(axis=1), dark.any(axis=0)
    return dark[rows][:, columns]


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and bool((one == other).all())


def test_every_syllable_has_a_glyph_of_its_own() -> None:
    syllables = "감정번역요약훈민뷁쀍"
    drawn = {syllable: ink(syllable) for syllable in syllables}
    missing = ink(NO_GLYPH)
    for syllable, bitmap in drawn.items():
        assert bitmap.sum() > 100, f"{syllable}: nothing is drawn"
        assert not same(bitmap, missing), f"{syllable}: drawn as the box of a missing glyph"
    for one, other in combinations(syllables, 2):
        assert not same(drawn[one], drawn[other]), (one, other)


def test_decomposed_hangul_is_drawn_as_syllables() -> None:
    assert same(ink("\u1112\u116e\u11ab"), ink("훈"))


def test_a_picture_is_the_figure_at_twice_its_size_on_paper() -> None:
    words = {
        "name": "fig-lengths",
        "title": "길이",
        "description": "",
        "x_label": "tokens",
        "y_label": "rows",
    }
    figure = figures.histogram([0, 10, 20], [1, 2], **words)
    picture = Image.open(io.BytesIO(pictures.png(figure))).convert("RGB")
    height = figure.height + pictures.TITLE_HEIGHT + 2 * pictures.MARGIN
    assert picture.size == (2 * (WIDTH + 2 * pictures.MARGIN), 2 * height)
    found = {count[1] for count in picture.getcolors(1 << 20) or []}
    colour = {name: tuple(bytes.fromhex(light[1:])) for name, (light, _) in style.COLOURS.items()}
    assert picture.getpixel((0, 0)) == colour["paper"]
    assert colour["c0"] in found  # the bars
    assert pictures.png(figure) == pictures.png(figure)
    assert pictures.file_name(figure) == "lengths.png"


def test_a_name_may_hold_characters_that_xml_has_no_place_for() -> None:
    name = "감\x00정\x0b\x1b[0m\ufffe & 번역"
    drawn = tag("text", name, x=0.0, y=20.0, class_=name)
    assert str(drawn).count("감\ufffd정\ufffd\ufffd[0m\ufffd &amp; 번역") == 2
    assert pictures.png(Figure("fig-a", name, name, drawn, 40.0)).startswith(b"\x89PNG")


@pytest.mark.parametrize("sheet", [style.picture_css(), style.page_css()])
def test_every_colour_that_is_used_is_defined(sheet: str) -> None:
    used = {part.split(")")[0] for part in sheet.split("var(--")[1:]}
    assert used <= set(style.COLOURS)
    assert "var(" not in style.picture_css()
