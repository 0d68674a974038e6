"""Every text of a draft row normalized (hunmin/language/normalize.py)."""

from typing import Any

from hunmin.language.normalize import normalize_text


def normalize_draft(draft: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A draft row with every text normalized, and the steps that changed any of them, each once."""
    seen: dict[str, None] = {}

    def clean(text: str, answer: bool) -> str:
        text, changed = normalize_text(text, answer=answer)
        seen.update(dict.fromkeys(changed))
        return text

    fields = {
        name: None if text is None else clean(text, name == "answer")
        for name, text in draft["fields"].items()
    }
    messages = draft["messages"] and [
        {"role": m["role"], "content": clean(m["content"], m["role"] == "assistant")}
        for m in draft["messages"]
    ]
    references = [clean(text, True) for text in draft["references"]]
    out = draft | {"fields": fields, "messages": messages, "references": references}
    return out, list(seen)
