"""Korean predicates written with another ending."""

from hunmin.language.korean import endings as table
from hunmin.language.korean.endings import Form
from hunmin.language.korean.morphemes import joined
from hunmin.language.korean.sentence_types import Sentence
from hunmin.language.sentences import final_consonant

_RIEUL = 8
# Endings that differ by their last syllables only: the rest stays as it stands.
_BY_TAIL = {
    ("ᆯ까", "ᆯ까요"): ("까", "까요"),
    ("ᆯ까요", "ᆯ까"): ("까요", "까"),
    ("지", "지요"): ("지", "죠"),
    ("지요", "지"): ("죠", "지"),
    ("ᆯ래", "ᆯ래요"): ("래", "래요"),
    ("ᆯ래요", "ᆯ래"): ("래요", "래"),
}
_OPEN = {"어", "어요", "냐"}  # before them 걷다 and 걸다 look the same
_VERBAL = {"나요": "나요", "ᆫ가": "는가", "ᆫ지": "는지"}
_NOMINAL = {"나요": "ᆫ가요", "ᆫ가": "ᆫ가", "ᆫ지": "ᆫ지"}
_JOINED_FINAL = {"인": 4, "입": 17, "일": _RIEUL}  # 거 + 인가요 = 건가요
_LIKE_ADJECTIVES = {"싶", "듯하", "만하", "법하", "뻔하", "성싶", "듯싶"}  # auxiliaries: 하고 싶은가


def request_surface(sentence: Sentence, form: Form) -> str | None:
    """A request in another form, with its mark; None where the mark forbids it."""
    mark = sentence.mark
    if form.asks:
        if ":" in mark:
            return None
        mark = "?"
    elif "?" in mark:
        mark = "."
    stem = (sentence.stem.form, sentence.stem.tag)
    if form in table.BENEFACTIVE:
        before = sentence.connective
        if before is None:
            before = joined(stem, ("어", "EC")) + " "
        return before + form.surface + mark
    ending = [(part.split("/")[0], part.split("/")[1]) for part in form.surface.split()]
    return joined(stem, *ending) + mark


def inflected(sentence: Sentence, ending: str) -> str | None:
    """The predicate with another ending; None where it would not surely be right."""
    tails = _BY_TAIL.get((sentence.form, ending))
    if tails is not None and sentence.surface.endswith(tails[0]):
        return sentence.surface.removesuffix(tails[0]) + tails[1]
    if sentence.form in _OPEN and sentence.stem.form in table.AMBIGUOUS_STEMS:
        return sentence.surface + "요" if (sentence.form, ending) == ("어", "어요") else None
    if sentence.stem.form in table.NOT_ASKED or sentence.stem.form.endswith("지마"):
        return None
    if sentence.stem.form == "하" and len(sentence.words) > 1 and sentence.words[-2].form == "어떻":
        return None  # 어떻하니, misspelt
    if sentence.stem.kind == "VCP":
        return _copula(sentence, ending)
    stem = sentence.stem
    parts = [(stem.form, stem.tag), *[(ep, "EP") for ep in sentence.eps]]
    if stem.kind == "VCN":
        return (
            None if ending in ("어", "어요", "니") else joined(*parts, (_NOMINAL.get(ending, ending), "EF"))
        )
    if ending == "니":
        return _with_ni(parts, is_verb=_is_verbal(sentence))
    if ending == "어요" and parts[-1][0] == "시":
        return joined(*parts[:-1], ("세요", "EF"))
    if ending in _VERBAL:
        ending = (_VERBAL if _is_verbal(sentence) else _NOMINAL)[ending]
    return joined(*parts, (ending, "EC" if ending.endswith("지") and ending != "지" else "EF"))


def _is_verbal(sentence: Sentence) -> bool:
    """Whether 는 follows (가는가, 있는가) and not ㄴ (좋은가)."""
    stem = sentence.stem
    if sentence.eps or stem.form in ("있", "없"):
        return True
    return stem.kind in ("VV", "XSV") or (stem.kind == "VX" and stem.form not in _LIKE_ADJECTIVES)


def _with_ni(parts: list[tuple[str, str]], *, is_verb: bool) -> str | None:
    """좋니, 있니 (kiwi would write 좋으니); 니 drops ㄹ like no other ending here: 만드니."""
    if parts[-1][1] == "VA-I":
        return None  # 어떻니 and 어떠니, 쉽니 and 쉬우니 are both said, neither by all
    if final_consonant(parts[-1][0]) == _RIEUL:
        return joined(*parts, ("니", "EF")) if is_verb else None
    return joined(*parts, ("지", "EF"))[:-1] + "니"


def _copula(sentence: Sentence, ending: str) -> str | None:
    """The noun and 이다, by hand: kiwi writes 어딘가요 for 어디인가요 and 뭐에요 for 뭐예요."""
    if sentence.eps or len(sentence.words) < 2 or ending not in table.COPULA:
        return None
    noun = sentence.words[-2].form
    final = final_consonant(noun)
    if final is None or not "가" <= noun[-1] <= "힣":
        return None
    if len(noun) > 1 and noun.endswith("이"):
        return None  # 썸이야: of 썸 or of 썸이?
    after_consonant, after_vowel = table.COPULA[ending]
    surface = after_consonant if final else after_vowel
    if noun.endswith(("거", "뭐")) and surface[0] in _JOINED_FINAL:
        return noun[:-1] + chr(ord(noun[-1]) + _JOINED_FINAL[surface[0]]) + surface[1:]
    return noun + surface
