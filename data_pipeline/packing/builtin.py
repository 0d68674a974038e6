"""The built-in chat templates, as Jinja texts that travel with the tokenizer."""

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
