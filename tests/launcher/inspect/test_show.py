"""`hunmin show`: the mask in colour, in brackets, as a page and as JSON, and what is said to wrong input."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import pyarrow.parquet as pq
import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from hunmin.models.tokenizer import load_tokenizer
from hunmin.readable import Kind, Part
from hunmin.schema import IGNORE_INDEX
from hunmin.shards import read_shards
from launcher.cli import app
from launcher.inspect.token_marks import PART_STYLES, part_text, running_text, token_lines, visible
from launcher.inspect.tokens import TokenGroup

Run = Path


def show(run: Run, *args: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["show", str(run), *map(str, args)])
    return done.exit_code, done.stdout, done.stderr


def shown_json(run: Run, *args: object) -> Any:
    code, out, err = show(run, *args, "--json")
    assert code == 0, err
    return json.loads(out)


def trained_answers(run: Run, number: int) -> list[str]:
    """The trained text of each segment of a pack of epoch 0, decoded by transformers."""
    tokenizer = load_tokenizer(run / "data" / "tokenizer")
    pack = read_shards(run / "data" / "train")[0].slice(number, 1).to_pylist()[0]
    texts, start = [], 0
    for length in pack["seq_lengths"]:
        labels = [label for label in pack["labels"][start : start + length] if label != IGNORE_INDEX]
        texts.append(str(tokenizer.decode(labels)))
        start += length
    return texts


def ledger(run: Run, **wanted: object) -> list[dict[str, Any]]:
    lines = pq.read_table(run / "data" / "rows.parquet").to_pylist()
    return [line for line in lines if all(line[name] == value for name, value in wanted.items())]


def test_brackets_stand_around_what_is_trained(inspected_run: Run) -> None:
    for number in range(5):
        code, out, err = show(inspected_run, "--pack", number)
        assert code == 0, err
        assert "\x1b" not in out
        # Behind the legend, which shows the brackets too.
        body = out.split("the rest is context\n", 1)[1].replace("↵\n", "\n")
        found = [re.sub("[⟨⟩]", "", text) for text in re.findall("⟦(.*?)⟧", body, re.DOTALL)]
        assert "".join(found) == "".join(trained_answers(inspected_run, number))


def test_the_first_pack_is_shown_where_none_is_named(inspected_run: Run) -> None:
    assert show(inspected_run) == show(inspected_run, "--pack", 0, "--split", "train", "--epoch", 0)
    assert "val, epoch 0, pack 0" in show(inspected_run, "--split", "val")[1]
    assert "train, epoch 1, pack 2" in show(inspected_run, "--epoch", 1, "--pack", 2)[1]


def test_colour_takes_the_place_of_brackets(inspected_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = show(inspected_run)[1]
    assert "\x1b[1;32m" in out
    assert "\x1b[1;7;32m<|im_end|>" in out
    assert "⟦" not in out
    monkeypatch.setenv("NO_COLOR", "1")
    out = show(inspected_run)[1]
    assert "⟦" in out
    assert not re.search("\x1b\\[[0-9;]*3[0-9]", out)


def test_a_row_of_several_epochs_is_shown_once_and_the_others_named(inspected_run: Run) -> None:
    line = ledger(inspected_run, split="train", epoch=0)[3]
    both = ledger(inspected_run, row_id=line["row_id"])
    assert len(both) == 2
    code, out, _ = show(inspected_run, "--row", line["row_id"])
    assert code == 0
    assert out.count("segment ") == 1
    assert f"also in train, epoch 1, pack {both[1]['pack']}" in out
    value = shown_json(inspected_run, "--row", line["row_id"])
    assert [one["epoch"] for one in value["lines"]] == [0, 1]
    assert value["shown"]["segments"][0]["row"]["row"] == line["row"]


def test_held_out_and_rejected_rows_are_told(inspected_run: Run) -> None:
    held = pq.read_table(inspected_run / "data" / "heldout.parquet").to_pylist()[0]
    out = show(inspected_run, "--row", held["row_id"])[1]
    assert "is held out" in out
    assert visible(held["messages"][-1]["content"]) in out
    assert f"reference:\n{visible(held['references'][0])}" in out
    out = show(inspected_run, "--row", "reviews:reviews.tsv:61.0")[1]
    assert "was rejected: duplicate: of reviews:reviews.tsv:0.0" in out


def test_ids_stand_in_columns_however_wide_the_signs_are(inspected_run: Run) -> None:
    ledger = pq.read_table(inspected_run / "data" / "rows.parquet").to_pylist()
    reviews = [r for r in ledger if r["source"] == "reviews" and r["split"] == "train" and r["epoch"] == 0]
    pack = ("--pack", str(reviews[0]["pack"]))
    code, out, _ = show(inspected_run, "--ids", *pack)
    assert code == 0
    lines = [line for line in out.splitlines() if re.match(r" +\d+  (trained|context)  ", line)]
    value = shown_json(inspected_run, *pack)
    groups = [group for segment in value["segments"] for group in segment["tokens"]]
    assert len(lines) == len(groups)
    assert any(len(group["ids"]) == 3 for group in groups), (
        "every review has a syllable that no other text has: three bytes"
    )
    by_segment: dict[int, set[int]] = {}
    place = 0
    for segment in value["segments"]:
        for group in segment["tokens"]:
            ids = " ".join(map(str, group["ids"]))
            assert lines[place].endswith(f"  {ids}")
            by_segment.setdefault(segment["segment"], set()).add(cell_len(lines[place]) - len(ids))
            place += 1
    assert all(len(columns) == 1 for columns in by_segment.values())


class Page(HTMLParser):
    """The tokens of a page, and whatever it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: list[dict[str, str]] = []
        self.loads: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.loads += [found[name] for name in ("src", "href") if name in found]
        self.loads += [tag] if tag in ("script", "link", "img") else []
        if "data-id" in found:
            self.tokens.append(found | {"text": ""})
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "span"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.tokens[-1]["text"] += data


def test_the_page_holds_every_token_and_loads_nothing(inspected_run: Run, tmp_path: Path) -> None:
    line = ledger(inspected_run, source="chats", split="train")[0]
    for args in (("--pack", 1), ("--row", line["row_id"])):
        path = tmp_path / "page.html"
        code, out, _ = show(inspected_run, *args, "--html", path)
        assert (code, out) == (0, f"written: {path}\n")
        page = Page()
        text = path.read_text(encoding="utf-8")
        page.feed(text)
        assert page.loads == []
        assert "url(" not in text
        value = shown_json(inspected_run, *args)
        segments = (value if "segments" in value else value["shown"])["segments"]
        groups = [group for segment in segments for group in segment["tokens"]]
        assert [one["text"].replace("↵", "") for one in page.tokens] == [one["text"] for one in groups]
        for one, group in zip(page.tokens, groups, strict=True):
            ids = " ".join(map(str, group["ids"]))
            trained = ", trained" if group["trained"] else ""
            assert one["title"] == f"position {group['position']}, id {ids}{trained}"
            assert ("t" in one.get("class", "").split()) == group["trained"]
        assert "color-scheme: light dark" in text
        assert "Noto Sans KR" in text


def test_what_would_steer_a_terminal_is_spelled_out() -> None:
    assert visible("\x1b[31m가\u202e나\r\x07") == "<U+001B>[31m가<U+202E>나<U+000D><U+0007>"
    assert visible("줄\n\t끝\u3000👩‍👩‍👧") == "줄↵\n⇥\t끝\u3000👩‍👩‍👧"


def test_special_tokens_are_told_from_their_text() -> None:
    groups = [
        TokenGroup(0, (9,), "<|im_end|>", False, False),
        TokenGroup(1, (3,), "<|im_end|>", True, True),
    ]
    assert running_text(groups, colour=False).plain == "<|im_end|>⟦⟨<|im_end|>⟩⟧"
    text, special = token_lines(groups, colour=False)
    assert "⟨" not in text.plain
    assert "⟨<|im_end|>⟩" in special.plain


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--pack", "999"], r"train, epoch 0 has packs 0 to \d+; there is no pack 999"),
        (["--epoch", "5"], "train has epochs 0 to 1; there is no epoch 5"),
        (
            ["--row", "sums:sums.jsonl:99.0"],
            r"no row sums:sums.jsonl:99.0; the nearest is sums:sums.jsonl:30.0",
        ),
        (["--row", "sum:sums.jsonl:3.0"], "the nearest is sums:sums.jsonl:3.0"),
        (["--row", "sums:sums.jsonl:3.0", "--pack", "1"], "--pack and --row: name one of them"),
        (["--html", "no/such/folder/page.html"], "cannot be written"),
        (["--html", "."], "cannot be written"),
    ],
)
def test_wrong_arguments_are_one_line(inspected_run: Run, args: list[str], said: str) -> None:
    code, out, err = show(inspected_run, *args)
    assert (code, out) == (2, "")
    assert re.search(said, err)
    assert len(err.splitlines()) == 1


def test_wrong_runs_are_one_line(inspected_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half" / "data").mkdir(parents=True)
    (tmp_path / "half" / "config.yaml").write_text("name: half\n")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    monkeypatch.setenv("HUNMIN_RUNS", str(tmp_path))
    for name, said in (
        ("half", "the data stage is not finished; run: hunmin data "),
        ("model", "a model folder, not a run"),
        (str(inspected_run / "data"), "not a run folder"),
        ("hal", "did you mean"),
    ):
        code, out, err = show(Path(name))
        assert (code, out) == (2, "")
        assert said in err
        assert len(err.splitlines()) == 1


def test_thoughts_calls_and_results_have_their_own_colours() -> None:
    parts = [Part("user", "날씨?"), Part("thought", "음"), Part("call", "f({})"), Part("tool", "맑음")]
    shown = [part_text(part) for part in parts]
    assert [text.plain for text in shown] == ["user:\n날씨?", "thought:\n음", "call:\nf({})", "tool:\n맑음"]
    assert str(shown[1].spans[-1].style) == PART_STYLES["thought"]
    assert set(PART_STYLES) == set(get_args(Kind))
    assert len(set(PART_STYLES.values())) == len(PART_STYLES)
