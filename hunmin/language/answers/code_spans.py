"""Where the code of a text stands: fenced blocks, backquotes, a text that is a program, lines of programs."""

import re

from hunmin.language.answers import python_code

_FENCE = re.compile(r"^[ \t]*(```+|~~~+).*?(?:^[ \t]*\1|\Z)", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"(?<!`)(`{1,2})(?!`)[^\n]+?(?<!`)\1(?!`)")
# Sure signs only: a sentence, a form to fill in and a table of data are no code.
_LINE = re.compile(
    r"^[ \t]*(?:"
    r"[^\n]*(?:=|\([\"'])[^\n]*;"  # a statement
    r"|(?:async\s)?def\s\w+\([^\n]*:|(?:import\s\w|from\s\w[\w.]*\simport\s|#include\b)[^\n]*"
    r"|(?:const|let|var)\s\w+\s?=[^\n]*"
    r"|[A-Za-z_][\w.\[\]\"']*\s?=\s?(?:[frb]?[\"'\[{(]|\w[\w.]*\()[^\n]*"  # an assignment
    r"|[A-Za-z_][\w.]*\([^\n]*\)"  # a call
    r")[ \t]*$",
    re.MULTILINE,
)


def code_spans(text: str) -> list[tuple[int, int]]:
    """(start, end) of the pieces of code, which may overlap; the whole text where it is a Python program."""
    if python_code.parse(text):
        return [(0, len(text))]
    return [match.span() for form in (_FENCE, _INLINE, _LINE) for match in form.finditer(text)]
