"""Items done by processes of this machine, forked from this one: all that it has loaded, they have.

Each process is handed one item after another through a pipe. They start in milliseconds where Ray takes
seconds, and end with their parent, however that ends.
"""

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from hunmin.errors import EnvironmentFailure

CAN_FORK = sys.platform == "linux"  # elsewhere system libraries break in a forked process
_PR_SET_PDEATHSIG = 1  # prctl(2)


def do_on_processes(do: Callable[[int], None], count: int, *, num_processes: int) -> Iterator[None]:
    """Do the items 0..count-1; yields once for each that is done.

    Raises:
        Exception: the first that `do` raises; the other processes are ended.
        EnvironmentFailure: a process was lost, as one that takes too much memory is.
    """
    left = iter(range(count))
    with _started(do, min(num_processes, count)) as processes:
        for pipe in processes:
            pipe.send(next(left))
        busy = set(processes)
        while busy:
            for pipe in wait(list(busy)):
                assert isinstance(pipe, Connection)
                _require_done(pipe, processes[pipe])
                yield None
                number = next(left, None)
                if number is None:
                    busy.discard(pipe)
                else:
                    pipe.send(number)


def _require_done(pipe: Connection, process: BaseProcess) -> None:
    """Take a process's answer: its item is done."""
    try:
        error = pipe.recv()
    except (EOFError, ConnectionResetError):
        process.join()
        ended = process.exitcode or 0
        how = f"was killed by signal {-ended}" if ended < 0 else f"ended with {ended}"
        why = ", as the system does where memory is short" if ended == -signal.SIGKILL else ""
        raise EnvironmentFailure(
            f"a worker process {how}{why}; run the same command again to continue, with a smaller "
            "cluster.num_cpus where memory is short"
        ) from None
    if error is not None:
        raise error


@contextmanager
def _started(do: Callable[[int], None], size: int) -> Iterator[dict[Connection, BaseProcess]]:
    """Processes by the pipes to them; killed when the block ends, whatever they do."""
    forked = multiprocessing.get_context("fork")
    processes: dict[Connection, BaseProcess] = {}
    parallelism = os.environ.get("TOKENIZERS_PARALLELISM")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the processes share the cores; and no warning of a fork
    try:
        for _ in range(size):
            ours, theirs = forked.Pipe()
            process = forked.Process(target=_work, args=(do, theirs, os.getpid()), daemon=True)
            process.start()
            theirs.close()  # so that ours ends with the process
            processes[ours] = process
        yield processes
    finally:
        for pipe, process in processes.items():
            process.kill()
            process.join()
            pipe.close()
        if parallelism is None:
            del os.environ["TOKENIZERS_PARALLELISM"]
        else:
            os.environ["TOKENIZERS_PARALLELISM"] = parallelism


def _work(do: Callable[[int], None], pipe: Connection, parent: int) -> None:
    """Do items as they come, until killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before it could be told
        return
    for number in (signal.SIGINT, signal.SIGHUP):  # of the terminal: the parent decides
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)
    while True:
        item = pipe.recv()
        try:
            do(item)
        except Exception as error:
            pipe.send(_portable(error))
        else:
            pipe.send(None)


def _portable(error: Exception) -> Exception:
    """The error as a pipe can carry it, with its traceback as a note for whoever has to find a bug."""
    told = "".join(traceback.format_exception(error))
    try:
        error = pickle.loads(pickle.dumps(error))
    except Exception:  # whatever a library's exception class lacks for it
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(told)
    return error
