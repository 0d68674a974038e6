"""docs/config.md holds what the config classes say, and every key is described there."""

import difflib
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from hunmin.section import Section, execution
from launcher.config import RunConfig
from launcher.help.config_page import PAGE, config_page, tables, value_of

WRITE = ".venv/bin/python -m launcher.help.config_page"
LONGEST = 110  # characters of a description: one line of a table


def leaf_keys(schema: dict[str, Any], at: str = "") -> Iterator[str]:
    """Dotted keys by the JSON schema that pydantic makes of the classes: another way than the page's."""
    for name, value in schema["properties"].items():
        inner = list(sections(value))
        yield from (key for one in inner for key in leaf_keys(one, f"{at}{name}."))
        if not inner:
            yield f"{at}{name}"


def sections(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The sections that a key may hold."""
    if "$ref" in value:
        found = SCHEMA["$defs"][value["$ref"].rpartition("/")[2]]
        if "properties" in found:
            yield found
    for one in (*value.get("anyOf", ()), *([value["items"]] if "items" in value else ())):
        yield from sections(one)


SCHEMA = RunConfig.model_json_schema()


def test_the_page_is_what_the_classes_give() -> None:
    page, now = PAGE.read_text(encoding="utf-8") if PAGE.exists() else "", config_page()
    if page != now:
        lines = difflib.unified_diff(page.splitlines(), now.splitlines(), PAGE.name, "now", lineterm="", n=0)
        pytest.fail(
            "\n".join(
                [*lines, "", "The config classes have changed; write the page anew with:", f"  {WRITE}"]
            )
        )


def test_every_key_has_a_row() -> None:
    found = re.findall(r"^\| `([^`]+)` \|", config_page(), re.MULTILINE)
    assert sorted(key.replace("[]", "") for key in found) == sorted(leaf_keys(SCHEMA))
    assert len(found) > 140


@pytest.mark.parametrize("table", tables(RunConfig), ids=lambda table: table.path or "top")
def test_every_key_is_described(table: Any) -> None:
    said = {name: field.description or "" for name, field in table.keys.items()}
    assert not [name for name, text in said.items() if not text.strip()], "give the key a description="
    assert not [name for name, text in said.items() if len(text) > LONGEST or "\n" in text], "too long"
    assert table.text.strip(), "the class needs a docstring"


class Inner(Section):
    """Inside."""

    word: Literal["a", "b"] = Field(default="a", description="x | y")


class Outer(Section):
    """Outside."""

    share: float = Field(gt=0, le=1)
    names: tuple[str, ...] = Field(default=(), min_length=1)
    pair: tuple[int, int] | None = None
    limit: float | None = Field(default=4.0, ge=0)
    words: tuple[Literal["a", "b"], ...] = execution(("a",))
    rates: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    either: str | tuple[str, ...] = "no"
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()


def test_values_in_words() -> None:
    assert {
        name: value_of(field) for name, field in Outer.model_fields.items() if name not in ("inner", "many")
    } == {
        "share": "number > 0 and ≤ 1",
        "names": "list of texts; not empty",
        "pair": "list of 2 whole numbers",
        "limit": "number ≥ 0, or null",
        "words": "list of any of: a, b",
        "rates": "mapping of text to number > 0",
        "either": "text or list of texts",
    }


def test_sections_inside_sections() -> None:
    found = {table.path: (table.text, list(table.keys)) for table in tables(Outer)}
    assert found["inner"] == ("Inside.\n\nAbsent by default.", ["word"])
    assert found["many[]"] == ("Inside.\n\nA list, empty by default.", ["word"])
    assert found[""][1] == ["share", "names", "pair", "limit", "words", "rates", "either"]


def test_a_type_without_words_is_refused() -> None:
    class Odd(BaseModel):
        key: complex

    with pytest.raises(TypeError, match="config_page"):
        value_of(Odd.model_fields["key"])
