"""Chat templates by name: the built-in ones and Jinja files, as texts that travel with the tokenizer."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from hunmin.errors import InputError
from hunmin.hashing import sha256_bytes
from hunmin.section import resolve_path

if TYPE_CHECKING:  # commands that only name a template must not wait for transformers
    from transformers import PreTrainedTokenizerFast


class TemplateError(InputError):
    """The template cannot be used for training on answers; the message says why and what to do."""


_CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] "
    "+ '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def _titled(system: str, user: str, assistant: str, gap: str, lead: str = "") -> str:
    """A title before each message, `gap` behind it; the tokenizer's EOS ends an answer.

    `lead` stands between the title of an answer and the answer, and is part of what a model writes: a prompt
    that ended with a space would split the token that begins the answer (" Hello").
    """
    return (
        "{% for message in messages %}"
        f"{{% if message['role'] == 'system' %}}{{{{ {system!r} + message['content'] + {gap!r} }}}}"
        f"{{% elif message['role'] == 'user' %}}{{{{ {user!r} + message['content'] + {gap!r} }}}}"
        f"{{% else %}}{{{{ {assistant + lead!r} + message['content'] + eos_token + {gap!r} }}}}{{% endif %}}"
        "{% endfor %}"
        f"{{% if add_generation_prompt %}}{{{{ {assistant!r} }}}}{{% endif %}}"
    )


BUILT_IN = {
    "chatml": _CHATML,
    "instruction_ko": _titled("### 역할:\n", "### 지시:\n", "### 답변:\n", "\n\n"),
    "instruction_en": _titled("### System:\n", "### Instruction:\n", "### Response:\n", "\n\n"),
    "vicuna": _titled("", "USER: ", "ASSISTANT:", "\n", lead=" "),
}


def named_template(template: str, base: Path) -> str | None:
    """The Jinja text that `data.template` names; None for `chat`, the tokenizer's own.

    Raises:
        TemplateError: there is no such template.
    """
    if template == "chat":
        return None
    if template in BUILT_IN:
        return BUILT_IN[template]
    path = resolve_path(template, base)
    if not path.is_file():
        raise TemplateError(
            f"data.template {template}: neither chat, nor a built-in ({', '.join(BUILT_IN)}), "
            f"nor a file ({path})"
        )
    return path.read_text(encoding="utf-8")


def template_text(template: str, tokenizer: "PreTrainedTokenizerFast", base: Path) -> str | dict[str, str]:
    """The Jinja text that `data.template` names: the tokenizer's own, a built-in, or a file.

    A tokenizer may have several by name (`default`, `tool_use`); transformers chooses among them by row.

    Raises:
        TemplateError: there is no such template.
    """
    named = named_template(template, base)
    if named is not None:
        return named
    own = tokenizer.chat_template
    if isinstance(own, dict) and "default" in own:
        return dict(own)
    if isinstance(own, str):
        return own
    found = f"only templates named {', '.join(sorted(own))}" if own else "no chat template of its own"
    raise TemplateError(
        f"data.template is chat, but the tokenizer has {found}; "
        f"choose one of {', '.join(BUILT_IN)}, or name a Jinja file"
    )


def template_sha256(template: str | dict[str, str]) -> str:
    """The SHA-256 of a template's text; of several, of their names and texts."""
    text = template if isinstance(template, str) else json.dumps(template, sort_keys=True, ensure_ascii=False)
    return sha256_bytes(text.encode())
