"""Saving beside the training: a copy in memory, written by a thread, valid when all ranks have written.

Collectives stay in the training thread: two threads would mix them up.
"""

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path

import numpy as np

from hunmin.errors import EnvironmentFailure, one_line
from hunmin.limits import machine_memory
from hunmin.progress import Heartbeat, no_heartbeat, say
from trainer.checkpoint import checkpoint, kept
from trainer.checkpoint.checkpoint import WEIGHTS, TrainState
from trainer.checkpoint.host_copy import HostCopies, Slice
from trainer.checkpoint.slices_file import Slices, write_slices
from trainer.engine.long_work import MEET_EVERY_S, together
from trainer.engine.ranks import Rank

ROOM = 1.5  # times the copy, of the memory that is free, from which a copy is made
IDLE, WRITING, ENDED = 0.0, 1.0, 2.0


class Saver:
    """Saves the checkpoints of a run, one at a time. Every method is collective, but for `progress`."""

    def __init__(
        self, checkpoints: Path, *, keep: int, overlap: bool, me: Rank, alive: Heartbeat = no_heartbeat
    ):
        """Nothing is written yet.

        Args:
            checkpoints: their folder, on a file system that every rank sees.
            keep: newest ones kept, beside the best.
            overlap: go on while the files are written, where memory has room for a copy of the slices.
        """
        self._checkpoints, self._keep, self._overlap, self._me = checkpoints, keep, overlap, me
        self._alive = alive
        self._state: TrainState | None = None
        self._weights_alone = False
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._copies = HostCopies()
        self._written: Future[bytes] = Future()

    def begin(
        self,
        state: TrainState,
        slices: Slices,
        shapes: dict[str, tuple[int, ...]],
        *,
        weights_alone: bool = False,
    ) -> None:
        """Save the state of this moment. Returns when it is copied, or written where it cannot be copied.

        Args:
            slices: this rank's (kind, name, start, values); may be views that the next step changes.
            weights_alone: without the moments, a third of the bytes: of a step that is the best, and that no
                run needs to go on from.

        Raises:
            EnvironmentFailure: on all ranks, if any cannot write; older checkpoints are as they were.
        """
        self.finish()
        self._on_first(lambda: checkpoint.begin_checkpoint(self._checkpoints, state.step))
        self._state, self._shapes, self._written = state, dict(shapes), Future()
        self._weights_alone = weights_alone
        mine = [one for one in slices if one[0] == WEIGHTS or not weights_alone]
        overlap = self._overlap and self._has_room(self._copies.missing_bytes(mine))
        if overlap:
            mine = self._copies.of(mine)
        threading.Thread(target=self._write, args=(state.step, mine), daemon=True).start()
        if not overlap:
            self.finish()

    def progress(self) -> float:
        """IDLE, WRITING or ENDED on this rank, for a collective that the caller makes anyway."""
        if self._state is None:
            return IDLE
        return ENDED if self._written.done() else WRITING

    def advance(self, progress_of_ranks: np.ndarray) -> None:
        """Make the checkpoint valid, if all ranks have written. Takes everybody's `progress`.

        Raises:
            EnvironmentFailure: as `begin`.
        """
        if self._state is not None and bool((progress_of_ranks == ENDED).all()):
            self.finish()

    def finish(self) -> None:
        """Wait for what is being written, and make it valid.

        Raises:
            EnvironmentFailure: as `begin`.
        """
        state, self._state = self._state, None
        if state is None:
            return
        together(self._me, partial(self._wait, state.step), alive=self._alive)
        error = self._written.exception()
        if error is not None and not isinstance(error, (EnvironmentFailure, OSError)):
            raise error  # a bug of ours is not to be blamed on the disk
        digest = bytes(32) if error is not None else self._written.result()
        try:
            self._agree(error)
            digests = [row.astype("u1").tobytes() for row in self._me.gather(list(digest))]
            self._on_first(lambda: self._complete(state, digests))
        except EnvironmentFailure:
            self._on_first(lambda: kept.discard_partial(self._checkpoints, state.step))
            raise

    def _complete(self, state: TrainState, digests: list[bytes]) -> None:
        checkpoint.complete(
            self._checkpoints,
            state=state,
            digests=digests,
            shapes=self._shapes,
            ranks=self._me.description,
            weights_alone=self._weights_alone,
        )
        kept.prune(self._checkpoints, keep=self._keep, best_step=state.best_step)

    def _write(self, step: int, slices: Sequence[Slice]) -> None:
        try:
            file = checkpoint.slices_file(self._checkpoints, step, self._me.index)
            self._written.set_result(write_slices(file, slices))
        except BaseException as error:
            self._written.set_exception(error)

    def _wait(self, step: int, alive: Heartbeat) -> None:
        """Until this rank has written; a file that grows is a sign of life."""
        file = checkpoint.slices_file(self._checkpoints, step, self._me.index)
        before = -1
        while not wait([self._written], timeout=MEET_EVERY_S).done:
            try:
                now = file.stat().st_size
            except OSError:  # not there yet, or its disk is gone, which the writing tells
                continue
            if now != before:
                alive()
            before = now

    def _has_room(self, num_bytes: int) -> bool:
        """Whether every rank has memory for a copy; all give the same answer."""
        memory = machine_memory()
        free = math.inf if memory is None else memory.free  # a system that does not tell
        room = free / self._me.neighbours - ROOM * num_bytes
        has_room = bool((self._me.gather([room]) > 0).all())
        if not has_room:
            self._overlap = False  # on every rank, or the next save would differ in its collectives
            if self._me.is_first:
                say("train: no room in memory for a copy of the state; training waits while it is saved")
        return has_room

    def _on_first(self, act: Callable[[], object]) -> None:
        """Act on the first rank; a failure there is everybody's."""
        error: BaseException | None = None
        if self._me.is_first:
            try:
                act()
            except OSError as failure:
                error = failure
        self._agree(error)

    def _agree(self, error: BaseException | None) -> None:
        """Raise on all ranks what any of them met."""
        told = [text for text in self._me.gather_texts("" if error is None else one_line(error)) if text]
        if not told:
            return
        raise EnvironmentFailure(
            f"the checkpoint cannot be written ({told[0]}); {self._what_is_left()}: make the disk writable, "
            "with room, and run the same command again"
        ) from error

    def _what_is_left(self) -> str:
        """Of older checkpoints, in words; the disk that failed may not be there to be asked."""
        try:
            newest = kept.newest_step(self._checkpoints)
        except OSError as error:
            return f"older ones cannot be seen now ({one_line(error)})"
        return "there is no older one" if newest is None else f"the one of step {newest} is untouched"
