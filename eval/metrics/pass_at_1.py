"""Code that passes the tests of its request: the only metric that runs what a model wrote."""

import ast
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np

from eval.sandbox.sandbox import run_python
from eval.scores.intervals import Array
from eval.scores.metric import MeanMetric, Reference
from hunmin.language.answers import python_code

_FENCED = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)\n?```", re.DOTALL | re.IGNORECASE)


class PassAt1(MeanMetric):
    """Share of answers whose code passes all tests of the request, in the sandbox (eval/sandbox).

    Of several answers a sample, their mean (pass@1 of Chen et al., 2021).
    """

    name = "pass_at_1"
    unit = "ratio"
    runs_code = True

    def applies(self, reference: Reference) -> bool:
        """To samples whose request has tests."""
        return bool(reference.tests)

    def statistics(self, answers: Sequence[str], references: Sequence[Reference]) -> Array:
        """Value and count of each sample; as many run at a time as there are cores."""
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            values = list(pool.map(self.value, answers, references))
        return np.stack([np.array(values, dtype=np.float64), np.ones(len(values))], axis=1)

    def value(self, answer: str, reference: Reference) -> float:
        """1 or 0."""
        return float(passes(code_in(answer, reference.given), reference.tests))

    def note(self) -> str:
        """What was run."""
        return "asserts and doctests of the request, run in a sandbox"


def code_in(answer: str, given: str = "") -> str:
    """The code of an answer: its first fenced block, else all of it; of a body, with the function given."""
    if python_code.completes_function(given, answer):
        return f"{given.rstrip()}\n{python_code.code_of(answer)}"
    fenced = _FENCED.search(answer)
    return fenced[1] if fenced else answer


def shown_tests(request: str) -> tuple[str, ...]:
    """The tests that a request shows: its lines that assert something, and its doctests."""
    asserts = [line.strip() for line in request.splitlines() if re.match(r"\s*assert\b", line)]
    tests = tuple(line for line in asserts if _parses(line))
    text = re.sub("\"\"\"|'''", "\n\n", request)  # or the end of a docstring would be awaited as output
    if re.search(r"^\s*>>> .+\n(?!\s*(?:>>>|\.\.\.|$))", text, re.MULTILINE):
        tests += (
            "import doctest as _doctest\n"
            f"_shown = _doctest.DocTestParser().get_doctest({text!r}, globals(), 'request', None, 0)\n"
            "assert _doctest.DocTestRunner(verbose=False).run(_shown).failed == 0",
        )
    return tests


@lru_cache(maxsize=4096)  # baselines say the same to many samples
def passes(code: str, tests: tuple[str, ...]) -> bool:
    """Whether the code runs, and every test behind it; what does not parse is not run."""
    return _parses(code) and run_python("\n\n".join([code, *tests]))


def _parses(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return bool(code.strip())


METRIC = PassAt1()
