"""Changing the texts inside JSON, so that it stays JSON and keeps its spelling where nothing changes."""

import json
import re
from collections.abc import Callable

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_STRING_OR_NUMBER = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*')


def change_in_json(text: str, change: Callable[[str], str]) -> str:
    """JSON text with `change` made of its strings, and of the whole: a word may explain a number beside it.

    White space at the ends of a string stays: it may be what a call says. Where a change of the whole hits a
    number, the numbers become strings, for what is put in their place is no number.
    """
    inside = _STRING.sub(lambda found: _changed(found[0], change), text)
    whole = change(inside)
    return whole if _is_json(whole) else change(_STRING_OR_NUMBER.sub(_quoted, inside))


def _changed(spelled: str, change: Callable[[str], str]) -> str:
    """A string of JSON with its inner text changed, in its own spelling where nothing does."""
    before = json.loads(spelled, strict=False)
    core = before.strip()
    after = before.replace(core, change(core)) if core else before
    return spelled if after == before else json.dumps(after, ensure_ascii=False)


def _quoted(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith('"') else f'"{found[0]}"'


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
