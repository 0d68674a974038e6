"""Passwords, tokens and signatures in URLs: read from the environment, and never written or printed.

A path may say `${NAME}`; it is kept so in every file and message, and filled in where the URL is opened. A
secret that stands in a URL itself is written as MASK.
"""

import os
import re

from hunmin.errors import ConfigError

MASK = "***"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_USER = re.compile(r"([A-Za-z0-9+.-]+)://([^/\s?#'\"]*)@")
# A sentence's sign behind the URL is not of the value: what is masked twice stays as it is.
_PARAMETER = re.compile(r"(?<=[?&#;])([^=&#;\s?'\"]+)=([^&#;\s'\"]*?)(?=[:,.)]*(?:[&#;\s'\"]|$))")
_SECRET_KEY = re.compile(
    r"token|secret|passw|pwd|signature|credential|authori[sz]ation|session|policy|jwt|api-?_?key|access-?_?key"
    r"|^(key|sig|auth|code|pass|x-amz-.*|x-goog-.*)$",
    re.IGNORECASE,
)
_RANDOM = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9+/=_.%~-]{24,}")  # a key by any other name


def masked(text: str) -> str:
    """The text with the secrets of the URLs in it as MASK; a text without any is itself."""
    if "://" not in text:
        return text
    return _PARAMETER.sub(_masked_parameter, _USER.sub(_masked_user, text))


def _masked_user(found: re.Match[str]) -> str:
    scheme, user = found.groups()
    name, colon, password = user.partition(":")
    secret = password if colon else name if scheme.startswith("http") else ""  # there a name may be a token
    return f"{scheme}://{MASK}@" if secret and not _VARIABLE.search(secret) else found[0]


def _masked_parameter(found: re.Match[str]) -> str:
    name, value = found.groups()
    hidden = _SECRET_KEY.search(name) or _RANDOM.fullmatch(value)
    return f"{name}={MASK}" if hidden and not _VARIABLE.search(value) else found[0]


def filled(text: str) -> str:
    """The text with each `${NAME}` as the environment has it.

    Raises:
        ConfigError: the environment lacks one; names it.
    """

    def value_of(found: re.Match[str]) -> str:
        value = os.environ.get(found[1])
        if value is None:
            raise ConfigError(f"{masked(text)}: the environment has no {found[1]}; export {found[1]}=…")
        return value

    return _VARIABLE.sub(value_of, text)


def concealed(text: str, written: str) -> str:
    """What was said of a filled path, in the spelling of the path as `written`, and masked."""
    values = {os.environ.get(name): f"${{{name}}}" for name in _VARIABLE.findall(written)}
    for value in sorted((value for value in values if value), key=len, reverse=True):
        text = text.replace(value, values[value])
    return masked(text)
