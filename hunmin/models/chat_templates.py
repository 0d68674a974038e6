"""Chat templates by name: the built-in ones and Jinja files, as texts that travel with the tokenizer."""

from pathlib import Path

from hunmin.errors import InputError
from hunmin.section import resolve_path


class TemplateError(InputError):
    """The template cannot be used for training on answers; the message says why and what to do."""


_CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] "
    "+ '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def _titled(system: str, user: str, assistant: str, gap: str) -> str:
    """A title before each message, `gap` behind it; the tokenizer's EOS ends an answer."""
    return (
        "{% for message in messages %}"
        f"{{% if message['role'] == 'system' %}}{{{{ {system!r} + message['content'] + {gap!r} }}}}"
        f"{{% elif message['role'] == 'user' %}}{{{{ {user!r} + message['content'] + {gap!r} }}}}"
        f"{{% else %}}{{{{ {assistant!r} + message['content'] + eos_token + {gap!r} }}}}{{% endif %}}"
        "{% endfor %}"
        f"{{% if add_generation_prompt %}}{{{{ {assistant!r} }}}}{{% endif %}}"
    )


BUILT_IN = {
    "chatml": _CHATML,
    "instruction_ko": _titled("### 역할:\n", "### 지시:\n", "### 답변:\n", "\n\n"),
    "instruction_en": _titled("### System:\n", "### Instruction:\n", "### Response:\n", "\n\n"),
    "vicuna": _titled("", "USER: ", "ASSISTANT: ", "\n"),
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
