"""Every text of a draft row normalized (hunmin/language/normalize.py)."""

from hunmin.language.normalize import normalize_text
from hunmin.rows import DraftRow
from hunmin.safety.judge import map_texts


def normalize_draft(draft: DraftRow) -> tuple[DraftRow, list[str]]:
    """A draft row with every text normalized, and the steps that changed any of them, each once."""
    seen: dict[str, None] = {}

    def clean(_: str, text: str, answer: bool) -> str:
        text, changed = normalize_text(text, answer=answer)
        seen.update(dict.fromkeys(changed))
        return text

    return map_texts(draft, clean), list(seen)
