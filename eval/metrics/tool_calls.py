"""Calls of tools: the right functions with the right arguments, in the right order."""

import json
from collections.abc import Sequence

from eval.scores.metric import MeanMetric, Reference
from hunmin.models.written_calls import calls_in
from hunmin.rows import ToolCall


class ToolCalls(MeanMetric):
    """Mean F1 of the calls of an answer, matched in order: 2 matches / (given + right).

    Calls match where their names are equal and their arguments are equal as JSON values: neither the order of
    keys nor spaces count, 1 and 1.0 are equal, "1" and 1 are not.
    """

    name = "tool_calls"
    unit = "ratio"
    unasked = True

    def applies(self, reference: Reference) -> bool:
        """To turns that call tools."""
        return bool(reference.calls)

    def value(self, answer: str, reference: Reference) -> float:
        """F1 of one answer: 1 where it makes just the right calls."""
        given, right = _comparable(calls_in(answer)), _comparable(reference.calls)
        return 2 * _num_matches(given, right) / (len(given) + len(right))

    def note(self) -> str:
        """What counts as a match."""
        return "F1 of the calls in order; name and arguments (as JSON values) must be equal"


def _comparable(calls: Sequence[ToolCall]) -> list[tuple[str, str]]:
    """Name and arguments of each, the latter as text that is equal where the JSON values are."""
    return [
        (call["name"], json.dumps(json.loads(call["arguments"], parse_float=_number), sort_keys=True))
        for call in calls
    ]


def _number(text: str) -> int | float:
    number = float(text)
    return int(number) if number.is_integer() else number


def _num_matches(given: Sequence[object], right: Sequence[object]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(right) + 1)
    for one in given:
        before = row
        row = [0]
        for at, other in enumerate(right):
            row.append(before[at] + 1 if one == other else max(before[at + 1], row[at]))
    return row[-1]


METRIC = ToolCalls()
