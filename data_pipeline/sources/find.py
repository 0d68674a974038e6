"""From a source's `path` to its files: globs, folders, pairs of parallel files, and good errors."""

import glob
import os
import re
import unicodedata
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.records import Unit, printable
from data_pipeline.sources.formats import format_of
from data_pipeline.sources.remote import hub_files, url_files
from data_pipeline.sources.settings import HUB, check_settings, is_url, paths_of
from data_pipeline.sources.values.promptsource import chosen, load_templates
from hunmin.errors import ConfigError, InputError
from hunmin.section import resolve_path
from hunmin.url_secrets import filled

_SHOWN = 6  # names listed in a message
_TOKENS = re.compile(r"\*\*/|\*+|\?|\[[^\]]+\]")  # of a glob pattern


def expand(source: SourceConfig, *, index: int, base: Path) -> list[Unit]:
    """The files of a source, sorted by name; its `path` holds files, globs, folders, hub:NAME or fsspec URLs.

    Raises:
        ConfigError: the source has settings that its format does not read, or that contradict each other.
        InputError: a path matches nothing; the message names the nearest that exists.
        EnvironmentFailure: the hub, or the host of a URL, cannot be reached.
    """
    check_settings(source, index=index)
    if len(format_of(source.format).sides) > 1:
        pairs = _parallel_pairs(source, index=index, base=base)
        folder = _common_folder([_pattern(pair, base) for pair in _two_patterns(source, index=index)[:1]])
        return [_named_unit(source, index, _relative(pair[0], folder), pair) for pair in pairs]
    templates = None if source.templates is None else str(resolve_path(source.templates, base).resolve())
    if templates is not None:
        chosen(load_templates(templates), source, path=templates)
    joined = _joined_files(source, base)
    found = _files(source, base)
    units = [_named_unit(source, index, file, (found[file],)) for file in sorted(found)]
    return [replace(unit, templates=templates, joined=joined) for unit in units]


def _joined_files(source: SourceConfig, base: Path) -> tuple[str, ...]:
    if source.join is None:
        return ()
    found = _files(source.model_copy(update={"path": source.join.path}), base)
    return tuple(found[file] for file in sorted(found))


def _files(source: SourceConfig, base: Path) -> dict[str, str]:
    """Name in row ids -> absolute path of every file of a source."""
    found: dict[str, str] = {}
    local = [path for path in paths_of(source) if not path.startswith(HUB) and not is_url(path)]
    patterns = [_pattern(path, base) for path in local]
    if patterns:
        folder = _common_folder(patterns)
        matched = {path for pattern in patterns for path in _matches(pattern, source)}
        found |= {_relative(path, folder): path for path in sorted(matched)}
    for path in paths_of(source):
        if path in local:
            continue
        more = hub_files(path, source, base=base) if path.startswith(HUB) else url_files(path, source)
        if twice := sorted(more.keys() & found.keys()):
            raise InputError(
                f"source {source.name}: two files are named {twice[0]}; make two sources of them"
            )
        found |= more
    return found


def _relative(path: str, folder: str) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


def _named_unit(source: SourceConfig, index: int, name: str, paths: tuple[str, ...]) -> Unit:
    # One disk spells 한.json composed, another decomposed; the row ids must not differ.
    file = unicodedata.normalize("NFC", name)
    if printable(file) != file:
        raise InputError(
            f"source {source.name}: {printable(paths[0])}: the name is not UTF-8; rename the file"
        )
    return Unit(index, source.name, source.format, file, paths)


def _pattern(path: str, base: Path) -> str:
    return os.path.normpath(os.path.abspath(resolve_path(filled(path), base)))


def _is_glob(pattern: str) -> bool:
    return glob.has_magic(pattern) and not os.path.exists(pattern)


def _fixed_folder(pattern: str) -> str:
    """The part of a pattern above its first glob sign; of a plain file its folder."""
    if not _is_glob(pattern):
        return pattern if os.path.isdir(pattern) else os.path.dirname(pattern)
    folder = Path(pattern)
    while glob.has_magic(str(folder)) and not folder.exists():
        folder = folder.parent
    return str(folder)


def _common_folder(patterns: list[str]) -> str:
    return os.path.commonpath([_fixed_folder(pattern) for pattern in patterns])


def _matches(pattern: str, source: SourceConfig) -> list[str]:
    """The files that a pattern names; of a folder every file below it that is not hidden."""
    if os.path.isdir(pattern):
        found = walked(pattern)
    elif _is_glob(pattern):
        above, deep, _ = pattern.partition("**")
        for folder in glob.glob(above or ".") if deep else ():
            if os.path.isdir(folder):
                walked(folder)  # `glob` follows links too, and would go round in a circle
        found = glob.glob(pattern, recursive=True)
    else:
        found = [pattern]
    files = [path for path in found if os.path.isfile(path)]
    if not files:
        raise InputError(_nothing_there(pattern, source))
    return files


def walked(top: str) -> list[str]:
    """Every file below a folder that is not hidden, links followed.

    Raises:
        InputError: a link leads to a folder that is met otherwise too, above it or beside it: its files would
            be read again and again, or twice.
    """
    found: list[str] = []
    met: dict[tuple[int, int], str] = {}
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        stat = os.stat(folder)
        first = met.setdefault((stat.st_dev, stat.st_ino), folder)
        if first != folder:
            raise InputError(
                f"{folder} and {first} are one folder, by a link; remove the link, or name other folders"
            )
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    (waiting if entry.is_dir() else found).append(entry.path)
    return found


def _nothing_there(pattern: str, source: SourceConfig) -> str:
    """What was looked for, how far the path exists, and the nearest names there."""
    missing = Path(pattern)
    while not missing.parent.is_dir():
        missing = missing.parent
    folder = missing.parent
    names = sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir())
    near = get_close_matches(missing.name, [name.rstrip("/") for name in names], n=2)
    if missing.is_dir():
        advice = f"{missing} holds no file; put files there or change the path"
    elif near:
        advice = f"{folder} holds no {missing.name}; did you mean {' or '.join(near)}?"
    elif names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        advice = f"{folder} holds no {missing.name}, it holds {', '.join(names[:_SHOWN])}{more}"
    else:
        advice = f"{folder} is empty"
    return f"source {source.name}: no file at {pattern}; {advice} (paths are relative to the config file)"


def _two_patterns(source: SourceConfig, *, index: int) -> tuple[str, str]:
    """The two sides of a parallel source as written: a list of two, or one path with {language} in it."""
    where = f"data.sources[{index}] ({source.name})"
    if not isinstance(source.path, str):
        if len(source.path) != 2:
            raise ConfigError(
                f"{where}: path has {len(source.path)} entries; parallel needs two: [source, target]"
            )
        return source.path[0], source.path[1]
    if "{language}" not in source.path or source.languages is None:
        raise ConfigError(
            f"{where}: path is one text; parallel needs two, path: [source file, target file], "
            "or one with {language} in it and languages: [source, target]"
        )
    one, other = (source.path.replace("{language}", language) for language in source.languages)
    return one, other


def _parallel_pairs(source: SourceConfig, *, index: int, base: Path) -> list[tuple[str, str]]:
    """Files of both sides whose glob parts match the same text; two plain paths are one pair."""
    patterns = [_pattern(path, base) for path in _two_patterns(source, index=index)]
    sides = [{_glob_part(path, pattern): path for path in _matches(pattern, source)} for pattern in patterns]
    for mine, theirs, pattern in ((sides[0], sides[1], patterns[1]), (sides[1], sides[0], patterns[0])):
        alone = sorted(mine[part] for part in mine.keys() - theirs.keys())
        if alone:
            raise InputError(
                f"source {source.name}: {alone[0]} has no partner among {pattern}"
                + (f" (nor have {len(alone) - 1} more)" if len(alone) > 1 else "")
                + "; parallel files pair by the text that * stands for"
            )
    return sorted((sides[0][part], sides[1][part]) for part in sides[0])


def _glob_part(path: str, pattern: str) -> tuple[str, ...]:
    """The texts that the glob signs of a pattern stand for in a path; () for a plain path."""
    if not _is_glob(pattern):
        return (os.path.relpath(path, pattern),) if os.path.isdir(pattern) else ()
    regex, end = "", 0
    for token in _TOKENS.finditer(pattern):
        kind = {"**/": "(.*?/|)", "?": "([^/])"}.get(token[0], "(.*)" if token[0] == "**" else "([^/]*)")
        regex += re.escape(pattern[end : token.start()]) + kind
        end = token.end()
    match = re.fullmatch(regex + re.escape(pattern[end:]), path)
    assert match is not None, f"{path} was found by {pattern}"
    return match.groups()
