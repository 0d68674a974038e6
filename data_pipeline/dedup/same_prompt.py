"""One prompt with several answers: which of them stay."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, TypeAlias

Rule: TypeAlias = Literal["keep_all", "first", "majority", "reject"]


def kept_answers(answers_in_order: Sequence[str], rule: Rule) -> list[bool]:
    """Whether each row of a group of equal prompts is kept.

    Rows whose answers are equal share their fate: which of them are duplicates is another question.

    Args:
        rule: `first` keeps the first answer, `majority` the commonest (the earliest of those that tie),
            `reject` none where there are two.
    """
    counts = Counter(answers_in_order)  # in order of first appearance, so max takes the earliest
    if rule == "keep_all" or len(counts) < 2:
        return [True] * len(answers_in_order)
    if rule == "reject":
        return [False] * len(answers_in_order)
    chosen = answers_in_order[0] if rule == "first" else max(counts, key=counts.__getitem__)
    return [answer == chosen for answer in answers_in_order]
