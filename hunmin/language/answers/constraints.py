"""Checks on answers: what an instruction asks for and code can verify.

A check is named as in a task file's `requires`: a name, or a name and its argument behind a colon
(`one_sentence`, `max_chars:80`, `label_set:긍정,부정`). Yes means that the answer surely has it; where code
cannot tell, the answer is no.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from hunmin.errors import did_you_mean
from hunmin.language.answers import forms, instructed, python_code
from hunmin.language.sentences import is_closed


class Check(NamedTuple):
    """A named check. `argument` reads the text behind the colon; None: the check takes none."""

    holds: Callable[[forms.Answered, Any], bool]
    says: str  # in words, for people
    argument: Callable[[str], Any] | None = None


@cache
def check_of(name: str) -> Callable[[forms.Answered], bool]:
    """The check that a task file's `requires` names.

    Raises:
        ValueError: unknown name (with the nearest one), an argument that is missing, needless or unreadable.
    """
    kind, colon, text = name.partition(":")
    check = CHECKS.get(kind)
    if check is None:
        hint = did_you_mean(kind, CHECKS, f"known are {', '.join(sorted(CHECKS))}")
        raise ValueError(f"no check is named {kind!r}; {hint}")
    if check.argument is None:
        if colon:
            raise ValueError(f"check {kind} takes no argument, found {text!r}")
        return lambda answered: check.holds(answered, None)
    if not text:
        raise ValueError(f"check {kind} needs an argument behind a colon ({check.says})")
    try:
        argument = check.argument(text)
    except ValueError as error:
        raise ValueError(f"check {kind}: {text!r} is no argument of it ({error}); {check.says}") from error
    return lambda answered: check.holds(answered, argument)


def holds(name: str, answer: str, *, given: str = "") -> bool:
    """Whether an answer (to an input, which some checks compare it with) passes a check.

    Raises:
        ValueError: see `check_of`.
    """
    return check_of(name)(forms.Answered(answer, given))


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise ValueError("a whole number above 0")
    return int(text)


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def scale_of(text: str) -> range:
    """The whole numbers of a scale written 1-5.

    Raises:
        ValueError: it is written otherwise, or holds one number.
    """
    bounds = re.fullmatch(r"(\d{1,3})-(\d{1,3})", text)
    if bounds is None or int(bounds[1]) >= int(bounds[2]):
        raise ValueError("a scale is written as in 1-5, the lowest number first")
    return range(int(bounds[1]), int(bounds[2]) + 1)


def _one_of(*known: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in known:
            raise ValueError(f"one of {', '.join(known)}")
        return text

    return read


CHECKS: dict[str, Check] = {
    # Length
    "one_sentence": Check(
        lambda a, _: len(a.sentences) == 1 and is_closed(a.sentences[0]), "one sentence, not a phrase"
    ),
    "sentences": Check(
        lambda a, n: len(a.sentences) == len(a.sure_sentences) == n, "so many sentences, sentences:3", _count
    ),
    "max_sentences": Check(
        lambda a, n: 0 < len(a.sentences) <= n, "at most so many, max_sentences:3", _count
    ),
    "min_sentences": Check(
        lambda a, n: len(a.sure_sentences) >= n, "at least so many, min_sentences:3", _count
    ),
    "max_chars": Check(lambda a, n: len(a.answer) <= n, "at most so many characters, max_chars:80", _count),
    "min_chars": Check(lambda a, n: len(a.answer) >= n, "at least so many characters, min_chars:80", _count),
    "max_chars_unspaced": Check(
        lambda a, n: len("".join(a.answer.split())) <= n,
        "at most so many characters, spaces not counted, max_chars_unspaced:400",
        _count,
    ),
    "max_words": Check(lambda a, n: len(a.answer.split()) <= n, "at most so many words, max_words:5", _count),
    "min_words": Check(
        lambda a, n: len(a.answer.split()) >= n, "at least so many words, min_words:5", _count
    ),
    "one_word": Check(lambda a, _: bool(forms.WORD.fullmatch(a.answer.strip())), "a single word"),
    "one_line": Check(lambda a, _: len(a.lines) == 1, "one line"),
    "max_share": Check(
        lambda a, n: 0 < 100 * len(a.answer) <= n * len(a.input),
        "at most so many percent of the input's characters, max_share:50",
        _count,
    ),
    "paragraphs": Check(instructed.num_paragraphs, "so many paragraphs, paragraphs:3", _count),
    # Form
    "bullets": Check(forms.all_lines(forms.BULLET), "two lines or more, each with a bullet"),
    "num_bullets": Check(
        lambda a, n: len(a.lines) == n and all(map(forms.BULLET.match, a.lines)),
        "so many lines, each with a bullet, num_bullets:3",
        _count,
    ),
    "numbered_list": Check(
        lambda a, _: (
            len(forms.numbered(a)) >= 2 and forms.numbered(a) == [*range(1, len(forms.numbered(a)) + 1)]
        ),
        "lines numbered from 1",
    ),
    "keywords": Check(
        lambda a, _: forms.keywords(a), "two short terms or more, apart by commas or lines, no clauses"
    ),
    "phrase": Check(lambda a, _: forms.phrase(a), "a Korean phrase without a closing ending"),
    "question_answer": Check(
        lambda a, _: forms.questions_and_answers(a), "questions and answers in turn, marked"
    ),
    "question": Check(lambda a, _: a.answer.rstrip().endswith("?"), "it ends with a question mark"),
    "json": Check(forms.json_object, "a JSON object"),
    "lower_case": Check(
        lambda a, _: bool(forms.LATIN.search(a.answer)) and a.answer == a.answer.lower(), "no capital letter"
    ),
    "upper_case": Check(instructed.is_upper, "Latin letters, all capitals"),
    "capital_words": Check(
        instructed.capital_words, "at least so many words in capitals, capital_words:2", _count
    ),
    "title": Check(instructed.has_title, "a title, as <<title>> or a heading in its first line"),
    "highlights": Check(instructed.highlights, "at least so many *marked* pieces, highlights:2", _count),
    "sections": Check(instructed.sections, "at least so many headings, sections:3", _count),
    "placeholders": Check(
        instructed.placeholders, "at least so many [blanks] to be filled in, placeholders:2", _count
    ),
    "postscript": Check(instructed.has_postscript, "a line that begins with P.S. or 추신"),
    "quoted": Check(instructed.is_quoted, "all of it stands between quotation marks"),
    "two_answers": Check(instructed.two_answers, "two different answers with ****** between them"),
    "no_commas": Check(lambda a, _: bool(a.answer.strip()) and not set(",，、") & set(a.answer), "no comma"),
    "begins_with": Check(
        lambda a, text: a.answer.strip().startswith(text), "it begins with these words, begins_with:네", str
    ),
    "ends_with": Check(
        lambda a, text: a.answer.strip().endswith(text),
        "it ends with these words, ends_with:감사합니다.",
        str,
    ),
    # Content
    "has_words": Check(instructed.has_words, "all of these words, has_words:서울,부산", instructed.words),
    "avoids_words": Check(
        instructed.avoids_words, "none of these words, avoids_words:아마,혹시", instructed.words
    ),
    "says_often": Check(
        instructed.says_often, "a word at least so often, says_often:서울*3", instructed.times
    ),
    "repeats_request": Check(instructed.repeats_request, "it begins with the input, and goes on"),
    "label_set": Check(
        lambda a, n: a.answer.strip() in n, "one of these labels, label_set:긍정,부정", _names
    ),
    "option": Check(forms.is_option, "the input lists options, and it is one of them"),
    "scale": Check(forms.in_scale, "a whole number of this scale, scale:1-5", scale_of),
    "extracts": Check(forms.extracts, "it stands in the input word for word"),
    "own_words": Check(forms.in_own_words, "no sentence of it stands in the input"),
    "keeps_numbers": Check(
        forms.keeps(forms.NUMBER), "the numbers of the input, which has some, are the answer's"
    ),
    "keeps_markup": Check(
        forms.keeps(forms.MARKED), "what the input has in backquotes is in the answer as it is"
    ),
    "refuses": Check(lambda a, _: bool(forms.REFUSAL.search(a.answer)), "it declines"),
    "apologises": Check(lambda a, _: bool(forms.APOLOGY.search(a.answer)), "it says sorry"),
    "names_help": Check(lambda a, _: bool(forms.HELP.search(a.answer)), "it names someone who can help"),
    "weighs_views": Check(lambda a, _: bool(forms.VIEWS.search(a.answer)), "it sets one view beside another"),
    # Language
    "language": Check(lambda a, code: a.language == code, "the answer's language", _one_of("ko", "en")),
    "no_latin": Check(
        lambda a, _: a.language == "ko" and not forms.LATIN.search(a.answer), "Korean without Latin letters"
    ),
    "only_hangul": Check(instructed.is_hangul, "Korean without a letter of another script"),
    "no_contractions": Check(
        lambda a, _: a.language == "en" and not forms.CONTRACTION.search(a.answer),
        "English without don't, it's",
    ),
    "contractions": Check(
        lambda a, _: a.language == "en" and bool(forms.CONTRACTION.search(a.answer)),
        "English with don't or it's",
    ),
    "no_hanja": Check(
        lambda a, _: a.language == "ko" and not forms.HAN.search(a.answer),
        "Korean without Chinese characters",
    ),
    "speech_level": Check(
        forms.level,
        "every Korean sentence ends so: formal -습니다, polite -요, honorific either, plain -다",
        _one_of("formal", "polite", "honorific", "plain"),
    ),
    # Python code
    "stands_alone": Check(
        lambda a, _: python_code.stands_alone(a.answer), "it is no body without the line that begins it"
    ),
    "completes_function": Check(
        lambda a, _: python_code.completes_function(a.input, a.answer),
        "the input begins a Python function, and the answer is its body",
    ),
    "python": Check(forms.python(lambda tree: True), "Python code and nothing else"),
    "is_function": Check(forms.python(python_code.defines_function), "Python code that defines a function"),
    "one_function": Check(forms.python(python_code.one_function), "one Python function and its imports"),
    "is_class": Check(forms.python(python_code.defines_class), "Python code that defines a class"),
    "has_docstring": Check(forms.python(python_code.has_docstring), "a docstring in every function"),
    "has_comments": Check(
        lambda a, _: a.python is not None and python_code.has_comments(a.answer),
        "Python code with comments",
    ),
    "has_usage_example": Check(
        forms.python(python_code.has_usage_example), "a call that shows how it is used"
    ),
    "has_type_hints": Check(forms.python(python_code.has_type_hints), "hints on every argument and result"),
    "handles_errors": Check(
        forms.python(python_code.handles_errors), "an exception is caught, not just raised"
    ),
    "no_recursion": Check(
        forms.python(
            lambda tree: python_code.defines_function(tree) and not python_code.uses_recursion(tree)
        ),
        "a function, none calling itself",
    ),
    "uses_recursion": Check(forms.python(python_code.uses_recursion), "a function calls itself"),
    "uses_loop": Check(forms.python(python_code.uses_loop), "a for or while statement"),
    "no_nested_loops": Check(
        forms.python(lambda tree: not python_code.has_nested_loops(tree)), "no loop inside a loop"
    ),
    "uses_generator": Check(forms.python(python_code.uses_generator), "a function yields"),
    "uses_comprehension": Check(forms.python(python_code.uses_comprehension), "a comprehension"),
    "uses_memoization": Check(forms.python(python_code.uses_memoization), "results are kept and used again"),
    "no_imports": Check(forms.python(lambda tree: not python_code.imports(tree)), "nothing is imported"),
    "only_standard_library": Check(
        forms.python(python_code.only_standard_library),
        "nothing that must be installed is imported, no name unknown",
    ),
    "max_code_lines": Check(forms.lines_of_code, "at most so many lines of code, max_code_lines:10", _count),
}
