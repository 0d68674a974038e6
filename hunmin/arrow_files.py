"""Parquet and Arrow files of strangers: read only after another process has read them whole.

A flipped bit in such a file can be an offset outside of it, and a decoder that follows it ends the process
by a signal. So a child reads each file first, checks every value, and answers in words; a child that dies
says that the file is damaged. Parent and child read by the same function.
"""

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hunmin.errors import EnvironmentFailure, InputError, one_line

BATCH_ROWS = 1024
MAX_UNPACKED_RATIO = 1000  # columns that repeat one text shrink well; bombs reach millions
FREE_UNPACKED_BYTES = 1 << 30  # allowed whatever the file's size
CHECK_LIMIT_S = 60.0  # and a second more for each of BYTES_A_SECOND
BYTES_A_SECOND = 10 << 20
_SUFFIXES = (".arrow", ".feather", ".ipc")
_STREAM = b"\xff\xff\xff\xff"  # the continuation mark before the first message
_ROOT = Path(__file__).resolve().parents[1]
_CHILD = [sys.executable, "-c", "from hunmin.arrow_files import answer_checks; answer_checks()"]


def columnar_kind(path: str) -> str | None:
    """Parquet, Arrow file or Arrow stream, by the first bytes; None for any other file."""
    with open(path, "rb") as handle:
        head = handle.read(8)
    if head.startswith(b"PAR1"):
        return "Parquet"
    if head.startswith(b"ARROW1"):
        return "Arrow file"
    return "Arrow stream" if head.startswith(_STREAM) and path.endswith(_SUFFIXES) else None


def checked_schema(path: str) -> pa.Schema:
    """The names and types of the columns; the values are not looked at.

    Raises:
        InputError: the file is damaged.
    """
    _require_sound(path, whole=False)
    return _open(path)[0]


def checked_batches(path: str) -> Iterator[pa.RecordBatch]:
    """The file's rows in batches of at most BATCH_ROWS, once all of them have been found sound.

    Raises:
        InputError: the file is damaged.
    """
    _require_sound(path, whole=True)
    return _open(path)[1]


def damaged(path: str, why: object) -> InputError:
    """The error of a file that is not what its first bytes say."""
    return InputError(f"{path}: a damaged {columnar_kind(path)} file ({why}); make or copy it again")


def _open(path: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    kind = columnar_kind(path)
    if kind == "Parquet":
        file = pq.ParquetFile(path, page_checksum_verification=True)
        return file.schema_arrow, _sound(_whole_parquet(file))
    mapped = pa.memory_map(path)
    if kind == "Arrow stream":
        stream = pa.ipc.open_stream(mapped)
        return stream.schema, _sound(_whole_stream(stream, mapped))
    reader = pa.ipc.open_file(mapped)
    return reader.schema, _sound(reader.get_batch(i) for i in range(reader.num_record_batches))


def _whole_parquet(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    """All batches; refuses where they have other rows than the file's end says."""
    found = 0
    for batch in file.iter_batches(batch_size=BATCH_ROWS):
        found += batch.num_rows
        yield batch
    if found != file.metadata.num_rows:
        raise pa.ArrowInvalid(f"{found} rows, where its end says {file.metadata.num_rows}")


def _whole_stream(
    stream: pa.RecordBatchStreamReader, mapped: pa.MemoryMappedFile
) -> Iterator[pa.RecordBatch]:
    """All batches; refuses where the stream ends before the file does."""
    yield from stream
    if left := mapped.size() - mapped.tell():
        raise pa.ArrowInvalid(f"the stream ends {left} bytes before the file")


def _sound(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Each batch checked in full, then cut: as Python values a large one takes many times its size."""
    for batch in batches:
        batch.validate(full=True)
        for start in range(0, batch.num_rows, BATCH_ROWS):
            yield batch.slice(start, BATCH_ROWS)


# ---- the child -----------------------------------------------------------------------------------------


def answer_checks() -> None:
    """Read [path, whole] from standard input, one a line; write null or what is wrong with the file."""
    for line in sys.stdin:
        path, whole = json.loads(line)
        print(json.dumps(_what_is_wrong(path, whole=whole)), flush=True)


def _what_is_wrong(path: str, *, whole: bool) -> str | None:
    try:
        _, batches = _open(path)
        allowed = max(FREE_UNPACKED_BYTES, MAX_UNPACKED_RATIO * os.path.getsize(path))
        for batch in batches if whole else ():
            allowed -= batch.nbytes
            if allowed < 0:
                return f"its values are more than {MAX_UNPACKED_RATIO} times as large as the file"
    except Exception as error:  # of a library that meets bytes that mean nothing: any is the answer
        return one_line(error)
    return None


# ---- the parent ----------------------------------------------------------------------------------------


class Checker:
    """The child: started when first asked, and again after a file has ended it. Ends with its parent."""

    def __init__(self, command: Sequence[str] = _CHILD, *, limit_s: float = CHECK_LIMIT_S) -> None:
        self._command, self._limit_s = command, limit_s
        self._child: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def ask(self, path: str, *, whole: bool) -> str | None:
        """What is wrong with a file, in words; None where nothing is.

        Raises:
            EnvironmentFailure: the child ended, and not by what the file holds.
        """
        limit_s = self._limit_s + os.path.getsize(path) / BYTES_A_SECOND
        with self._lock:
            child = self._running()
            assert child.stdin is not None
            assert child.stdout is not None
            try:
                child.stdin.write(json.dumps([path, whole]) + "\n")
                child.stdin.flush()
                ready, _, _ = select.select([child.stdout], [], [], limit_s)
                said = child.stdout.readline() if ready else ""
            except BrokenPipeError:
                ready, said = [child.stdout], ""
            if said:
                return json.loads(said)
            return self._end(f"reading it did not end in {limit_s:.0f} s" if not ready else None)

    def _running(self) -> "subprocess.Popen[str]":
        if self._child is None:
            atexit.register(self.close)
            paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
                start_new_session=True,  # Ctrl-C is for us; the child ends with its standard input
            )
        return self._child

    def _end(self, why: str | None) -> str:
        """Take the child down; why it says nothing more."""
        assert self._child is not None
        if why is not None:
            self._child.kill()
        code = self._child.wait()
        self._forget()
        if why is None and code >= 0:
            raise EnvironmentFailure(
                f"the process that checks Parquet and Arrow files ended (exit {code}); run the command again"
            )
        if why is None and -code == signal.SIGKILL:
            raise EnvironmentFailure(
                "the process that checks Parquet and Arrow files was killed, as the system does when memory "
                "runs out; free some and run the command again"
            )
        return why or f"reading it ends the process by {signal.Signals(-code).name}"

    def _forget(self) -> None:
        assert self._child is not None
        for pipe in (self._child.stdin, self._child.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue
        self._child = None
        atexit.unregister(self.close)

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._forget()


_checker = Checker()
_known: dict[tuple[object, ...], str | None] = {}


def _require_sound(path: str, *, whole: bool) -> None:
    """Ask the child once about each state of a file."""
    stat = os.stat(path)
    key = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    if (*key, True) not in _known and (*key, whole) not in _known:
        _known[(*key, whole)] = _checker.ask(os.path.abspath(path), whole=whole)
    wrong = _known.get((*key, True)) or _known.get((*key, whole))
    if wrong is not None:
        raise damaged(path, wrong)
