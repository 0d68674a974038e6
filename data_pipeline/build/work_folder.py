"""Work in progress of the data stage: files that are whole or absent, so that a killed build goes on.

The work is cut into parts: runs of records of one file. A part's number orders it: file by file as the config
names them, then along the file. Everything that is made of a part lies in a file named by that number,
written under another name and renamed when it is whole, and then noted in a file beside that vouches for it
by its hash; what is noted and as it was is not made again.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from hunmin.stage import WORK

# ord, the canonical place of a record as one number: unit, part of the unit, row of the part.
_PART_BITS, ROW_BITS = 20, 20
MAX_PART_ROWS = 1 << ROW_BITS


def part_number(unit: int, part: int) -> int:
    """The number of the `part`-th part of a unit: greater for later units and later parts."""
    assert part < 1 << _PART_BITS, f"{part} parts in one file"
    return (unit << _PART_BITS) | part


def first_ord(part: int) -> int:
    """The `ord` of a part's first row; those of its rows follow, and end before the next part's."""
    return part << ROW_BITS


def part_of(ord_: int) -> int:
    """The part that a record lies in."""
    return ord_ >> ROW_BITS


@dataclass(frozen=True)
class WorkFolder:
    """The folder of work in progress."""

    folder: Path

    @classmethod
    def open(cls, out_dir: Path) -> "WorkFolder":
        """The work in progress of a stage that was opened; what a killed writer left of a file goes."""
        work = cls(out_dir / WORK)
        work.folder.mkdir(exist_ok=True)
        for leftover in [*out_dir.rglob("*.partial")]:
            leftover.unlink()  # nobody else writes here (lock)
        return work

    @property
    def jobs(self) -> Path:
        """Which rows are rendered in which epoch, and how often: ord, epoch, repeat, sorted."""
        return self.folder / "jobs.parquet"

    @property
    def places(self) -> Path:
        """Where the row of each segment of a pack lies, sorted by split, epoch, pack, slot."""
        return self.folder / "places.parquet"

    def path(self, kind: str, part: int, suffix: str = "parquet") -> Path:
        """The file of that kind made of a part; its folder exists."""
        folder = self.folder / kind
        folder.mkdir(exist_ok=True)
        return folder / f"{part:015d}.{suffix}"

    def parts(self, kind: str, suffix: str = "parquet") -> list[int]:
        """The numbers of the parts of which that kind was made, in order."""
        return sorted(int(path.stem) for path in (self.folder / kind).glob(f"*.{suffix}"))

    def remove(self) -> None:
        """All of it, when the stage is finished."""
        shutil.rmtree(self.folder)
