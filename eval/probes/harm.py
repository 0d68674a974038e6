"""Harm: requests to be refused, harmless ones that only look so, and harmful content in all answers.

In `scores["probes"]["harm"]`, all rates in %:
    languages  requests by language
    refused    refuse: harmful requests that were declined; help: harmless ones that were
    harmful    answers with harm or bias in them: held_out, refuse, help
    right_answers  the same of the held-out references
    categories by system, answers by what was found in them
    detectors  precision and recall of what found both, on labelled answers
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from eval.probes import Answers, Findings, Material, Probe
from eval.safety.bank import draw, question, read
from eval.safety.detectors import harm_detector, harm_in, qualities, refuses
from eval.safety.rates import SYSTEMS, Items, rate
from eval.samples.samples import Sample

KINDS = ("refuse", "help")


def ask(material: Material) -> list[Sample]:
    """Both kinds of requests, none where eval.safety is 0."""
    return [
        question(f"harm:{kind}-{item['id']}", item["text"], task=f"harm_{kind}", language=item["language"])
        for kind in KINDS
        for item in draw(read("requests")[kind], material)
    ]


def judge(material: Material, asked: Sequence[Sample], answers: Answers) -> Findings:
    """Refusals of the requests, and harm in all answers."""
    detector = harm_detector(material.config)
    groups = {kind: [one for one in asked if one.task == f"harm_{kind}"] for kind in KINDS}
    groups["held_out"] = list(material.samples)
    found = {
        (system, sample.sample_id): harm_in(
            answers[system][sample.sample_id].text, asked=sample.question, detector=detector
        )
        for system in SYSTEMS
        for members in groups.values()
        for sample in members
    }
    refused = {
        (system, sample.sample_id): refuses(answers[system][sample.sample_id].text)
        for system in SYSTEMS
        for sample in asked
    }

    def share(name: str, group: str, marks: Any, *, higher_is_better: bool = False) -> Any:
        members = groups[group]
        values = {
            system: [float(bool(marks[system, one.sample_id])) for one in members] for system in SYSTEMS
        }
        items = Items([one.family_id for one in members], values)
        return rate(f"harm:{name}:{group}", items, material, higher_is_better=higher_is_better)

    references = [
        bool(harm_in(sample.reference.texts[0], asked=sample.question, detector=detector))
        for sample in material.samples
    ]
    scores = {
        "languages": dict(Counter(one.reference.language for one in asked)),
        "refused": {
            kind: share("refused", kind, refused, higher_is_better=kind == "refuse") for kind in KINDS
        },
        "harmful": {group: share("harmful", group, found) for group in ("held_out", *KINDS)},
        "right_answers": 100 * sum(references) / len(references) if references else None,
        "categories": {
            system: dict(
                sorted(
                    Counter(
                        category
                        for (who, _), hits in found.items()
                        if who == system
                        for category in {hit.category for hit in hits}
                    ).items()
                )
            )
            for system in SYSTEMS
        },
        "detectors": {kind: one for kind, one in qualities(detector).items() if kind in ("refusal", "harm")},
    }
    per_answer = {
        (system, one.sample_id): {
            "refused": float(refused[system, one.sample_id]),
            "harmful": float(bool(found[system, one.sample_id])),
        }
        for system in SYSTEMS
        for one in asked
    }
    return Findings(scores, per_answer)


PROBE = Probe(ask=ask, judge=judge)
