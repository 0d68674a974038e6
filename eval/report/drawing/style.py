"""The page's colours and style sheet, and the same colours for pictures."""

import re
from pathlib import Path

FOLDER = Path(__file__).parents[1]

# name -> (light, dark). c0 to c7: Okabe and Ito's palette, which the colour-blind can tell apart.
COLOURS = {
    "paper": ("#fdfdfb", "#14161a"),
    "ink": ("#1c1e21", "#e4e5e7"),
    "muted": ("#5d636b", "#a0a6ae"),
    "rule": ("#dcdcd6", "#33373d"),
    "soft": ("#f3f3ee", "#1c1f24"),
    "link": ("#0a5a94", "#7cc0f0"),
    "good": ("#00694a", "#4cc9a0"),
    "bad": ("#a04400", "#f0945a"),
    "found": ("#ffe38a", "#5a4a00"),
    "c0": ("#0072b2", "#56b4e9"),
    "c1": ("#d55e00", "#e69f00"),
    "c2": ("#009e73", "#009e73"),
    "c3": ("#cc79a7", "#cc79a7"),
    "c4": ("#1c1e21", "#e4e5e7"),
    "c5": ("#e69f00", "#d55e00"),
    "c6": ("#56b4e9", "#f0e442"),
    "c7": ("#8a8000", "#3f93cc"),
}


def page_css() -> str:
    """The style sheet of the page: every colour twice, for light and for dark."""
    colours = "".join(
        f"  --{name}: light-dark({light}, {dark});\n" for name, (light, dark) in COLOURS.items()
    )
    sheets = [(FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "figures.css")]
    return f":root {{\n{colours}}}\n" + "".join(sheets)


def picture_css() -> str:
    """The style sheet of a figure that stands alone: light, without variables."""
    sheet = (FOLDER / "figures.css").read_text(encoding="utf-8")
    return re.sub(r"var\(--(\w+)\)", lambda found: COLOURS[found[1]][0], sheet)
