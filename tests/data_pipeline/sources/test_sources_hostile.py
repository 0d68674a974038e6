"""Files, folders and settings made to hang or to break a reader: one clear message each, soon."""

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from source_helpers import reasons_of

from data_pipeline.build.inputs import _check_template
from data_pipeline.sources.files import json_array, text_files
from data_pipeline.sources.files.text_files import require_text_encoding
from hunmin.errors import ConfigError, InputError
from hunmin.models import jinja_sandbox
from hunmin.models.chat_templates import BUILT_IN, TemplateError

QA = {"format": "table", "columns": {"input": "Q", "answer": "A"}}
LINE = b'{"Q": "x", "A": "y"}\n'


@pytest.fixture(autouse=True)
def ends_soon() -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < 10


def packed(kind: str, data: bytes) -> bytes:
    return gzip.compress(data) if kind == "gz" else pa.compress(data, codec="zstd", asbytes=True)


@pytest.mark.parametrize("kind", ["gz", "zst"])
@pytest.mark.parametrize("unit", [LINE, b"\0", b"\n", b" "])
def test_a_packed_bomb_is_refused_before_its_records_are_read(
    read_files: Any, kind: str, unit: bytes
) -> None:
    bomb = packed(kind, unit * ((65 << 20) // len(unit)))
    assert len(bomb) < 1 << 20
    with pytest.raises(
        InputError, match=r"t\.jsonl\.\w+: its first .* more than 100 times as many; if that is"
    ):
        read_files({f"t.jsonl.{kind}": bomb}, **QA)


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_a_bomb_behind_sound_text_is_found_as_it_is_read(
    read_files: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "FREE_UNPACKED_BYTES", 1 << 16)
    sound = b"".join(b'{"Q": "%d", "A": "y"}\n' % (i * 7919**9) for i in range(300))
    with pytest.raises(InputError, match="more than 100 times as many"):
        read_files({f"t.jsonl.{kind}": packed(kind, sound + b"\n" * (4 << 20))}, **QA)


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_text_that_repeats_itself_is_no_bomb(read_files: Any, kind: str) -> None:
    rows = read_files({f"t.jsonl.{kind}": packed(kind, LINE * 20_000)}, **QA)
    assert len(rows) == 20_000


def test_a_line_and_an_item_without_end_stop(read_files: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "MAX_LINE_CHARS", 1000)
    monkeypatch.setattr(json_array, "MAX_LINE_CHARS", 1000)
    monkeypatch.setattr(json_array, "WINDOW_CHARS", 100)
    long = json.dumps({"Q": "x", "A": "y" * 5000}).encode()
    with pytest.raises(InputError, match="line 2 has more than 1000 characters"):
        read_files({"t.jsonl": LINE + long + b"\n"}, **QA)
    with pytest.raises(InputError, match="item at line 2 has more than 1000 characters"):
        read_files({"t.json": b"[" + LINE + b"," + long + b"]"}, **QA)


@pytest.mark.parametrize("depth", [300, 900, 990, 100_000])
def test_nested_json_rejects_its_record(read_files: Any, depth: int) -> None:
    deep = '{"Q": ' + "[" * depth + "]" * depth + ', "A": "y"}\n'
    rows = read_files({"t.jsonl": LINE + deep.encode()}, **QA)
    assert reasons_of(rows) in ([None, "broken_json"], [None, "wrong_type"])
    ignored = '{"Q": "x", "A": "y", "other": ' + "[" * depth + "]" * depth + "}\n"
    assert reasons_of(read_files({"t.jsonl": LINE + ignored.encode()}, **QA))[0] is None


@pytest.mark.parametrize("pattern", ["corpus", "corpus/**/*.jsonl", "*/**/*.jsonl"])
@pytest.mark.parametrize("target", [".", "..", "inner"])
def test_folders_that_link_to_each_other_stop(
    read_files: Any, tmp_path: Path, pattern: str, target: str
) -> None:
    (tmp_path / "corpus").mkdir()
    for name in ("one", "two"):  # two links to a circle are 2^40 paths
        (tmp_path / "corpus" / name).symlink_to(tmp_path / "corpus" / target, target_is_directory=True)
    with pytest.raises(InputError, match="are one folder, by a link; remove the link"):
        read_files({"corpus/inner/a.jsonl": LINE}, path=pattern, **QA)


def test_a_link_to_a_folder_elsewhere_is_followed(read_files: Any, tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "corpus" / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    files = {"elsewhere/a.jsonl": LINE, "corpus/.hidden": b"no record"}
    (row,) = read_files(files, path="corpus", **QA)
    assert row["file"] == "link/a.jsonl"


@pytest.mark.parametrize(
    "encoding", ["hex", "rot13", "base64", "zlib", "idna", "punycode", "undefined", "no-such", "x" * 5000]
)
def test_an_encoding_that_makes_no_text_is_refused(read_files: Any, encoding: str) -> None:
    with pytest.raises(ConfigError, match=r"encoding .* is unknown; known are utf-8, cp949"):
        read_files({"t.jsonl": LINE}, encoding=encoding, **QA)


def test_encodings_of_text_are_known() -> None:
    for encoding in ("utf-8", "utf-8-sig", "cp949", "euc-kr", "johab", "utf-16", "utf-16-le", "utf-32",
                     "latin-1", "shift_jis", "gb18030", "big5", "cp037", "iso2022_kr", "utf-7"):  # fmt: skip
        require_text_encoding(encoding)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% for i in range(99999) %}" * 3 + "{% endfor %}" * 3, "took over"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "calls itself without end"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "nest too deep"),
    ],
)
def test_a_hostile_chat_template_is_refused_before_anything_starts(
    template: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jinja_sandbox, "RENDER_LIMIT_S", 0.3)
    with pytest.raises(TemplateError, match=said):
        _check_template(template)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_sound_template_and_one_that_needs_a_tokenizer_pass(name: str) -> None:
    _check_template(BUILT_IN[name])
    _check_template("{{ raise_exception('no') }}{{ strftime_now('%Y') }}{{ other_token + 'x' }}")
