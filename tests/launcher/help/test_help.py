"""The pages of `--help`, in both languages, as committed; every word of them has its Korean."""

import os
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from golden_files import check_golden

from launcher.cli import app
from launcher.help.korean import GROUPS, KOREAN, is_korean
from launcher.help.pages import WIDTH, command_page, main_page, split_help

GOLDEN = Path(__file__).parent / "golden"
GROUP: Any = typer.main.get_command(app)


def pages(*, in_korean: bool) -> Iterator[str]:
    """The main page and that of every command, in order."""
    with GROUP.make_context("hunmin", [], resilient_parsing=True) as ctx:
        yield main_page(GROUP, ctx, in_korean=in_korean)
        for name, command in GROUP.commands.items():
            with command.make_context(name, [], parent=ctx, resilient_parsing=True) as inner:
                yield command_page(command, inner, in_korean=in_korean)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_pages_are_as_committed(language: str) -> None:
    text = ("\n" + "-" * WIDTH + "\n").join(pages(in_korean=language == "ko"))
    check_golden(GOLDEN / f"help.{language}.txt", text)


def test_every_word_has_its_korean() -> None:
    wanted = [GROUP.help, *(title for title, _ in GROUPS)]
    for name, command in GROUP.commands.items():
        text, example = split_help(command.help)
        assert example.startswith(f"hunmin {name} "), (
            f"{name}: its docstring needs a line Example: hunmin {name} …"
        )
        wanted.append(text)
        wanted += [one.help for one in command.params]
    missing = [text for text in wanted if not KOREAN.get(text)]
    assert not missing, "launcher/help/korean.py, KOREAN: add\n" + "\n".join(
        f'    "{text}": "",' for text in missing
    )


def test_no_korean_is_left_over() -> None:
    shown = "\n".join(pages(in_korean=True))
    flat = " ".join(shown.split())
    assert [korean for korean in KOREAN.values() if korean not in flat and korean != "그 밖에"] == []


def test_every_command_has_its_group_and_one_line() -> None:
    assert {name for _, names in GROUPS for name in names} == set(GROUP.commands)
    for in_korean in (False, True):
        main = next(pages(in_korean=in_korean))
        for name in GROUP.commands:
            (line,) = [line for line in main.splitlines() if line.startswith(f"  {name} ")]
            assert line.rstrip().endswith(".")
            assert columns(line) <= WIDTH


def columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({"LANG": "ko_KR.UTF-8"}, True),
        ({"LC_ALL": "ko_KR.eucKR"}, True),
        ({"LC_MESSAGES": "ko", "LANG": "en_US.UTF-8"}, True),
        ({"LC_ALL": "C", "LANG": "ko_KR.UTF-8"}, False),
        ({"LC_ALL": "", "LANG": "ko_KR.UTF-8"}, True),
        ({"LANG": "kok_IN.UTF-8"}, False),
        ({"LANGUAGE": "ko:en", "LANG": "en_US.UTF-8"}, True),
        ({"LANGUAGE": "en", "LC_ALL": "ko_KR.UTF-8"}, False),
        ({"LANGUAGE": "fr:ko_KR", "LANG": "fr_FR.UTF-8"}, True),
        ({"LANGUAGE": "ko", "LC_ALL": "C"}, False),
        ({}, False),
    ],
)
def test_the_locale_decides(environ: dict[str, str], wanted: bool) -> None:
    assert is_korean(environ) == wanted


@pytest.mark.parametrize(
    ("locale", "word"), [("ko_KR.UTF-8", "사용법: hunmin run"), ("C", "Usage: hunmin run")]
)
def test_the_command_line_speaks_it(locale: str, word: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "launcher", "run", "--help"],
        capture_output=True,
        env=os.environ | {"LC_ALL": locale},
        check=True,
    )
    assert done.stdout.decode().startswith(word)
