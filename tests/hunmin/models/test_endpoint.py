"""A chat endpoint over real HTTP: what is tried again, what is refused, what is kept."""

import threading
import time
from email.utils import formatdate
from pathlib import Path

import pytest
from chat_server import Answer, serving

from hunmin.errors import EnvironmentFailure, InputError
from hunmin.models.endpoint import Endpoint, Reply, _asked_wait_s
from hunmin.models.reply_cache import ReplyCache

ASKED = [{"role": "user", "content": "안녕?"}]


def endpoint(url: str, **values: object) -> Endpoint:
    return Endpoint(url, "judge", **{"first_wait_s": 0.01, "max_tries": 3, **values})  # type: ignore[arg-type]


def test_a_reply_with_its_cost_and_the_request_that_went_out() -> None:
    with serving(lambda body, number: Answer("네")) as served:
        assert endpoint(served.url, key="secret").ask(ASKED, max_tokens=7) == Reply("네", 100, 20)
        assert endpoint(served.url + "/").ask(ASKED, max_tokens=7).text == "네"
    assert served.bodies[0] == {"model": "judge", "messages": ASKED, "max_tokens": 7, "temperature": 0}
    assert [one["path"] for one in served.headers] == ["/v1/chat/completions"] * 2
    assert served.headers[0]["Authorization"] == "Bearer secret"
    assert "Authorization" not in served.headers[1]
    assert "secret" not in repr(endpoint(served.url, key="secret"))


@pytest.mark.parametrize(
    "fault",
    [
        Answer(status=429, headers={"Retry-After": "0"}),
        Answer(status=500, raw=b"oh"),
        Answer(status=503),
        Answer(raw=b"<html>proxy</html>"),
        Answer(raw=b"[]"),
        Answer(raw=b'{"choices": []}'),
        Answer("late", delay_s=0.5),
    ],
    ids=["429", "500", "503", "html", "list", "no choice", "timeout"],
)
def test_what_may_pass_is_tried_again(fault: Answer) -> None:
    with serving(lambda body, number: fault if number < 2 else Answer("네")) as served:
        assert endpoint(served.url, timeout_s=0.2).ask(ASKED, max_tokens=7).text == "네"
    assert len(served.bodies) == 3


def test_what_does_not_pass_is_an_environment_failure() -> None:
    with (
        serving(lambda body, number: Answer(status=500, raw=b"boiler")) as served,
        pytest.raises(EnvironmentFailure, match=r"HTTP 500 \(boiler\) \(3 tries\)"),
    ):
        endpoint(served.url).ask(ASKED, max_tokens=7)
    assert len(served.bodies) == 3
    with pytest.raises(EnvironmentFailure, match="cannot be reached"):
        endpoint(served.url).ask(ASKED, max_tokens=7)  # nobody listens any more


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(status=401, raw=b"no"), "HTTP 401, it wants a key, and none was given"),
        (Answer(status=404, raw=b"no such model"), r"HTTP 404 for model judge \(no such model\)"),
        (Answer(status=400, raw=b"too long"), "too long"),
        (Answer(status=302, headers={"Location": "http://127.0.0.1:9/v1"}), "HTTP 302"),
    ],
)
def test_what_is_refused_for_good_is_not_tried_again(answer: Answer, message: str) -> None:
    with serving(lambda body, number: answer) as served, pytest.raises(InputError, match=message):
        endpoint(served.url).ask(ASKED, max_tokens=7)
    assert len(served.bodies) == 1


def test_a_server_that_asks_for_time_gets_it_and_a_stop_ends_the_wait() -> None:
    assert _asked_wait_s("7") == 7
    assert _asked_wait_s(formatdate(1_000_060), now=lambda: 1_000_000) == pytest.approx(60)
    assert _asked_wait_s("soon") == _asked_wait_s("-3") == 0
    stop = threading.Event()
    stop.set()
    begun = time.monotonic()
    busy = Answer(status=429, headers={"Retry-After": "60"})
    with serving(lambda body, number: busy) as served, pytest.raises(EnvironmentFailure, match="429"):
        endpoint(served.url).ask(ASKED, max_tokens=7, stop=stop)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "file:///etc/passwd", "http:///v1"])
def test_no_address_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="no address of an endpoint"):
        endpoint(url)


def test_replies_are_kept_over_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "judge" / "replies.jsonl"
    cache = ReplyCache(path)
    assert cache.get("a") is None
    cache.put("a", Reply("네\n", 1, 2))
    cache.put("b", Reply("아니요", 3, 4))
    path.write_bytes(path.read_bytes()[:-20])
    again = ReplyCache(path)
    assert (again.get("a"), again.get("b")) == (Reply("네\n", 1, 2), None)
    again.put("b", Reply("다시", 5, 6))
    assert ReplyCache(path).get("b") == Reply("다시", 5, 6)
    assert ReplyCache(path).get("a") == Reply("네\n", 1, 2)
