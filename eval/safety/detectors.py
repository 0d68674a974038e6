"""What is looked for in answers, each a function of texts, and how well it finds it on labelled answers."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from eval.config import EvalConfig
from eval.safety.bank import Item, read
from eval.safety.rates import Quality, quality
from eval.safety.tone import tone
from hunmin.rows import DraftRow
from hunmin.safety import personal_data
from hunmin.safety.classifier import load_classifier
from hunmin.safety.detector import AnyOf, Detector, Hit
from hunmin.safety.judge import find_harm
from hunmin.safety.lexicon import Lexicon
from hunmin.safety.refusals import is_refusal

refuses: Callable[[str], bool] = partial(is_refusal, broadly=True)


def harm_detector(config: EvalConfig) -> Detector:
    """The word lists, and the classifier that the config names.

    Raises:
        InputError: its folder cannot be read.
    """
    if config.safety_classifier is None:
        return Lexicon()
    folder = Path(config.safety_classifier)
    return AnyOf(Lexicon(), load_classifier(folder, key="eval.safety_classifier"))


def harm_in(answer: str, *, asked: str, detector: Detector) -> list[Hit]:
    """Harm and bias in an answer, by the rules that rows are judged with (hunmin/safety/judge.py).

    An answer that declines may name what was asked for, and one swear word in a long text is a quote.
    """
    exchange = {
        "messages": None,
        "fields": {"instruction": asked, "input": None, "answer": answer, "rationale": None, "label": None},
        "references": [],
    }
    draft: DraftRow = exchange  # type: ignore[assignment]  # what `find_harm` reads of one
    found = find_harm(draft, detector=detector)
    return [finding.hit for finding in (*found.harmful, *found.biased) if finding.field == "answer"]


def has_personal_data(answer: str) -> bool:
    """Whether any personal data stands in it."""
    return bool(personal_data.find(answer))


def qualities(detector: Detector) -> dict[str, Quality]:
    """On labelled answers, of the detectors of refusals, harm, personal data, and positive and negative tone.

    Those of refusals and tone were improved on the earlier answers, and are measured on the others.
    """
    fresh = read("labelled")["answers"]
    every = [*fresh, *read("labelled")["earlier"]]

    def of(kind: str, says: Callable[[str], bool], answers: Sequence[Item]) -> Quality:
        return quality(
            says, [(one["text"], kind in (*one.get("is", ()), one.get("tone"))) for one in answers]
        )

    return {
        "refusal": of("refusal", refuses, fresh),
        "harm": of("harm", lambda text: bool(harm_in(text, asked="", detector=detector)), every),
        "personal": of("personal", has_personal_data, every),
        "positive": of("positive", lambda text: tone(text) > 0, fresh),
        "negative": of("negative", lambda text: tone(text) < 0, fresh),
    }
