"""A run judged over real HTTP: verdicts, cost, the cache, faults, people beside."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chat_server import Answer, serving
from judge_run import fair, write_run

from eval.judge.askers import EndpointAsker, LocalAsker
from eval.judge.judging import judge_run
from eval.judge.rubric import CRITERIA
from hunmin.artifact import load_manifest, verify
from hunmin.errors import EnvironmentFailure, InputError
from hunmin.models.endpoint import Endpoint


def judged(run: Path, url: str, **values: Any) -> dict[str, Any]:
    asker = EndpointAsker(Endpoint(url, "judge", first_wait_s=0.01, max_tries=2, timeout_s=5), num_requests=3)
    return judge_run(
        run, asker, **{"samples": 100, "seed": 0, "num_resamples": 100, "cure": "hunmin eval", **values}
    )


def test_a_fair_judge_finds_the_better_model_and_nothing_is_asked_twice(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    with serving(fair) as served:
        found = judged(run, served.url)
        assert len(served.bodies) == 8  # four pairs that differ, in both orders
        again = judged(run, served.url)
        assert len(served.bodies) == 8
    overall = found["criteria"]["overall"]
    assert (overall["n"], overall["tuned"], overall["base"], overall["ties"]) == (6, 4, 0, 2)
    assert overall["win_rate"]["value"] == pytest.approx(100 * 5 / 6)
    assert (found["pairs"], found["equal"], found["unread_replies"], found["unjudged_pairs"]) == (6, 2, 0, 0)
    assert found["tokens"] == {"prompt": 800, "answer": 160}
    assert {task: one["n"] for task, one in found["tasks"].items()} == {"chat": 3, "qa": 3}
    assert found["requests"] == {"all": 8, "asked_now": 8}
    assert again == found | {"requests": {"all": 8, "asked_now": 0}}
    assert json.loads((run / "judge" / "results.json").read_text()) == again
    manifest = verify(run / "judge", cure="")
    assert (manifest.stage, manifest.parents) == ("judge", {"eval": "e"})


def test_a_judge_that_likes_the_first_one_decides_nothing(tmp_path: Path) -> None:
    first = json.dumps(dict.fromkeys(CRITERIA, "A"))
    with serving(lambda body, number: Answer(first)) as served:
        overall = judged(write_run(tmp_path), served.url)["criteria"]["overall"]
    assert (overall["tuned"], overall["base"], overall["disagreed"], overall["first_preferred"]) == (
        0,
        0,
        4,
        100,
    )
    assert overall["win_rate"]["value"] == 50


def test_replies_that_cannot_be_read_are_counted_and_left_out(tmp_path: Path) -> None:
    def mumbling(body: dict[str, Any], number: int) -> Answer:
        return (
            Answer("the second one, I think")
            if "물음 5" in body["messages"][1]["content"]
            else fair(body, number)
        )

    with serving(mumbling) as served:
        found = judged(write_run(tmp_path), served.url)
    assert (found["unread_replies"], found["unjudged_pairs"], found["criteria"]["overall"]["n"]) == (2, 1, 5)


def test_what_was_answered_before_a_failure_is_kept(tmp_path: Path) -> None:
    run = write_run(tmp_path)

    def failing(body: dict[str, Any], number: int) -> Answer:
        return fair(body, number) if number < 3 else Answer(status=500)

    with serving(failing) as served, pytest.raises(EnvironmentFailure, match="HTTP 500"):
        judged(run, served.url)
    url = served.url
    assert load_manifest(run / "judge") is None
    kept = len((run / "judge" / "replies.jsonl").read_text().splitlines())
    assert kept == 3
    with serving(fair) as served:
        # The cache is of the endpoint that gave the replies: another port is another judge.
        lines = (run / "judge" / "replies.jsonl").read_text()
        found = judged(run, served.url)
    assert url != served.url
    assert found["requests"]["asked_now"] == 8
    assert (run / "judge" / "replies.jsonl").read_text().startswith(lines)


def test_people_stand_beside(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    (run / "human" / "pairwise").mkdir(parents=True)
    names = [f"src:a.json:{index}.0/0" for index in range(6)]
    key = {"item_id": [f"i{index}" for index in range(6)], "sample_id": names}
    pq.write_table(pa.table(key), run / "human" / "pairwise" / "key.parquet")
    ratings = {
        "mode": ["pairwise"] * 4 + ["absolute"],
        "item_id": ["i2", "i2", "i3", "i4", "i5"],
        "criterion": ["overall"] * 5,
        "value": [1, 1, -1, 1, 5],
    }
    pq.write_table(pa.table(ratings), run / "human" / "ratings.parquet")
    with serving(fair) as served:
        people = judged(run, served.url)["people"]
    assert set(people) == {"overall"}
    assert (people["overall"]["n"], people["overall"]["agreed"]) == (3, pytest.approx(200 / 3))


def test_labels_need_no_judge(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no pair of answers to judge \(6 samples are of label tasks"):
        judged(write_run(tmp_path, label="긍정"), "http://127.0.0.1:9/v1")


def test_as_many_of_each_task_are_drawn(tmp_path: Path) -> None:
    with serving(fair) as served:
        found = judged(write_run(tmp_path, num=9), served.url, samples=4)
    assert {task: one["n"] for task, one in found["tasks"].items()} == {"chat": 2, "qa": 2}


def test_a_local_model_answers_through_the_engine(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eval.judge.askers.MAX_TOKENS", 8)
    asker = LocalAsker(model_folder)
    requests = [[{"role": "user", "content": text}] for text in ("안녕하세요", "오늘 날씨가 참 좋네요.")]
    replies = dict(asker.ask(requests))
    assert sorted(replies) == [0, 1]
    assert all(reply.prompt_tokens > 0 and reply.answer_tokens <= 8 for reply in replies.values())
    assert len(asker.identity["sha256"]) == 64
    with pytest.raises(InputError, match="judge with a model of a longer context"):
        list(asker.ask([[{"role": "user", "content": "길다 " * 600}]]))
