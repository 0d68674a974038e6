"""What of a URL is hidden, and what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunmin.url_secrets import MASK, concealed, filled, masked


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:pw@h.example/a.jsonl", "https://***@h.example/a.jsonl"),
        ("https://ghp_abc@h/x", "https://***@h/x"),
        ("https://me:p@ss@h/x", "https://***@h/x"),
        ("sftp://me:pw@h/x", "sftp://***@h/x"),
        ("https://h/a.jsonl?token=abc&x=1", "https://h/a.jsonl?token=***&x=1"),
        (
            "https://h/a?X-Amz-Credential=A%2Fb&X-Amz-Signature=0f",
            "https://h/a?X-Amz-Credential=***&X-Amz-Signature=***",
        ),
        ("https://h/a?X-Goog-Signature=0f", "https://h/a?X-Goog-Signature=***"),
        ("https://h/a?sv=2020-08-04&sig=abc%3D", "https://h/a?sv=2020-08-04&sig=***"),
        ("https://h/a?api_key=1#access_token=2", "https://h/a?api_key=***#access_token=***"),
        ("https://h/x?q=1a2b3c4d5e6f7g8h9i0j1k2l3m4n", "https://h/x?q=***"),
        ("zip://*.csv::https://u:p@h/x.zip?sig=1", "zip://*.csv::https://***@h/x.zip?sig=***"),
        ("failed: ['https://u:p@h/x', 'y']", "failed: ['https://***@h/x', 'y']"),
    ],
)
def test_secrets_are_masked_once(url: str, shown: str) -> None:
    assert masked(url) == shown
    assert masked(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "corpus/a.jsonl?b=c",
        "sftp://me@h/x",
        "s3://bucket/a@b/c.jsonl",
        "https://h/a?download=true&file=train.csv",
        "https://${U}:${P}@h/x?token=${T}",
        "https://[::1]:80/x",
        "hub:owner/name",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert masked(text) == text


@given(st.text("abcXYZ019-_~", min_size=1), st.text("abcXYZ019-_~", min_size=1))
def test_no_password_and_no_token_survives(password: str, token: str) -> None:
    shown = masked(f"source s: https://{'u' * 9}:{password}@h/x?token={token}: cannot be fetched")
    assert shown == f"source s: https://{MASK}@h/x?token={MASK}: cannot be fetched"


def test_what_is_said_of_a_filled_path_has_its_spelling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HM_KEY", "geheim")
    written = "s3://bucket/${HM_KEY}/a"
    assert filled(written) == "s3://bucket/geheim/a"
    assert concealed(f"404: {filled(written)}", written) == f"404: {written}"
