"""What the user's files are: encoding, format, and which of them belong together. Read this first.

Files are read by `data_pipeline.sources`, so what is detected here is what the data stage will read.
"""

import itertools
import os
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data_pipeline.config import FORMATS
from data_pipeline.sources.files.columnar import columnar_kind
from data_pipeline.sources.files.text_files import lines, text_dialect
from data_pipeline.sources.formats.gettext import catalogue_records
from data_pipeline.sources.formats.table import JSON_SUFFIXES
from hunmin.errors import InputError, did_you_mean
from launcher.init.detected import HEAD, Detected, Hints, language_among, make_source, unit_of
from launcher.init.joined_files import detect_joined
from launcher.init.json_files import detect_columnar, detect_json
from launcher.init.table_files import DELIMITERS, TABLE_SUFFIXES, detect_table

CATALOGUE_SUFFIXES = (".po", ".pot")
BOTH_WAYS = "directions: both gives two rows a pair; forward or backward gives one"
_ENCODINGS = ("utf-8", "cp949", "utf-16-le", "utf-16-be")


def detect(paths: Sequence[Path], hints: Hints) -> list[Detected]:
    """The sources that files make: files of one shape are one source, two plain text files a pair.

    Raises:
        InputError: a file cannot be understood; the message says what to pass.
    """
    if hints.format is not None and hints.format not in FORMATS:
        hint = did_you_mean(hints.format, FORMATS, f"the formats are {', '.join(FORMATS)}")
        raise InputError(f"--format {hints.format} is unknown; {hint}")
    for path in paths:
        _check_there(path)
    if _is_pair(paths, hints):
        return _named([_pair(paths, hints)])
    if len(paths) == 2 and (joined := _joined(paths, hints)):
        return _named([joined])
    found = [_one(path, hints) for path in paths]
    return _named(_grouped(found))


def _check_there(path: Path) -> None:
    if path.is_dir():
        names = sorted(one.name for one in path.iterdir() if one.is_file() and not one.name.startswith("."))
        suffix = Counter(Path(name).suffix for name in names).most_common(1)
        advice = (
            f"name its files: {shlex.quote(str(path))}/*{suffix[0][0]}"
            if suffix
            else "and there is no file in it"
        )
        raise InputError(f"{path}: a folder; {advice}")
    if not path.is_file():
        folder = path.parent
        names = sorted(one.name for one in folder.iterdir() if one.is_file()) if folder.is_dir() else []
        there = f"{folder.resolve()} holds {', '.join(names[:6]) or 'no file'}"
        there = there if folder.is_dir() else f"there is no folder {folder}"
        advice = did_you_mean(path.name, names, there, show=folder.joinpath)
        raise InputError(f"{path}: no such file; {advice}")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty; name one with records")


def encoding_of(path: Path, hints: Hints) -> str:
    """The first encoding that the file's head reads as. A byte order mark is enough for utf-8 and utf-16.

    Raises:
        InputError: none does, or the file is no text at all.
    """
    wanted = (hints.encoding,) if hints.encoding else _ENCODINGS
    first: InputError | None = None
    for encoding in wanted:
        try:
            text_dialect(str(path), encoding=encoding)
            head = "".join(itertools.islice(lines(str(path), encoding=encoding), 200))
        except LookupError:
            raise InputError(f"--encoding {encoding} is unknown; known are {', '.join(_ENCODINGS)}") from None
        except (InputError, UnicodeError) as error:
            first = first or (error if isinstance(error, InputError) else None)
            if first and ("not text" in str(first) or hints.encoding):
                raise first from error
            continue
        if hints.encoding or encoding == "utf-8" or _typed_by_a_person(head):
            return encoding
    raise InputError(
        f"{path}: neither {', '.join(_ENCODINGS)}; pass its encoding, as in --encoding latin-1, "
        "or save the file as utf-8"
    )


def _typed_by_a_person(text: str) -> bool:
    """Whether the letters beyond ASCII are Hangul for the most part: cp949 reads nearly any bytes as some."""
    beyond = [char for char in text if char > "\x7f"]
    hangul = sum("가" <= char <= "힣" or "ㄱ" <= char <= "ㅣ" for char in beyond)
    return 2 * hangul >= len(beyond)


def _is_pair(paths: Sequence[Path], hints: Hints) -> bool:
    if hints.format is not None:
        return hints.format == "parallel"
    known = (*JSON_SUFFIXES, *TABLE_SUFFIXES, *CATALOGUE_SUFFIXES)
    plain = [path for path in paths if path.suffix.lower() not in known and not columnar_kind(str(path))]
    return len(paths) == len(plain) == 2 and not any(
        _is_json_text(path, hints) or _delimiter_of_plain(path, hints) for path in paths
    )


def _joined(paths: Sequence[Path], hints: Hints) -> Detected | None:
    """Two files that are one source by an id; they need one encoding."""
    encodings = {encoding_of(path, hints) for path in paths if not columnar_kind(str(path))}
    if len(encodings) > 1:
        return None
    return detect_joined(paths, replace(hints, encoding=next(iter(encodings), hints.encoding)))


def _pair(paths: Sequence[Path], hints: Hints) -> Detected:
    if len(paths) != 2:
        raise InputError(f"parallel text needs two files, one a language; found {len(paths)}")
    encodings = {encoding_of(path, hints) for path in paths}
    if len(encodings) > 1:
        raise InputError(
            f"{paths[0]} and {paths[1]} have the encodings {' and '.join(sorted(encodings))}; "
            "save both as utf-8"
        )
    (encoding,) = encodings
    texts = [list(itertools.islice(lines(str(path), encoding=encoding), HEAD)) for path in paths]
    counts = [sum(1 for _ in lines(str(path), encoding=encoding)) for path in paths]
    if counts[0] != counts[1]:
        raise InputError(
            f"{paths[0]} has {counts[0]} lines and {paths[1]} has {counts[1]}; as parallel text they need as "
            "many, line n of one being the translation of line n of the other. If they are no translation, "
            "make a table of them"
        )
    languages = [language_among(side) for side in texts]
    if languages[0] == languages[1] or not set(languages) <= {"ko", "en"}:
        raise InputError(
            f"{paths[0]} and {paths[1]} seem to be {' and '.join(languages)}; parallel text is known "
            "between ko and en. If they are something else, make a table of them"
        )
    source = make_source(
        format="parallel",
        path=tuple(map(str, paths)),
        task=hints.task or "translation",
        languages=tuple(languages),
        directions="both",
        encoding=encoding,
    )
    seen = (f"line-parallel text, {counts[0]} lines, {languages[0]} and {languages[1]}, {encoding}",)
    return Detected(source, seen, (BOTH_WAYS,), language="ko")


def _catalogue(path: Path, hints: Hints) -> Detected:
    """A gettext catalogue; its languages by what stands in it."""
    encoding = encoding_of(path, hints)
    probe = make_source(format="gettext", path=str(path), languages=("en", "ko"), encoding=encoding)
    entries = [record.value for record in catalogue_records(unit_of(path, probe), probe)]
    done = [entry for entry in entries if entry.msgstr and not entry.obsolete and not entry.fuzzy]
    if not done:
        raise InputError(f"{path}: {len(entries)} entries, and none has a finished translation")
    languages = tuple(
        language_among(texts) for texts in zip(*((e.msgid, e.msgstr) for e in done), strict=True)
    )
    if languages[0] == languages[1] or not set(languages) <= {"ko", "en"}:
        raise InputError(
            f"{path}: its messages seem to be {languages[0]} and their translations {languages[1]}; init "
            "knows ko and en. Write the config by hand: format: gettext, languages: [source, target]"
        )
    source = probe.model_copy(
        update={"task": hints.task or "translation", "languages": languages, "directions": "both"}
    )
    seen = (
        f"gettext, {len(entries)} entries, {len(done)} with a finished translation, "
        f"{languages[0]} and {languages[1]}, {encoding}",
    )
    return Detected(source, seen, (BOTH_WAYS,), language="ko")


def _one(path: Path, hints: Hints) -> Detected:
    if columnar_kind(str(path)):
        return detect_columnar(path, hints)
    if path.suffix.lower() in CATALOGUE_SUFFIXES:
        return _catalogue(path, hints)
    encoding = encoding_of(path, hints)
    known = replace(hints, encoding=encoding)
    suffix = path.suffix.lower()
    if suffix in JSON_SUFFIXES or (suffix not in TABLE_SUFFIXES and _is_json_text(path, known)):
        return detect_json(path, known)
    if suffix in TABLE_SUFFIXES or hints.delimiter or (hints.format == "table"):
        return detect_table(path, known)
    delimiter = _delimiter_of_plain(path, known)
    if delimiter is None:
        raise InputError(
            f"{path}: plain text without columns has no answers to learn. For translation name both sides "
            f"(hunmin init {path.stem}.ko.txt {path.stem}.en.txt); for columns pass --delimiter"
        )
    return detect_table(path, replace(known, delimiter=delimiter))


def _is_json_text(path: Path, hints: Hints) -> bool:
    encoding = encoding_of(path, hints)
    first = next((line for line in lines(str(path), encoding=encoding) if line.strip()), "")
    return first.lstrip().startswith(("{", "[{")) or first.strip() == "["


def _delimiter_of_plain(path: Path, hints: Hints) -> str | None:
    """The sign that every one of the first lines has equally often; None where there is none."""
    head = [
        line for line in itertools.islice(lines(str(path), encoding=encoding_of(path, hints)), 50) if line
    ]
    for sign in "\t|;":
        counts = {line.count(sign) for line in head}
        if len(head) > 1 and len(counts) == 1 and counts != {0}:
            return DELIMITERS[sign]
    return None


def _grouped(found: list[Detected]) -> list[Detected]:
    """Files that are read in the same way become one source with several paths."""
    out: list[Detected] = []
    for one in found:
        for index, other in enumerate(out):
            same = {"path": other.source.path}
            if one.source.model_copy(update=same) == other.source and one.names == other.names:
                paths = [other.source.path] if isinstance(other.source.path, str) else other.source.path
                values = dict(Counter(other.values) + Counter(one.values))
                merged = other.source.model_copy(update={"path": (*paths, str(one.source.path))})
                decide = tuple(dict.fromkeys((*other.decide, *one.decide)))
                out[index] = replace(other, source=merged, values=values, decide=decide)
                break
        else:
            out.append(one)
    return out


def _named(found: list[Detected]) -> list[Detected]:
    """Each source under a name made of its file's."""
    used: set[str] = set()
    out = []
    for number, one in enumerate(found, start=1):
        path = one.source.path if isinstance(one.source.path, str) else one.source.path[0]
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", os.path.basename(path).split(".")[0]).strip("-_")
        name = stem if stem and stem not in used else f"source{number}"
        used.add(name)
        out.append(replace(one, source=one.source.model_copy(update={"name": name})))
    return out
