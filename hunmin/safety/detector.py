"""What a detector finds, and how detectors are put together."""

from typing import NamedTuple, Protocol


class Hit(NamedTuple):
    """A find in a text. `term`: the line of the word list, or the classifier's score, never the text."""

    category: str
    term: str

    @property
    def is_bias(self) -> bool:
        """Bias rather than harm; the two have actions of their own."""
        return self.category.partition(":")[0] == "bias"


class Detector(Protocol):
    """Whatever finds harm or bias in a text."""

    def find(self, text: str) -> list[Hit]:
        """The finds, in an order that depends on the text only."""
        ...


class AnyOf:
    """Several detectors as one: a text is harmful where any of them says so."""

    def __init__(self, *detectors: Detector) -> None:
        self._detectors = detectors

    def find(self, text: str) -> list[Hit]:
        """The finds of each detector in turn."""
        return [hit for detector in self._detectors for hit in detector.find(text)]
