"""Damaged Parquet and Arrow files are refused in words, whatever they do to the process that reads them."""

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from hunmin.arrow_files import Checker, checked_batches, checked_schema
from hunmin.errors import EnvironmentFailure, InputError

ROWS = [{"질문": f"하나 더하기 {i}?", "답": [str(i + 1)], "종류": "ab"[i % 2]} for i in range(12)]
DIES = "import os, signal, sys; sys.stdin.readline(); os.kill(os.getpid(), signal.{})"


def written(name: str) -> bytes:
    table, sink = pa.Table.from_pylist(ROWS), io.BytesIO()
    if name.endswith(".parquet"):
        compression, dictionary = name.removesuffix(".parquet").split("-")
        pq.write_table(table, sink, compression=compression, use_dictionary=dictionary == "dictionary")
    elif name.endswith(".feather"):
        feather.write_feather(table, sink, compression=name.removesuffix(".feather"))
    else:
        coded = table.set_column(2, "종류", table["종류"].dictionary_encode())
        with (pa.ipc.new_stream if name == "stream.arrow" else pa.ipc.new_file)(sink, coded.schema) as writer:
            writer.write_table(coded, max_chunksize=5)
    return sink.getvalue()


NAMES = (
    "stream.arrow",
    "file.arrow",
    "lz4.feather",
    "zstd.feather",
    "snappy-dictionary.parquet",
    "zstd-plain.parquet",
    "none-plain.parquet",
)


def flips(data: bytes) -> Iterator[bytes]:
    """The file with one bit turned at some forty places, or a huge number written over four bytes."""
    for number, place in enumerate(range(8, len(data) - 4, max(1, len(data) // 40))):
        damaged = bytearray(data)
        if number % 4:
            damaged[place] ^= 1 << (number % 8)
        else:
            damaged[place : place + 4] = b"\xff\xff\xff\x7f"
        yield bytes(damaged)


def read_all(path: Path) -> list[dict]:
    return [row for batch in checked_batches(str(path)) for row in batch.to_pylist()]


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_gives_rows_or_one_clear_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    data = written(name)
    path.write_bytes(data)
    assert read_all(path) == ROWS
    refused = 0
    for damaged in flips(data):
        path.write_bytes(damaged)
        try:
            count, said = len(read_all(path)), None
        except InputError as error:
            count, said = 0, str(error)
        assert count == len(ROWS) or said is not None, "no row is lost without a word"
        assert said is None or (said.startswith(f"{path}: a damaged ") and "\n" not in said)
        refused += said is not None
    assert refused > 10


@pytest.mark.parametrize("name", ["stream.arrow", "file.arrow", "none-plain.parquet"])
def test_bytes_that_are_no_utf8_are_damage(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(written(name).replace("더하기".encode(), b"\xff" * 9))
    assert checked_schema(str(path)).names == ["질문", "답", "종류"]
    with pytest.raises(InputError, match=r"(?i)utf-?8"):
        read_all(path)


def test_a_stream_that_ends_too_early_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "stream.arrow"
    path.write_bytes(written("stream.arrow") + written("stream.arrow"))
    with pytest.raises(InputError, match=r"the stream ends \d+ bytes before the file"):
        read_all(path)


def test_a_small_file_of_endless_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    same = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), ["가" * 30_000])
    pq.write_table(pa.table({"q": same}), path, store_schema=False)
    assert path.stat().st_size < 2 << 20
    with pytest.raises(InputError, match="more than 1000 times as large as the file"):
        read_all(path)


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGBUS", "SIGABRT"])
def test_a_reader_that_dies_says_that_the_file_is_damaged(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1")
    checker = Checker([sys.executable, "-c", DIES.format(name)])
    for _ in range(2):  # and the next file is read by a new one
        assert checker.ask(str(path), whole=True) == f"reading it ends the process by {name}"


def test_a_reader_that_hangs_or_is_killed_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1")
    hangs = Checker([sys.executable, "-c", "import time; time.sleep(60)"], limit_s=0.2)
    assert hangs.ask(str(path), whole=True) == "reading it did not end in 0 s"
    for code in (DIES.format("SIGKILL"), "raise SystemExit(3)"):
        with pytest.raises(EnvironmentFailure, match="run the command again"):
            Checker([sys.executable, "-c", code]).ask(str(path), whole=True)


def test_a_file_is_checked_once_and_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "stream.arrow"
    path.write_bytes(written("stream.arrow"))
    assert read_all(path) == ROWS
    before = os.stat(path)
    damaged = written("stream.arrow").replace("더하기".encode(), b"\xff" * 9)
    path.write_bytes(damaged)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(InputError, match="damaged"):
        read_all(path)
