"""What the values of a label column ask for: the task of a source, and the answers its values stand for."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from data_pipeline.sources.values.columns import columns_in
from data_pipeline.sources.values.mapping import same_value
from data_pipeline.tasks.tasks import Task
from hunmin.errors import InputError
from hunmin.language.normalize import normalize_text
from launcher.init.detected import Detected
from launcher.init.label_values import is_yes, merged_spellings, relation_labels, sentiment_labels

SENTIMENT_WORDS = re.compile(
    r"sentiment|senti|review|rating|star|score|polarity|nsmc|감정|감성|리뷰|후기|평점|별점|평가|영화"
)
SIMILAR_WORDS = re.compile(r"sts|simil|duplicate|paraphras|binary|paws|qqp|mrpc|same|유사|중복|같은")
MAX_NAMED = 12  # labels that the wording of a task file can list
_SAME = {"ko": ("같다", "다르다"), "en": ("same", "different")}
_ASK_SAME = {
    "ko": "다음 두 글의 뜻이 같은지 다른지 '같다' 또는 '다르다'로 답해 주세요.",
    "en": "Do the two texts below mean the same? Answer same or different.",
}


def with_labels(one: Detected, tasks: Mapping[str, Task]) -> Detected:
    """The source with the answers its label values stand for, and the task they belong to.

    Raises:
        InputError: what the values ask for cannot be told; the message shows them and what to pass.
    """
    source, said = one.source, _said(one)
    if source.format != "table" or not one.values:
        return one
    if "label" not in source.columns:
        return _merged(one)
    named = f"{source.columns['label']} {source.path}".casefold()
    words = "ko" if one.language == "ko" else "en"
    two_texts = len(columns_in(source.columns.get("input", ""))) == 2
    relations = relation_labels(said, words) if two_texts else None
    if source.task in (None, "nli") and relations is not None:
        return _told(one, "nli", relations[0], guessed=relations[1])
    if source.task in (None, "similarity") and two_texts and SIMILAR_WORDS.search(named):
        sides = {value: is_yes(value) for value in said}
        if set(sides.values()) == {True, False}:
            labels = {value: _SAME[words][0 if yes else 1] for value, yes in sides.items()}
            return replace(_told(one, "similarity", labels, guessed=True), ask=_ASK_SAME[words])
    if source.task == "sentiment" or (
        source.task is None and not two_texts and _is_sentiment(said, one.language, named)
    ):
        labels = sentiment_labels(said, one.language)
        if labels is None:
            known = ", ".join(tasks["sentiment"].labels)
            raise InputError(
                f"{source.path}: the values of {source.columns['label']} ({listed(list(said))}) "
                "are no sentiment that can be told; name the task otherwise with --task, or write "
                f"{known} into the file"
            )
        return _told(one, "sentiment", labels)
    if source.task is None:
        raise InputError(
            f"{source.path}: column {source.columns['label']} has the values "
            f"{listed(list(said))}; what do they tell? Pass --task sentiment, or a name of "
            "your own, such as --task topic: a task file with these labels is written beside the config"
            + "".join(f"\n  {line}" for line in one.decide)
        )
    return _merged(one)


def _said(one: Detected) -> dict[str, int]:
    """What the labels say -> rows: the words that the file itself gives to its numbers, else its values."""
    if not one.names:
        return dict(one.values)
    said = dict.fromkeys(one.names, 0)
    for value, count in one.values.items():
        numbered = (name for number, name in enumerate(one.names) if same_value(value, str(number)))
        name = value if value in said else next(numbered, None)
        if name is not None:  # -1 is no label
            said[name] += count
    return said


def _as_the_file_spells(one: Detected, labels: Mapping[str, str]) -> dict[str, str]:
    """The answers under what the file has in the place of what is said: numbers where it names them."""
    if not one.names:
        return dict(labels)
    return {str(number): labels[name] for number, name in enumerate(one.names) if name in labels}


def _is_sentiment(said: Mapping[str, int], language: str, named: str) -> bool:
    labels = sentiment_labels(said, language)
    words = labels is not None and not all(value.strip().lstrip("-").isdigit() for value in labels)
    return labels is not None and bool(words or SENTIMENT_WORDS.search(named))


def _told(one: Detected, task: str, labels: Mapping[str, str], *, guessed: bool = False) -> Detected:
    """The source with this task and these answers; what was read into the values is to be decided."""
    answers = _as_the_file_spells(one, labels)
    left = [value for value, count in _said(one).items() if count and value not in labels]
    told = [
        f"{value} = {answer}"
        for value, answer in answers.items()
        if one.names or guessed or spelled(value) != answer
    ]
    sure = ", by the file's own names" if one.names else "; is it so?"
    decide = [f"labels: {', '.join(told)}{sure}"] if told else []
    if left:
        decide.append(f"labels: {listed(left)} say neither and are left out (label_not_mapped)")
    return replace(
        one,
        source=one.source.model_copy(update={"task": task, "labels": answers}),
        decide=(*one.decide, *decide),
    )


def _merged(one: Detected) -> Detected:
    """The spellings of one answer as one answer; numbers that say nothing by themselves are asked for."""
    labels = {value: spelled(answer) for value, answer in merged_spellings(_said(one)).items()}
    answers = _as_the_file_spells(one, labels)
    source, decide = one.source, []
    several = [
        f"{' and '.join(same)} are one answer"
        for answer in dict.fromkeys(labels.values())
        if len(same := [value for value in labels if labels[value] == answer]) > 1
    ]
    if several or one.names:
        source = source.model_copy(update={"labels": answers})
    if several:
        decide.append(f"labels: {'; '.join(several)}; is it so?")
    if "label" in source.columns and all(re.fullmatch(r"-?[\d.]+", answer) for answer in labels.values()):
        example = ", ".join(f'"{value}": …' for value in list(answers)[:3])
        decide.append(
            f"labels: the answers are bare numbers; write what they mean, labels: {{{example}}}, and the "
            f"same words in the labels and the wording of tasks/{source.task}.yaml"
        )
    return replace(one, source=source, decide=(*one.decide, *decide))


def spelled(value: str) -> str:
    """A value as rows have it: the data stage normalizes every text."""
    return normalize_text(value)[0]


def listed(values: Sequence[str]) -> str:
    """The first MAX_NAMED values, and how many more there are."""
    more = f" and {len(values) - MAX_NAMED} more" if len(values) > MAX_NAMED else ""
    return ", ".join(values[:MAX_NAMED]) + more
