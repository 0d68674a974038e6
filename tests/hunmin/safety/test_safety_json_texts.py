import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunmin.safety import personal_data
from hunmin.safety.json_texts import change_in_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def masked(text: str) -> str:
    return change_in_json(text, lambda inner: personal_data.mask(inner, language="ko")[0])


@pytest.mark.parametrize("text", ['{"a":1.50,  "b" : "\\ud55c", "c": 1e6}', '{"sep": "\\n", "pad": " x "}'])
def test_what_does_not_change_keeps_its_spelling(text: str) -> None:
    assert change_in_json(text, str.strip) == text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ('{"to": "kim@korea.kr"}', '{"to": "[이메일]"}'),
        (r'{"전화": "\u0030\u0031\u0030-1234-5678"}', '{"전화": "[전화번호]"}'),
        ('{"은행 계좌": "110-234-567890", "n": 1.0}', '{"은행 계좌": "[계좌번호]", "n": 1.0}'),
        ('{"은행 계좌": 11023456789012}', '{"은행 계좌": "[계좌번호]"}'),
    ],
)
def test_personal_data_inside(text: str, clean: str) -> None:
    assert json.loads(masked(text)) == json.loads(clean)


@given(VALUES, st.booleans())
def test_json_stays_json(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    json.loads(masked(text))
    assert json.loads(change_in_json(text, lambda inner: inner)) == value
