"""Every text of a draft row normalized (hunmin/language/normalize.py), by what the row is about."""

import re

from data_pipeline.rows.checks.exchange import is_code
from hunmin.language.answers import python_code
from hunmin.language.answers.code_spans import code_spans
from hunmin.language.normalize import ENTITY, normalize_text, says_no_input, unescape_entities
from hunmin.rows import DraftRow, with_values
from hunmin.safety.judge import map_texts

# A row about markup shows references as they are written.
_ABOUT_MARKUP = re.compile(
    r"\bx?html|\bxml|\bsvg\b|\bcss\b|mark-?up|escape (?:char|seq)|마크업|이스케이프|엔[티터]티", re.IGNORECASE
)
_MARKUP = re.compile(r"</[A-Za-z][\w-]*\s*>|<!|<\?xml")


def normalize_draft(draft: DraftRow) -> tuple[DraftRow, list[str]]:
    """A draft row with every text normalized, and the steps that changed any of them, each once.

    HTML's references become their signs (`html_entities`) but in code and in rows about markup; an input that
    says that there is none becomes none (`no_input`); the blanks before an answer go where it is prose.
    """
    seen: dict[str, None] = {}

    def clean(_: str, text: str, answer: bool) -> str:
        if ENTITY.search(text) and not _MARKUP.search(text) and not _ABOUT_MARKUP.search(_asked(draft)):
            unescaped = unescape_entities(text, spared=code_spans(text))
            seen.update({} if unescaped == text else {"html_entities": None})
            text = unescaped
        text, changed = normalize_text(text, answer=answer and _keeps_indentation(text, draft))
        seen.update(dict.fromkeys(changed))
        return text

    cleaned = map_texts(draft, clean)
    fields = cleaned["fields"]
    if fields["instruction"] and fields["input"] and says_no_input(fields["input"]):
        cleaned = with_values(cleaned, fields=fields | {"input": None})
        seen["no_input"] = None
    return cleaned, list(seen)


def _asked(draft: DraftRow) -> str:
    fields = draft["fields"]
    texts = [fields["instruction"], fields["input"]]
    texts += [turn["content"] for turn in draft["messages"] or () if turn["role"] != "assistant"]
    return "\n".join(str(text) for text in texts if text)


def _keeps_indentation(text: str, draft: DraftRow) -> bool:
    """Whether the blanks before the first line mean something: code, a body of code, lines set alike."""
    if not text[:1].isspace():
        return False
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or not lines[0][0].isspace():
        return False
    aligned = any(line[0].isspace() for line in lines[1:])
    return aligned or is_code(text) or is_code(_asked(draft)) or python_code.parse_body(text) is not None
