"""A rank that hangs says where it hangs, and ends.

Python's faulthandler dumps the stacks from a thread of its own, even where the interpreter stands still.
"""

import faulthandler
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hunmin.errors import EnvironmentFailure

GRACE_S = 5.0  # between the dump and the end: one rank's end breaks the others' collectives


class Watchdog:
    """Wants a beat every `timeout_s`; without one, dumps all threads' stacks and ends the process.

    A rank waits for the others in collectives, so when one hangs, all do. Ranks do the same, beat by beat:
    whoever has the fewest beats is the one to look at, the others went on until they had to wait for it.
    """

    def __init__(self, folder: Path, *, index: int, timeout_s: float):
        """Start watching; the folder takes stacks-RANK.txt, and hang-RANK.json with what the rank was at."""
        folder.mkdir(parents=True, exist_ok=True)
        self._said = folder / f"hang-{index:05d}.json"
        self._said.unlink(missing_ok=True)
        self._stacks = (folder / f"stacks-{index:05d}.txt").open("w")
        self._index, self._timeout_s = index, timeout_s
        self._phase, self._beaten, self._beats = "starting", time.time(), 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.beat("starting")
        self._thread.start()

    def beat(self, phase: str) -> None:
        """Still alive, and now at `phase`."""
        self._phase, self._beaten, self._beats = phase, time.time(), self._beats + 1
        faulthandler.dump_traceback_later(self._timeout_s, file=self._stacks)

    def alive(self) -> None:
        """Still alive, in a phase that may take long: after a micro-batch, a tensor."""
        self.beat(self._phase)

    def close(self) -> None:
        """Stop watching."""
        faulthandler.cancel_dump_traceback_later()
        self._done.set()
        self._thread.join()
        empty = self._stacks.tell() == 0
        self._stacks.close()
        if empty:
            Path(self._stacks.name).unlink()

    def _watch(self) -> None:
        while True:
            left = self._beaten + self._timeout_s - time.time()
            if self._done.wait(max(left, 0) + 0.1):
                return
            if time.time() - self._beaten > self._timeout_s:
                break
        self._said.write_text(
            json.dumps({"phase": self._phase, "beats": self._beats, "beaten": self._beaten})
        )
        print(
            f"train: rank {self._index} hangs: nothing for {self._timeout_s:g} s after: {self._phase}; its "
            f"stacks are in {self._stacks.name}; if it only takes so long, raise train.hang_timeout_s",
            file=sys.stderr,
            flush=True,
        )
        time.sleep(GRACE_S)
        os._exit(EnvironmentFailure.exit_code)


@contextmanager
def watched(folder: Path, *, index: int, timeout_s: float) -> Iterator[Watchdog]:
    """Watch this rank for the block."""
    dog = Watchdog(folder, index=index, timeout_s=timeout_s)
    try:
        yield dog
    finally:
        dog.close()


def hang_report(folder: Path) -> str | None:
    """What the ranks of a run that hung said last, the suspect first; None where none hung."""
    said = {
        int(path.stem.removeprefix("hang-")): json.loads(path.read_text())
        for path in folder.glob("hang-*.json")
    }
    if not said:
        return None
    ranks = sorted(said, key=lambda index: (said[index]["beats"], said[index]["beaten"]))
    told = "; ".join(f"rank {index} after: {said[index]['phase']}" for index in ranks)
    return f"the ranks hung ({told}); their stacks are in {folder}, look at rank {ranks[0]} first"
