"""How `--help` looks: a page of commands in order of use, and a page for each, with an example."""

import os
import re
import unicodedata
from itertools import pairwise
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from launcher.help.korean import GROUPS, is_korean, korean

WIDTH = 100
Row = tuple[str, str]
_KINDS = {"path": "PATH", "Path": "PATH", "str": "TEXT", "int": "N", "float": "X"}


class CommandHelp(TyperCommand):
    """A command whose help is `command_page`."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """As on the page, also above an error."""
        return [
            *(one.metavar or str(one.name).upper() for one in self.params if _is(one, "argument")),
            "[OPTIONS]",
        ]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer's; an option that may be meant for the config is told how to be written."""
        try:
            return super().parse_args(ctx, self._with_empty_values(args))
        except Exception as error:  # typer's UsageError has no public name
            message = str(getattr(error, "message", ""))
            if "No such option" in message and any("KEY=VALUE" in str(one.metavar) for one in self.params):
                hint = "A value of the config is KEY=VALUE, such as train.num_steps=20."
                error.message = f"{message}. {hint}"  # type: ignore[attr-defined]
            raise

    def _with_empty_values(self, args: list[str]) -> list[str]:
        """The arguments, with an empty value behind each option that stands without its value and may.

        Those are the options whose metavar stands in brackets: `--rejected [REASON]`.
        """
        options = [one for one in self.params if _is(one, "option")]
        bare = {name for one in options if (one.metavar or "").startswith("[") for name in one.opts}
        return [
            word
            for arg, behind in pairwise([*args, "-"])
            for word in ([arg, ""] if arg in bare and behind.startswith("-") else [arg])
        ]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page in the user's language."""
        formatter.write(command_page(self, ctx, in_korean=is_korean(os.environ)))


class GroupHelp(TyperGroup):
    """The command line, whose help is `main_page`."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """As on the page, also above an error."""
        return ["COMMAND …"]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page in the user's language."""
        formatter.write(main_page(self, ctx, in_korean=is_korean(os.environ)))


class App(typer.Typer):
    """A typer application whose commands have our help."""

    def command(self, name: str | None = None, **kwargs: Any) -> Any:
        """As typer's."""
        kwargs.setdefault("cls", CommandHelp)
        return super().command(name, **kwargs)


def main_page(group: Any, ctx: Any, *, in_korean: bool) -> str:
    """The page of `hunmin --help`: what it is, then the commands by group, one line each."""
    say = korean if in_korean else str
    lines = [*_wrapped(say(group.help)), "", f"{say('Usage')}: {ctx.command_path} COMMAND …"]
    shown = {name for _, names in GROUPS for name in names}
    groups = [*GROUPS, ("More", tuple(name for name in group.commands if name not in shown))]
    for title, names in groups:
        rows = [
            (name, say(split_help(group.commands[name].help)[0])) for name in names if name in group.commands
        ]
        if rows:
            lines += ["", f"{say(title)}:", *_table(rows, first=10)]
    lines += ["", *_wrapped(say("hunmin COMMAND --help shows the arguments, and an example."))]
    return "\n".join(lines) + "\n"


def command_page(command: Any, ctx: Any, *, in_korean: bool) -> str:
    """The page of one command: usage, what it does, arguments, options, an example."""
    say = korean if in_korean else str
    text, example = split_help(command.help)
    usage = " ".join([ctx.command_path, *command.collect_usage_pieces(ctx)])
    lines = [f"{say('Usage')}: {usage}", "", *_wrapped(say(text), indent=2)]
    for title, kind in (("Arguments", "argument"), ("Options", "option")):
        rows = [_row(one, ctx, in_korean=in_korean) for one in command.get_params(ctx) if _is(one, kind)]
        if rows:
            lines += ["", f"{say(title)}:", *_table(rows)]
    if example:
        lines += ["", f"{say('Example')}:", f"  {example}"]
    return "\n".join(lines) + "\n"


def _is(param: Any, kind: str) -> bool:
    return param.param_type_name == kind


def split_help(text: str | None) -> tuple[str, str]:
    """A docstring's text, and the command behind `Example:`."""
    text, _, example = (text or "").partition("Example:")
    return " ".join(text.split()), " ".join(example.split())


def _row(param: Any, ctx: Any, *, in_korean: bool) -> Row:
    """Names and help of a parameter, with the default and `required` that typer adds."""
    names, help_text = param.get_help_record(ctx) or (param.name, param.help or "")
    if param.param_type_name == "argument":
        names = param.metavar or names
    names = re.sub(r"<(list\[)?([\w|]+)[^>]*>", lambda found: _KINDS.get(found[2], found[2]), names)
    own = param.help or ""
    added = re.sub(r"; x[<>=\d]+|  ?\[x[<>=\d]+\]", "", help_text[len(own) :])
    if in_korean:
        for english in ("default", "required"):
            added = added.replace(english, korean(english))
        own = korean(own)
    return names, own + added


def _table(rows: list[Row], *, first: int = 0) -> list[str]:
    """Two columns; a first cell that is too long stands on a line of its own."""
    width = max(first, *(len(name) for name, _ in rows if len(name) <= 28)) if rows else first
    lines: list[str] = []
    for name, text in rows:
        wrapped = _wrapped(text, indent=width + 4)
        if len(name) > width:
            lines.append(f"  {name}")
            name = ""
        lines += [f"  {name:<{width}}  {wrapped[0].lstrip()}", *wrapped[1:]]
    return lines


def _wrapped(text: str, *, indent: int = 0) -> list[str]:
    """Lines of at most WIDTH columns, broken at spaces; Hangul is two columns wide."""
    lines, line = [], " " * indent
    for word in text.split():
        if line.strip() and columns(line) + columns(word) + 1 > WIDTH:
            lines.append(line)
            line = " " * indent
        line += word if not line.strip() else f" {word}"
    return [*lines, line]


def columns(text: str) -> int:
    """Terminal columns of a text: a Hangul syllable takes two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
