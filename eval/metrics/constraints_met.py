"""Constraints that code verifies: whether an answer is as its instruction asked for, however right it is."""

from eval.scores.metric import MeanMetric, Reference
from hunmin.language.answers.constraints import holds


class ConstraintsMet(MeanMetric):
    """Mean share of a sample's constraints that its answer meets (hunmin/language/answers/constraints.py).

    With one constraint a sample this is the accuracy of IFEval (Zhou et al., 2023) by instruction.
    """

    name = "constraints_met"
    unit = "ratio"
    unasked = True

    def applies(self, reference: Reference) -> bool:
        """To samples whose instruction asks for something that code verifies."""
        return bool(reference.constraints)

    def value(self, answer: str, reference: Reference) -> float:
        """Share of the constraints that the answer meets; none where it is empty."""
        text = answer.strip()
        met = [bool(text) and holds(name, text, given=reference.given) for name in reference.constraints]
        return sum(met) / len(met)

    def note(self) -> str:
        """What it does not say."""
        return "form only: an answer that meets them all may be wrong"


METRIC = ConstraintsMet()
