"""Cases of the code checks beyond those that every check has."""

import pytest

from hunmin.language.answers.constraints import holds
from hunmin.language.answers.python_code import parse

MUTUAL = "def even(n):\n    return n == 0 or odd(n - 1)\n\ndef odd(n):\n    return n != 0 and even(n - 1)"
MEMO_BY_HAND = (
    "def fib(n, memo={}):\n    if n in memo:\n        return memo[n]\n"
    "    memo[n] = n if n < 2 else fib(n - 1) + fib(n - 2)\n    return memo[n]"
)
STORAGE = (
    "memory_storage = {}\n\ndef put(key, value):\n    if key in memory_storage:\n        return\n"
    "    memory_storage[key] = value"
)


@pytest.mark.parametrize("text", ["안녕하세요", "42", "x", "'text'", "a + b", "print(", "def f(:", "\0", ""])
def test_what_defines_sets_or_calls_nothing_is_no_code(text: str) -> None:
    assert parse(text) is None


def test_prose_around_a_block_is_no_code() -> None:
    assert parse("여기 있습니다.\n```python\nprint(1)\n```") is None
    assert parse("```python\nprint(1)\n```") is not None


def test_recursion_by_way_of_another_function_is_recursion() -> None:
    assert holds("uses_recursion", MUTUAL)
    assert not holds("no_recursion", MUTUAL)


def test_a_memo_must_be_looked_up_and_filled() -> None:
    assert holds("uses_memoization", MEMO_BY_HAND)
    assert not holds("uses_memoization", STORAGE)
    assert not holds("uses_memoization", "memo = {}\nmemo['a'] = 1")


def test_a_docstring_is_missing_if_one_function_lacks_it() -> None:
    one = 'def f():\n    """Do."""\n'
    assert holds("has_docstring", one)
    assert not holds("has_docstring", one + "\ndef g():\n    return 1\n")


def test_a_comprehension_over_two_is_nested() -> None:
    assert not holds("no_nested_loops", "pairs = [(a, b) for a in x for b in y]")


def test_code_for_another_language_is_not_called_python() -> None:
    code = "console.log('hi')"
    assert not holds("python", code)  # Python has no console
    assert holds("python", "print('hi')")  # by itself nothing tells them apart
    assert not holds("python", code, given="Print hi in JavaScript.")
    assert holds("python", "print('hi')", given="Translate this C code into Python.")
    assert holds("python", "print('hi')", given="Write a function to go through a list.")


@pytest.mark.parametrize(
    "code", ["console.log(1)", "System.out.println(1)", "a = 1\nalert(a)", "fmt.Println(a)", "x = [f(y)]"]
)
def test_names_that_nothing_sets_are_of_another_language_or_of_a_fragment(code: str) -> None:
    assert parse(code) is None
    assert not holds("only_standard_library", code)
    assert not holds("only_standard_library", f"import math\n{code}")


@pytest.mark.parametrize(
    "code",
    [
        "from math import *\nprint(sqrt(2))",
        "import os.path as p\nprint(p.sep, __name__, __file__)",
        "try:\n    print(1)\nexcept OSError as error:\n    print(error)",
        "with open('a') as f:\n    [print(line) for line in f if (n := len(line)) and n]",
        "def f(a, *b, c=1, **d):\n    return lambda e: (a, b, c, d, e)",
        "match [1, 2]:\n    case [a, *b]:\n        print(a, b)\n    case {'k': c, **d}:\n        print(c, d)",
    ],
)
def test_every_way_to_set_a_name_is_known(code: str) -> None:
    assert holds("only_standard_library", code)


@pytest.mark.parametrize(
    ("code", "handled"),
    [
        ("try:\n    print(1)\nexcept OSError:\n    print(2)", True),
        ("try:\n    print(1)\nexcept* OSError:\n    print(2)", True),
        ("from contextlib import suppress\nwith suppress(OSError):\n    print(1)", True),
        ("try:\n    print(1)\nfinally:\n    print(2)", False),
        ("try:\n    print(1)\nexcept OSError:\n    raise", False),
        ("def f(n):\n    raise ValueError(n)", False),
        ("with open('a') as f:\n    print(f)", False),
    ],
)
def test_to_handle_an_error_is_to_catch_it(code: str, handled: bool) -> None:
    assert holds("handles_errors", code) == handled


def test_deep_nesting_does_not_escape() -> None:
    assert parse("x = " + "(" * 5000 + ")" * 5000) is None
