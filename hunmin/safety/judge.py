"""What the finds in a row's texts mean, and what the config wants done about them. Pure functions of a row.

A text is judged with its counterpart: a harmful request that is declined is worth learning, one that is
answered is not, and a harmful answer never is. Where the input is material, to be classified or summed up, it
is nobody's request: the answer decides.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from hunmin.language.script import language_of
from hunmin.rows import DraftRow, Message, texts_of, with_values
from hunmin.safety import personal_data
from hunmin.safety.classifier import load_classifier
from hunmin.safety.config import PersonalDataConfig, PersonalKind, SafetyConfig
from hunmin.safety.detector import AnyOf, Detector, Hit
from hunmin.safety.json_texts import change_in_json
from hunmin.safety.lexicon import Lexicon
from hunmin.safety.refusals import is_refusal
from hunmin.schema import Refusal
from hunmin.section import resolve_path

Action = Literal["drop", "flag", "keep"]

REFUSED = "harmful_request_refused"
SPAN_OF_PROFANITY = (
    400  # characters in which one swear word makes a text abusive; in longer ones it is a quote
)
MAX_NAMED = 3  # finds that a detail names


class Finding(NamedTuple):
    """A hit and where it is: input, answer, messages[2]."""

    field: str
    hit: Hit


class Findings(NamedTuple):
    """What is wrong with a row, whatever is done about it."""

    harmful: tuple[Finding, ...] = ()
    biased: tuple[Finding, ...] = ()
    refused: bool = False  # something harmful or biased was asked, and declined


class Judged(NamedTuple):
    """What `apply_safety` makes of a draft. `refusal`: (reason, detail), or None to keep it."""

    draft: DraftRow
    flags: list[str]
    transforms: list[str]
    refusal: Refusal


class Exchange(NamedTuple):
    """What is asked and what is answered to it: (field, text) each. `answer` is the reply itself."""

    asked: list[tuple[str, str]]
    answered: list[tuple[str, str]]
    answer: str


def load_detector(config: SafetyConfig, base: Path) -> Detector:
    """The word lists, and the classifier where the config names one. Milliseconds; one a process is enough.

    Raises:
        InputError: the classifier's folder cannot be read.
    """
    lexicon = Lexicon()
    if config.classifier is None:
        return lexicon
    return AnyOf(lexicon, load_classifier(resolve_path(config.classifier, base), threshold=config.threshold))


def apply_safety(
    draft: DraftRow,
    config: SafetyConfig,
    source_action: Action | None,
    *,
    detector: Detector,
    works_on_text: bool = False,
) -> Judged:
    """A normalized draft after safety: unchanged, flagged, masked, or refused.

    Args:
        source_action: the source's own, in place of config.action; `keep` keeps bias as well.
        works_on_text: the answer says over again what the input says. Such an input is flagged where
            config.action would drop it, and so is one that is answered by a label.
    """
    harm_action = source_action or config.action
    bias_action = "keep" if source_action == "keep" else config.bias
    flags: list[str] = []
    if (harm_action, bias_action) != ("keep", "keep"):
        findings = find_harm(draft, detector=detector)
        flags = [REFUSED] if findings.refused else []
        if source_action is None and (works_on_text or draft["fields"]["label"] is not None):
            findings, material = _without_input(findings)
            if harm_action != "keep":
                flags += dict.fromkeys(f"harmful:{finding.hit.category}" for finding in material)
        for action, reason, found, flag in (
            (harm_action, "harmful_content", findings.harmful, "harmful:{}"),
            (bias_action, "biased_content", findings.biased, "{}"),
        ):
            if found and action == "drop":
                return Judged(draft, flags, [], (reason, _detail(found)))
            if action == "flag":
                flags += dict.fromkeys(flag.format(finding.hit.category) for finding in found)
    draft, transforms, refusal = apply_personal(draft, config.personal_data)
    return Judged(draft, flags, transforms, refusal)


def _without_input(findings: Findings) -> tuple[Findings, list[Finding]]:
    """The findings but for the harm that stands in the input alone, and that harm."""
    if any(finding.field != "input" for finding in findings.harmful):
        return findings, []
    return findings._replace(harmful=()), list(findings.harmful)


def find_harm(draft: DraftRow, *, detector: Detector) -> Findings:
    """What a detector finds in a row, after the rule of the pair."""
    harmful: list[Finding] = []
    biased: list[Finding] = []
    refused = False
    for exchange in exchanges(draft):
        asked = _findings(exchange.asked, detector)
        answered = _findings(exchange.answered, detector)
        if asked and is_refusal(exchange.answer):
            refused = True
            # Declining may name what was asked for; anything else it says counts.
            named = {finding.hit.category for finding in asked}
            asked, answered = [], [f for f in answered if f.hit.category not in named]
        for finding in asked + answered:
            (biased if finding.hit.is_bias else harmful).append(finding)
    return Findings(tuple(harmful), tuple(biased), refused)


def exchanges(draft: DraftRow) -> list[Exchange]:
    """The requests of a row with their answers. A label is the name of a class, not something said."""
    if draft["messages"]:
        return _turns(draft["messages"])
    fields = draft["fields"]
    asked = [(name, text) for name in ("instruction", "input") if (text := fields[name])]
    answered = [("rationale", fields["rationale"])] if fields["rationale"] else []
    if fields["label"] is None:
        texts = dict.fromkeys([fields["answer"] or "", *draft["references"]])
        answered += [("answer", text) for text in texts if text]
    return [Exchange(asked, answered, fields["answer"] or "")]


def _turns(messages: list[Message]) -> list[Exchange]:
    """Each answer closes an exchange; the system message belongs to the first.

    Calls are no answer yet: what comes of them belongs to the same exchange, as does a thought.
    """
    out: list[Exchange] = []
    asked: list[tuple[str, str]] = []
    answered: list[tuple[str, str]] = []
    for index, message in enumerate(messages):
        places = [(f"messages[{index}]", text) for text in texts_of(message)]
        if message["role"] != "assistant":
            asked += places
            continue
        answered += places
        if not message.get("tool_calls"):
            out.append(Exchange(asked, answered, message["content"]))
            asked, answered = [], []
    return [*out, Exchange(asked, answered, "")] if asked or answered else out


def _findings(texts: Iterable[tuple[str, str]], detector: Detector) -> list[Finding]:
    return [Finding(name, hit) for name, text in texts for hit in _weighty(detector.find(text), text)]


def _weighty(hits: list[Hit], text: str) -> list[Hit]:
    """Without the swear words that a long text, such as a novel's summary, merely quotes."""
    num_profane = sum(hit.category == "profanity" for hit in hits)
    if len(text) <= num_profane * SPAN_OF_PROFANITY:
        return hits
    return [hit for hit in hits if hit.category != "profanity"]


def _detail(findings: Iterable[Finding]) -> str:
    """Field, category and the word list's own spelling, never the row's text."""
    named = list(dict.fromkeys(f"{f.field}: {f.hit.category} ({f.hit.term})" for f in findings))
    more = f", and {len(named) - MAX_NAMED} more" if len(named) > MAX_NAMED else ""
    return ", ".join(named[:MAX_NAMED]) + more


def apply_personal(draft: DraftRow, config: PersonalDataConfig) -> tuple[DraftRow, list[str], Refusal]:
    """The draft with personal data masked in every text, transforms `masked:KIND`, or a refusal."""
    if config.action == "keep":
        return draft, [], None
    texts = [*(str(text) for text in draft["fields"].values() if text), *draft["references"]]
    texts += [text for message in draft["messages"] or () for text in texts_of(message)]
    texts += [tools] if (tools := draft.get("tools")) else []
    looked_for = {"kinds": config.kinds, "allow": config.allow, "code": config.code}
    if not any(personal_data.find(text, **looked_for) for text in dict.fromkeys(texts)):  # an answer is twice
        return draft, [], None
    language = language_of(" ".join(texts))
    counts: Counter[PersonalKind] = Counter()
    first_field: dict[PersonalKind, str] = {}

    def masked(name: str, text: str, _: bool) -> str:
        text, found = personal_data.mask(text, **looked_for, language=language)
        for kind in found:
            first_field.setdefault(kind, name)
        counts.update(found)
        return text

    out = map_texts(draft, masked)
    kinds: list[PersonalKind] = [kind for kind in personal_data.KINDS if counts[kind]]
    if config.action == "drop":
        return draft, [], ("personal_data", ", ".join(f"{first_field[kind]}: {kind}" for kind in kinds))
    return out, [f"masked:{kind}" for kind in kinds], None


def map_texts(draft: DraftRow, change: Callable[[str, str, bool], str]) -> DraftRow:
    """A draft with `change(field, text, whether it is an answer)` for every text; nothing else is touched.

    Calls' arguments and tools are JSON, and stay it (see `json_texts`). A function is called by one name in
    tools, calls and results, so the name is a text in all of them; ids are none.
    """
    fields = {
        name: None if text is None else change(name, str(text), name == "answer")
        for name, text in draft["fields"].items()
    }
    messages = draft["messages"] and [
        _map_message(turn, f"messages[{index}]", change) for index, turn in enumerate(draft["messages"])
    ]
    references = [change("references", text, True) for text in draft["references"]]
    out = with_values(draft, fields=fields, messages=messages, references=references)
    if tools := draft.get("tools"):
        out = with_values(out, tools=change_in_json(tools, lambda text: change("tools", text, False)))
    return out


def _map_message(turn: Message, place: str, change: Callable[[str, str, bool], str]) -> Message:
    turn = with_values(turn, content=change(place, turn["content"], turn["role"] == "assistant"))
    if thought := turn.get("reasoning"):
        turn = with_values(turn, reasoning=change(f"{place}.reasoning", thought, False))
    if calls := turn.get("tool_calls"):
        where = f"{place}.tool_calls"
        changed = [
            {
                **call,
                "name": change(where, call["name"], False),
                "arguments": change_in_json(call["arguments"], lambda text: change(where, text, False)),
            }
            for call in calls
        ]
        turn = with_values(turn, tool_calls=changed)
    if name := turn.get("name"):
        turn = with_values(turn, name=change(f"{place}.name", name, False))
    return turn
