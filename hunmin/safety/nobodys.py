"""What has the form of personal data and belongs to nobody: service lines, reserved addresses.

Numbers of three and four digits (112, 1393) and of representatives (1588-1234) have no form that is looked
for. Sources: the numbering plans of Korea (080) and North America (toll-free area codes; 555-01xx is for
fiction), ITU-T E.164 (+800), the European numbers of social value (116), RFC 2606 and RFC 6761 (example.com).
"""

import re

# Of digits alone; + where the number is written so.
_SERVICE = re.compile(
    r"(?:\+?82)?0?80\d{7,8}"
    r"|\+?1?8(?:00|22|33|44|55|66|77|88)[2-9]\d{6}|\+?1?[2-9]\d\d55501\d\d"
    r"|\+800\d{8}|\+[2-9]\d{0,2}0?(?:80[08]\d{4,7}|116\d{3})"
)
_RESERVED = re.compile(
    r"@(?:.+\.)?(?:example\d*(?:\.[a-z]{2,3}){1,2}|test|example|invalid|localhost|(?:your|my)?domain\.com)\Z"
    r"|\A(?:example|username|your[._-]?(?:name|id|e-?mail|address))@",
    re.IGNORECASE,
)


def is_service_number(number: str) -> bool:
    """Whether a telephone number is a free or a crisis line, or one that is kept for examples."""
    return _SERVICE.fullmatch(re.sub(r"[^\d+]", "", number)) is not None


def is_reserved_address(address: str) -> bool:
    """Whether an e-mail address is an example's: its domain is kept for them, or its name says so."""
    return _RESERVED.search(address) is not None


def is_allowed(found: str, allow: tuple[str, ...]) -> bool:
    """Whether a find may stand: it is listed, but for case and separators, or its domain is (`@corp.kr`)."""
    if not allow:
        return False
    forms = {as_compared(found), "@" + as_compared(found.partition("@")[2])}
    return any(as_compared(one) in forms for one in allow)


def as_compared(text: str) -> str:
    """A text without separators and case: equal for two spellings of one number or address."""
    return re.sub(r"[\s().\-–]", "", text.casefold())
