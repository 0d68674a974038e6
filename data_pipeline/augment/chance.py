"""Every random choice about a row in an epoch: a hash of where it is made, equal in every process."""

from dataclasses import dataclass

from hunmin.hashing import stable_hash


@dataclass(frozen=True)
class Chance:
    """The place of a copy of a row. Choices with distinct salts are independent of each other."""

    seed: int
    row_id: str
    epoch: int
    repeat: int  # which copy of the row in its epoch

    def bits(self, *salt: object) -> int:
        """64 random bits."""
        return stable_hash(*salt, self.seed, self.row_id, self.epoch, self.repeat)

    def happens(self, salt: str, share: float) -> bool:
        """True for this share of all places; places where it happens stay so when the share grows."""
        return share > 0 and self.bits(salt) / 2**64 < share

    def pick(self, salt: str, num: int) -> int:
        """One of 0 .. num - 1, evenly."""
        return self.bits(salt) % num
