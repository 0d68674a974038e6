"""Rewordings of English requests and questions: the frame changes, what is asked for stays word for word.

One sentence of a text is reworded, the first that is a command, a framed request ("Please …", "Could you …?")
or a question of a few plain shapes; whatever is not surely one of these is left alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hunmin.language.english.verbs import ABBREVIATIONS, ASKED_NOUNS, COMMANDS, NOUNS_TOO, OPENERS
from hunmin.language.protected import quoted_spans

_BOUNDARY = re.compile(r"[.?!]+(?=\s+[A-Z\"“'(\d]|\s*\n|\s*$)|:(?=\s*\n|\s*$)|(?<=[^\s.?!:])(?=\s*\n|\s*$)")
_CODE_LINE = re.compile(
    r"^(?:```|    |\t|\s*(?:[\w.]+\s*\+?=\s|.*[;{}]\s*$"
    r"|(?:def|class|import|function|public|int|for|if|var|let|const|#include|<)\b.*[({:;>]\s*$))",
    re.MULTILINE,
)
# "In Python, write …", "Given a list, find …": a scene before the command.
_INTRO = re.compile(r"(?:In|Given|Using|Based on|With|From) [^?!:;]*?, (?=[a-z])")
_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*")
# What a request may be wrapped in: the rule, its words, whether it asks.
FRAMES = (
    ("en:imperative", "", False),
    ("en:please", "please ", False),
    ("en:could_you", "could you ", True),
    ("en:can_you", "can you ", True),
    ("en:could_you_please", "could you please ", True),
    ("en:would_you_please", "would you please ", True),
    ("en:would_like", "I'd like you to ", False),
    ("en:your_task", "your task is to ", False),
)
_FRAME = re.compile(
    r"(?:(?P<please>please,? )(?!note\b|keep\b)|(?P<asks>(?:could|can|would|will) you (?:please )?)"
    r"|(?P<like>I(?:'d| would) like you to |I want you to |I need you to )|(?P<task>your task is to ))",
    re.IGNORECASE,
)
_HOW_TO = re.compile(
    r"how (?:(?:can|do|could|would|should|might) (?:i|you|we|one)|to) (?P<rest>(?P<verb>[a-z-]+)\b.*)",
    re.IGNORECASE | re.DOTALL,
)
_WHAT_IS = re.compile(r"what (?:is|are) (?P<rest>(?P<article>the|some)\b.*)", re.IGNORECASE | re.DOTALL)
_WHAT_DOES_NOT_FIT = re.compile(
    r"[,;]|\b(?:and (?:how|what|why|where|when)|or (?:is|are|do)|if|that|which|who|is|are"
    r"|was|were|will|would|should|does|did|do|has|have|had|can|could|might|may|you|your|[a-z]+n['’]t)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Request:
    """A request: `text[start:end]` is its words, `mark` what ends it, `core` the verb and its object."""

    start: int
    end: int
    mark: str
    core: str
    frame: str  # name of the frame it stands in; "" for a bare command, "intro" behind a scene
    first: bool  # the first sentence of the text
    behind_question: bool  # follows a question, which is what the text asks
    closed: bool  # nothing of the sentence runs on behind it


def english_candidates(text: str) -> list[tuple[str, str]]:
    """(rule, text) of each rewording; none where no sentence is surely a request or a plain question."""
    quoted = quoted_spans(text)
    spans = [span for span in _sentences(_prose(text)) if not any(a < span[0] < b for a, b in quoted)]
    for place, (start, end, mark) in enumerate(spans):
        request = _request(text, start, end, mark, first=place == 0)
        if request is not None:
            return list(_framed(text, request))
        opening = _WORD.match(text, start)
        if opening is not None and opening[0].lower() in COMMANDS | {"please"}:
            return []  # a request of a shape that is not known: no other sentence is the request
    return list(_asked(text, *spans[0])) if len(spans) == 1 else []


def _prose(text: str) -> str:
    """The text up to the first line that looks like code."""
    code = _CODE_LINE.search(text)
    return text[: code.start()] if code else text


def _sentences(text: str) -> list[tuple[int, int, str]]:
    """(start, end of the words, end mark) of each sentence."""
    found, start = [], 0
    for match in _BOUNDARY.finditer(text):
        words = text[start : match.start()]
        if match[0] == "." and _abbreviated(words) and not re.match(r"\s*(?:\n|$)", text[match.end() :]):
            continue
        stripped = len(words) - len(words.lstrip())
        if words.strip():
            found.append((start + stripped, match.start(), match[0]))
        start = match.end()
    return found


def _abbreviated(words: str) -> bool:
    """Whether a full stop behind these words ends none: Mr., J., and the number of a list item."""
    last = words.split()[-1:] or [""]
    word = last[0].lstrip("(\"'").lower() + "."
    return word in ABBREVIATIONS or re.fullmatch(r"[a-z]\.", word) is not None or words.strip().isdigit()


def _request(text: str, start: int, end: int, mark: str, *, first: bool) -> Request | None:
    words = text[start:end]
    runs_on = not mark and re.match(r"\s*[a-z]", text[end:]) is not None
    frame = _FRAME.match(words)
    core, name = (words[frame.end() :], frame.lastgroup or "") if frame else (words, "")
    if frame is None:
        scene = _scene(words)
        if scene is not None:
            start, core, name = start + scene, words[scene:], "intro"
    if (name == "asks") != ("?" in mark) or not _is_command(core, name=name):
        return None
    if not first and core == words and not core[0].isupper():
        return None
    return Request(start, end, mark, core, name, first, "?" in text[:start], not runs_on)


def _scene(words: str) -> int | None:
    """Where the command starts behind "In Python, …" or "Given a list, …"."""
    if not _INTRO.match(words):
        return None
    for comma in re.finditer(r", (?=[a-z])", words):
        verb = _WORD.match(words, comma.end())
        if verb is not None and verb[0] in COMMANDS:
            return comma.end()
    return None


def _is_command(core: str, *, name: str) -> bool:
    """Whether words start with a verb in the base form and its object."""
    words = _WORD.findall(core)
    if not words or not core.startswith(words[0]):
        return False
    verb = words[0].lower()
    if verb not in COMMANDS or words[0][1:] != words[0][1:].lower():
        return False
    after = core[len(words[0]) :]
    if not re.match(r"\s+[^\s\-–—:=(]", after):
        return False
    follows = re.match(r"\s+(\S+)", after)
    following = follows[1].lower().strip(",;") if follows else ""
    opens = following in OPENERS or following[:1].isdigit() or following[:1] in "\"“'‘`"
    return opens or (name not in ("", "intro")) or verb not in NOUNS_TOO


def _framed(text: str, request: Request) -> Iterator[tuple[str, str]]:
    core = request.core[0].lower() + request.core[1:]
    capital = request.frame != "intro" and text[request.start].isupper()
    for rule, frame, asks in FRAMES:
        if (asks and not _may_ask(text, request)) or not _suits(rule, request):
            continue
        words = frame + core
        if capital:
            words = words[0].upper() + words[1:]
        mark = _mark(request.mark, asks=asks)
        result = text[: request.start] + words + mark + text[request.end + len(request.mark) :]
        if result != text:
            yield rule, result


def _suits(rule: str, request: Request) -> bool:
    """Whether a frame goes with what is asked and with the sentences before it."""
    if rule in ("en:your_task", "en:would_like") and request.behind_question and request.frame != "asks":
        return False
    if rule == "en:your_task" and (not request.first or re.search(r"\b(?:me|my|I)\b", request.core)):
        return False
    if "please" in rule and "please" in request.core.lower():
        return False
    return not (rule == "en:imperative" and request.frame == "intro")


def _may_ask(text: str, request: Request) -> bool:
    """A question must end where its sentence ends, and stand beside no other question."""
    if ":" in request.mark or not request.closed or re.search(r"[;:](?=\s)", request.core):
        return False
    return "?" not in text[: request.start] + text[request.end + len(request.mark) :]


def _mark(mark: str, *, asks: bool) -> str:
    if asks:
        return "?"
    return "." if "?" in mark else mark


def _asked(text: str, start: int, end: int, mark: str) -> Iterator[tuple[str, str]]:
    """Questions by how and what as "Can you tell me …?" and "Explain how to …"."""
    words = text[start:end].rstrip()
    if "?" not in mark and not (mark == "" and words.lower().startswith("how to ")):
        return
    tail = text[end + len(mark) :]
    asked = _indirect(words)
    if asked is None:
        return
    frames = [("en:tell_me", "Can you tell me ", "?"), ("en:please_tell_me", "Please tell me ", ".")]
    if asked.startswith("how to "):
        frames.append(("en:explain", "Explain ", "."))
    for rule, frame, new_mark in frames:
        if not text[start].isupper():
            frame = frame[0].lower() + frame[1:]
        yield rule, text[:start] + frame + asked + new_mark + tail


def _indirect(words: str) -> str | None:
    """What is asked, as a clause or noun phrase; None where the order of words would have to change."""
    how = _HOW_TO.fullmatch(words)
    if how is not None and how["verb"].lower() not in ("be", "have", "not", "feel", "know", "think"):
        rest = how["rest"]
        return (
            f"how to {rest}" if not re.search(r"\b(?:and|or) (?:how|what|why|when|where)\b", rest) else None
        )
    what = _WHAT_IS.fullmatch(words)
    if what is None or _WHAT_DOES_NOT_FIT.search(what["rest"]):
        return None
    head = re.split(r"\b(?:of|between|to|for|in|on|from|about)\b", what["rest"], maxsplit=1)[0].split()
    fits = 2 <= len(head) <= 5 and head[-1].lower() in ASKED_NOUNS
    return what["rest"] if fits and not what["rest"].rstrip().endswith("ing") else None
