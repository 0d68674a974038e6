"""The report's figures as PNG files, for papers and chat: the page's drawings, in light colours.

They are drawn by resvg with one font, Noto Sans KR, from installed packages: Hangul is drawn on machines
without any Korean font, and every machine draws the same.
"""

import resvg_py
from markupsafe import Markup
from pylopdf_fonts_ko import sans_path

from eval.report.drawing.style import COLOURS, picture_css
from eval.report.drawing.svg import WIDTH, Figure, fitted, tag

SCALE = 2  # pixels per user unit: sharp on a dense screen and in print
MARGIN = 16.0
TITLE_HEIGHT = 26.0
TITLE_SIZE = 14.0
FONT = "Noto Sans KR"


def standalone(figure: Figure) -> str:
    """The figure as an SVG document of its own, with its title above it and paper behind it."""
    width, height = WIDTH + 2 * MARGIN, figure.height + TITLE_HEIGHT + 2 * MARGIN
    title = fitted(figure.title, WIDTH, size=TITLE_SIZE)
    # An attribute would lose against the style sheet's size for texts.
    head = tag("text", title, x=0.0, y=-10.0, style=f"font-size: {TITLE_SIZE:.0f}px")
    drawn = tag("g", head, figure.drawing, transform=f"translate({MARGIN:.0f} {MARGIN + TITLE_HEIGHT:.0f})")
    paper = tag("rect", width=width, height=height, fill=COLOURS["paper"][0])
    return tag(
        "svg",
        tag("style", Markup(picture_css())),
        paper,
        drawn,
        xmlns="http://www.w3.org/2000/svg",
        width=width,
        height=height,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
    )


def png(figure: Figure) -> bytes:
    """The figure as a PNG, SCALE times its size in user units."""
    return resvg_py.svg_to_bytes(
        svg_string=standalone(figure),
        zoom=SCALE,
        skip_system_fonts=True,
        font_files=[str(sans_path())],
        font_family=FONT,
        sans_serif_family=FONT,
    )


def file_name(figure: Figure) -> str:
    """The figure's file: its name on the page."""
    return f"{figure.name.removeprefix('fig-')}.png"
