"""How tokens look in a terminal: the mask in colour, or in brackets where there is no colour."""

import sys
import unicodedata
from dataclasses import replace
from itertools import groupby

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from hunmin.readable import Kind, Part
from launcher.inspect.tokens import TokenGroup

TRAINED, CONTEXT = "bold", "dim"  # beside the colour of the part
# Signs that no corpus is full of, so that a bracket in a text is not taken for a mark.
TRAINED_MARKS, SPECIAL_MARKS = "⟦⟧", "⟨⟩"
# Of what is shown as messages: each kind of part is named, and has a colour where there are some.
PART_STYLES: dict[Kind, str] = {
    "system": "magenta",
    "user": "",
    "thought": "italic yellow",
    "answer": "green",
    "call": "cyan",
    "tool": "blue",
}
COLOUR_LEGEND = (
    "bold: trained, green an answer, yellow a thought, cyan a call; dim: context; reversed: a special token"
)
PLAIN_LEGEND = "⟦…⟧: trained; ⟨…⟩: a special token; the rest is context"


def console() -> Console:
    """Standard output; lines are broken for a terminal alone."""
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False)


def has_colour(out: Console) -> bool:
    """Whether colours can tell trained tokens from context: a terminal, and NO_COLOR not set."""
    return out.is_terminal and not out.no_color and out.color_system is not None


def legend(out: Console) -> str:
    """What the marks mean."""
    return COLOUR_LEGEND if has_colour(out) else PLAIN_LEGEND


def visible(text: str) -> str:
    """The text with line ends and tabs to be seen, and without what would steer a terminal."""
    return "".join(_visible(char) for char in text)


def _visible(char: str) -> str:
    if char in "\n\t":
        return {"\n": "↵\n", "\t": "⇥\t"}[char]
    # Controls, other line ends, and the marks that turn the direction of what follows; joiners make emoji.
    steers = unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in "\u200c\u200d"
    return f"<U+{ord(char):04X}>" if steers else char


def running_text(groups: list[TokenGroup], *, colour: bool) -> Text:
    """Tokens as one text with marks; one stretch of colour for neighbours that look alike."""
    text = Text()
    for trained, run in groupby(groups, key=lambda group: group.trained):
        marks = TRAINED_MARKS if trained and not colour else ("", "")
        text.append(marks[0])
        for _, same in groupby(run, key=lambda group: (group.special, group.kind)):
            alike = list(same)
            if colour:
                text.append("".join(visible(group.text) for group in alike), style=_style(alike[0]))
            else:
                text.append("".join(_marked(group) for group in alike))
        text.append(marks[1])
    return text


def _style(group: TokenGroup) -> str:
    kind = group.kind or ("answer" if group.trained else "user")
    marks = [TRAINED if group.trained else CONTEXT, *(["reverse"] if group.special else [])]
    return " ".join([*marks, PART_STYLES[kind]]).strip()


def _marked(group: TokenGroup) -> str:
    shown = visible(group.text)
    return f"{SPECIAL_MARKS[0]}{shown}{SPECIAL_MARKS[1]}" if group.special else shown


def part_text(part: Part) -> Text:
    """What is said at a time under its kind; a console without colours leaves them out."""
    text = Text(f"{part.kind}:\n", style="bold")
    return text.append(visible(part.text), style=PART_STYLES[part.kind])


def token_lines(groups: list[TokenGroup], *, colour: bool) -> list[Text]:
    """A line per group of tokens: position, trained or not, text, ids; columns by the width of signs."""
    shown = [visible(group.text).replace("\n", "").replace("\t", "") for group in groups]
    width = min(30, max((cell_len(text) + 2 for text in shown), default=0))
    lines = []
    for group, text in zip(groups, shown, strict=True):
        marks = SPECIAL_MARKS if group.special else "  "
        cell = set_cell_size(f"{marks[0]}{text}{marks[1]}", max(width, cell_len(text) + 2))
        line = Text(f"{group.position:>6}  {'trained' if group.trained else 'context'}  ")
        line.append(cell, style=_style(replace(group, special=False)) if colour else "")
        lines.append(line.append("  " + " ".join(map(str, group.ids))))
    return lines
