"""The page: golden, safe, whole; and what the stage refuses."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from golden_files import check_golden
from report_run import HOSTILE, LONG_ANSWER, RunSpec, family, sample, small_run, write_run

from eval.config import REPORT_STAGE_VERSION
from eval.report import report
from eval.report.sections import answers, corpus, results, training
from eval.report.sections import formatting as text_module
from hunmin import artifact
from hunmin.errors import ArtifactError
from hunmin.stage import Inputs

GOLDEN = Path(__file__).parent / "golden" / "index.html"
VOID = {"meta", "link", "br", "img", "input", "hr", "col"}

Change = Callable[[RunSpec], None]


class Outline(HTMLParser):
    """Checks that tags are balanced; collects texts, scripts, titles of figures, ids and references."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.refs: list[str] = []
        self.texts: list[str] = []
        self.figure_titles: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.refs += (found.get("aria-labelledby") or "").split()
        self.refs += (found.get("aria-describedby") or "").split()
        self.refs += [href[1:]] if (href := found.get("href") or "").startswith("#") else []
        assert not {"src", "onerror", "onclick", "onload"} & set(found), (tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()} closes another element"

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self.open[-2:] == ["svg", "title"]:
            self.figure_titles.append(data)


def inputs_of(parents: dict[str, str]) -> Inputs:
    return Inputs(REPORT_STAGE_VERSION, parents, "f" * 64)


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


@pytest.fixture
def build_page(tmp_path: Path) -> Callable[..., str]:
    """Write the small run, changed, and build its page."""

    def built(change: Change | None = None, folder: str = "run") -> str:
        spec = small_run()
        if change is not None:
            change(spec)
        run_dir = tmp_path / folder
        parents = write_run(run_dir, spec)
        page, _ = report.render(report.read_contents(run_dir, parents), "감성과 번역")
        return page

    return built


def test_page_equals_golden(build_page: Callable[..., str]) -> None:
    check_golden(GOLDEN, build_page())


def test_two_folders_give_equal_bytes(build_page: Callable[..., str]) -> None:
    assert build_page(folder="one") == build_page(folder="other/two")


def test_html_is_balanced_and_self_contained(build_page: Callable[..., str]) -> None:
    page = build_page()
    found = outline(page)
    assert not {"link", "img", "iframe", "object"} & set(found.tags)
    assert "url(" not in page
    assert "@import" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert len(found.ids) == len(set(found.ids))
    assert set(found.refs) <= set(found.ids)


def test_only_our_script_and_style_may_run(build_page: Callable[..., str]) -> None:
    page = build_page()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    for kind in ("script", "style"):
        (inline,) = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in html.unescape(policy)
    assert "default-src 'none'" in html.unescape(policy)
    assert " style=" not in page  # the policy would refuse it


def test_figures_lie_beside_the_page_as_png(tmp_path: Path) -> None:
    manifest = report.run(run_dir=tmp_path, name="a", inputs=inputs_of(write_run(tmp_path, small_run())))
    listed = [entry.path for entry in manifest.files]
    page = (tmp_path / "report" / "index.html").read_text()
    drawn = re.findall(r'<title id="fig-(.*?)-title">', page)
    pictures = [f"figures/{name}.png" for name in drawn]
    assert sorted(listed) == sorted(["index.html", "model_card.md", *pictures])
    assert "figures/loss.png" in listed
    assert "figures/scores-01-percent.png" in listed  # of a task with a Korean name
    assert "figures/scores-02-translation-percent.png" in listed
    for name in pictures:
        assert (tmp_path / "report" / name).read_bytes().startswith(b"\x89PNG")


def test_every_figure_has_a_title(build_page: Callable[..., str]) -> None:
    found = outline(build_page())
    # lengths twice; loss, task loss; all scores; percent and ratio of one task, percent of two
    assert found.tags.count("figure") == len(found.figure_titles) == 9
    assert all(found.figure_titles)


def test_text_from_outside_is_escaped(build_page: Callable[..., str]) -> None:
    def attack(spec: RunSpec) -> None:
        spec.stats["sources"][f"s{HOSTILE}"] = spec.stats["sources"].pop("chat")
        spec.stats["tasks"][f"t{HOSTILE}"] = spec.stats["tasks"].pop("chat")
        spec.scores["tasks"][f"t{HOSTILE}"] = spec.scores["tasks"].pop("chat")
        spec.scores["models"]["base"]["path"] = f'"><p>{HOSTILE}'
        spec.scores["tasks"]["감성"]["metrics"][f"m{HOSTILE}"] = spec.scores["tasks"]["감성"]["metrics"][
            "accuracy"
        ]
        spec.metrics[-1]["samples"][0] |= {"prompt": f"p{HOSTILE}", "answer": f"a{HOSTILE}"}
        spec.metrics[-2]["tasks"][f"v{HOSTILE}"] = 1.0
        spec.samples.append(sample("x:y:0.0/0", "tuned", "감성", prompt=HOSTILE, answer=HOSTILE * 20))
        spec.config += f"# {HOSTILE}\n"

    page = build_page(attack)
    found = outline(page)
    assert page.count("<script") == 1
    assert "<b>굵게" not in page
    assert "<img" not in page
    text = "".join(found.texts)
    for prefix in ("s", "t", "m", "v", '"><p>', "# "):
        assert prefix + HOSTILE in text
    assert HOSTILE * 20 in text


def test_hangul_arrives_unbroken(build_page: Callable[..., str]) -> None:
    found = outline(build_page())
    assert LONG_ANSWER in found.texts  # whole, in one element, though folded
    assert "다음 감상은 긍정인가 부정인가?\n정말 재미있게 봤어요 👍🏽" in found.texts
    assert "다들 안녕하세요." in found.texts


def test_korean_text_is_marked_korean(build_page: Callable[..., str]) -> None:
    page = build_page()
    assert '<div class="text" lang="ko">여러분, 좋은 아침입니다.</div>' in page
    assert '<div class="text" lang="en">I am a model.' in page
    assert '<h1 id="summary-heading"><span lang="ko">감성과 번역</span></h1>' in page


def test_baseline_answers_are_not_shown(build_page: Callable[..., str]) -> None:
    assert "다수 답은 쪽에 없다" not in build_page()


def test_no_heldout_rows(build_page: Callable[..., str]) -> None:
    def empty(spec: RunSpec) -> None:
        spec.scores["tasks"], spec.samples[:], spec.scores["goals"] = {}, [], []

    page = build_page(empty)
    outline(page)
    assert "nothing was asked and nothing scored" in page
    assert "there are no answers to show" in page


def test_no_validation_rows(build_page: Callable[..., str]) -> None:
    def empty(spec: RunSpec) -> None:
        spec.metrics[:] = [line for line in spec.metrics if line["kind"] == "train"]
        spec.train_counts |= {"best_step": None, "best_val_loss": None}
        del spec.stats["splits"]["val"]

    page = build_page(empty)
    assert "There are no validation rows" in page
    assert outline(page).figure_titles.count("Loss over steps") == 1
    assert "Validation loss per task" not in page


def test_caveat_only_for_a_model_from_scratch(build_page: Callable[..., str]) -> None:
    def pretrained(spec: RunSpec) -> None:
        spec.config = "model: {path: org/model-1b, from_scratch: null}\n"

    assert "a small corpus, not a language" in build_page(folder="scratch")
    page = build_page(pretrained, folder="pretrained")
    assert "a small corpus, not a language" not in page
    assert "org/model-1b" in page


def test_goals_come_first_with_what_they_needed_and_got(build_page: Callable[..., str]) -> None:
    def nothing_asked(spec: RunSpec) -> None:
        goal = spec.scores["goals"][0]
        goal |= {"unit": "", "n": 0, "tuned": None, "rivals": {}, "met": False}

    page = build_page()
    text = re.sub(r"\s+", " ", "".join(outline(page).texts)).replace(text_module.NBSP, " ")
    assert page.index("Goals of the config: 1 of 2 met") < page.index('<dl class="facts">')
    assert "✓ Met 감성, accuracy (%): 85.0 on 20 held-out answers" in text
    assert "Needed: +15.0 points or more over each of these" in text
    assert "over majority answer+35.0 ✓+20.0 to +50.0" in text
    assert "✗ Missed translation, bleu (%): 3.2 on 10 held-out answers" in text
    assert "Needed: a score above each over" not in text
    assert "on 100 answers or more; there were 10." in text
    assert "over base+2.8 ✗−0.5 to +7.0" in text
    assert "nothing was asked" in build_page(nothing_asked, folder="nothing")


def test_scores_without_goals_have_no_goals(build_page: Callable[..., str]) -> None:
    def old(spec: RunSpec) -> None:
        del spec.scores["goals"]

    assert "Goals" not in build_page(old)


def test_an_undefined_metric_and_its_tokenizer_are_named(build_page: Callable[..., str]) -> None:
    page = build_page()
    assert "Not defined on some samples (a text too short, or no right label): bleu on 1 of 10." in page
    assert "bleu (%)<small>ko-mecab</small>" in page


def test_few_answers_give_no_verdict(build_page: Callable[..., str]) -> None:
    def few(spec: RunSpec) -> None:
        for task in ("감성", "chat"):
            for metric in spec.scores["tasks"][task]["metrics"].values():
                metric["n"] = 3
        only = spec.scores["tasks"]["chat"]["metrics"]["chrf"]
        only |= {"n": 1, "delta": {"value": -3.0, "low": None, "high": None}}

    page = build_page(few, folder="few")
    outline(page)
    assert '−3.0<small> <span class="unclear">unclear</span></small>' in page


def test_above_every_baseline_only_by_paired_intervals(build_page: Callable[..., str]) -> None:
    def close(spec: RunSpec) -> None:
        over = spec.scores["tasks"]["translation"]["metrics"]["bleu"]["over"]
        over["copy"] |= {"low": -0.5}  # 2.1 points above, which may be chance

    def old(spec: RunSpec) -> None:
        for task in spec.scores["tasks"].values():
            for metric in task["metrics"].values():
                metric.pop("over", None)

    told = "Better than no model?</a></dt><dd>on {} of 3 tasks<small>above every trivial baseline"
    assert told.format(2) in build_page()
    assert told.format(1) in build_page(close, folder="close")
    assert "Better than no model?" not in build_page(old, folder="old")


def test_what_was_not_asked_is_told(build_page: Callable[..., str]) -> None:
    def left_out(spec: RunSpec) -> None:
        spec.skipped |= {"too_long": 1_200, "prompt_too_long": 3}
        spec.config += "eval: {max_samples_per_task: 500}\n"

    def nothing_asked(spec: RunSpec) -> None:
        left_out(spec)
        spec.scores["tasks"], spec.samples[:], spec.scores["goals"] = {}, [], []

    told = "Held-out samples that could not be asked: prompt_too_long 3, too_long 1,200. Of each task at most"
    limit = "at most 500 samples were drawn to be asked (<code>eval.max_samples_per_task</code>)."
    page = build_page()
    assert "All 4 held-out samples that were asked" in page
    assert "could not be asked" not in page
    assert "to be asked" not in page
    page = build_page(left_out, folder="left_out")
    assert told in page
    assert limit in page
    page = build_page(nothing_asked, folder="nothing_asked")
    outline(page)
    assert told in page
    assert "There are no held-out rows" not in page


def test_the_rule_of_the_draw_is_told_with_its_numbers(
    build_page: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def many(spec: RunSpec) -> None:
        for index in range(30):
            spec.samples.append(sample(f"more:a:{index}.0/0", "tuned", "감성"))

    monkeypatch.setattr(answers, "MAX_PER_TASK", 10)
    page = build_page(many)
    assert "12 of the 34 held-out samples that were asked, at most 10 of a task." in page
    assert "the first 6 by the hash of their ids, whatever their scores; of the rest up to 2 each" in page


def text_of(page: str) -> str:
    return "".join(outline(page).texts)


def test_the_rule_that_picked_the_export_is_told(build_page: Callable[..., str]) -> None:
    def by_task(spec: RunSpec) -> None:
        spec.config += "train: {best_by: 감성}\n"
        spec.export_rule = "lowest validation loss of 감성"
        spec.train_counts |= {"best_step": 40, "best_val_loss": 1.25, "export_step": 40}

    text = text_of(build_page())
    assert "exported: step 20, lowest validation loss" in text
    assert "Best validation loss2.875" in text
    text = text_of(build_page(by_task, folder="by_task"))
    assert "exported: step 40, lowest validation loss of 감성" in text
    assert "Exported: step 40, lowest validation loss of 감성." in text
    assert "Best validation loss of 감성1.250nats per answer token, step 40" in text
    assert "Validation loss over all tasks lowest at step 20: 2.875. Exported: step 40." in text


def test_better_and_worse_say_by_what(build_page: Callable[..., str]) -> None:
    page = build_page()
    assert '<span class="badge better">▲ better by tuning: accuracy +100.0</span>' in page
    assert "by the first of a task's metrics that scores both answers (accuracy), tuned minus base" in page


def test_the_engine_and_the_age_of_the_config_are_told(build_page: Callable[..., str]) -> None:
    def old(spec: RunSpec) -> None:
        del spec.scores["engine"]

    page = build_page()
    assert "Models that answered, run by hf in float32; seed 7" in page
    assert "The run's config (as of this report)" in page
    assert "Models that answered; seed 7" in build_page(old, folder="old")


def test_a_control_character_in_a_task_name_is_drawn(tmp_path: Path) -> None:
    spec = small_run()
    spec.scores["tasks"]["감\x0b성"] = spec.scores["tasks"].pop("감성")
    parents = write_run(tmp_path, spec)
    report.run(run_dir=tmp_path, name="a", inputs=inputs_of(parents))
    assert (tmp_path / "report" / "figures" / "scores.png").exists()


def test_a_family_in_two_splits_is_told(build_page: Callable[..., str]) -> None:
    def leak(spec: RunSpec) -> None:
        spec.heldout[0]["family_id"] = family(0)  # a train row's

    assert "; no family is in two splits." in build_page()
    page = build_page(leak, folder="leak")
    assert "no family is in two splits" not in page
    assert "; 1 family is in more than one split." in page


def test_renderings_left_out_are_told(build_page: Callable[..., str]) -> None:
    def whole(spec: RunSpec) -> None:
        spec.stats["unrendered"] = {}

    told = "Some kept train rows are missing from an epoch"
    page = build_page()
    assert told in page
    assert "was refused: too_long 3 times, no_trained_tokens 1 time." in page
    assert told not in build_page(whole, folder="whole")


def test_every_value_of_a_section_is_on_the_page(tmp_path: Path) -> None:
    spec = small_run()
    inputs = report.read_contents(tmp_path, write_run(tmp_path, spec))
    sections = {
        "summary": results.summary(inputs.config, inputs.manifests, inputs.stats, inputs.scores),
        "corpus": corpus.section(inputs.stats, ledger=inputs.ledger, heldout=inputs.heldout),
        "training": training.section(
            inputs.train_metrics, inputs.val_metrics, inputs.sample_metrics, inputs.stats, export_step=20
        ),
    }
    template = "".join(path.read_text() for path in Path(report.__file__).parent.glob("*.html.j2"))
    named = {f"{name}.{key}" for name, section in sections.items() for key in section}
    assert {name for name in named if not re.search(rf"\b{re.escape(name)}\b", template)} == set()


def test_what_each_task_took_and_answers_on_the_way(build_page: Callable[..., str]) -> None:
    def old(spec: RunSpec) -> None:
        spec.metrics[:] = [line for line in spec.metrics if line["kind"] != "samples"]
        for line in spec.metrics:
            for key in ("tasks", "skipped", "model_flops", "mfu", "busy_s", "time_left_s"):
                if line["kind"] == "train":
                    del line[key]

    page = text_of(build_page()).replace("\N{NO-BREAK SPACE}", " ")
    assert "감성30.2 %25.0 %" in page
    assert "Arithmetic17.5 GFLOP/s" in page
    assert "Skipped updates1" in page
    assert "감성: 다음 문장의 감성을 분류하세요: 아주" in page
    before = text_of(build_page(old, folder="old"))
    assert "Arithmetic" not in before
    assert "answered on the way" not in before


def test_versions_that_differ_are_shown_by_stage(build_page: Callable[..., str]) -> None:
    def moved(spec: RunSpec) -> None:
        spec.versions["eval"] = {"torch": "2.14.0"}

    page = build_page(moved)
    assert '<th scope="row">torch</th><td>2.13.0</td><td>2.13.0</td><td>2.14.0</td>' in page


def test_manifest_is_last_and_verifies(tmp_path: Path) -> None:
    parents = write_run(tmp_path, small_run())
    first = report.run(run_dir=tmp_path, name="a", inputs=inputs_of(parents))
    assert artifact.verify(tmp_path / "report", cure="") == first
    again = report.run(run_dir=tmp_path, name="a", inputs=inputs_of(parents))
    assert again.content_sha256 == first.content_sha256
    assert first.parents == parents


def test_refuses_an_unfinished_stage(tmp_path: Path) -> None:
    parents = write_run(tmp_path, small_run())
    (tmp_path / "eval" / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match=r"eval: no manifest\.json.*hunmin eval"):
        report.run(run_dir=tmp_path, name="a", inputs=inputs_of(parents))
    assert not (tmp_path / "report").exists()


def test_refuses_a_changed_file(tmp_path: Path) -> None:
    parents = write_run(tmp_path, small_run())
    path = tmp_path / "eval" / "scores.json"
    path.write_bytes(path.read_bytes().replace(b"85.0", b"95.0"))
    with pytest.raises(ArtifactError, match=r"scores\.json: sha256 .* differs"):
        report.run(run_dir=tmp_path, name="a", inputs=inputs_of(parents))


def test_refuses_another_stage_than_its_parents_name(tmp_path: Path) -> None:
    parents = write_run(tmp_path, small_run()) | {"train": "0" * 64}
    with pytest.raises(ArtifactError, match=r"train: content .* is not the 000000000000"):
        report.run(run_dir=tmp_path, name="a", inputs=inputs_of(parents))


def test_a_broken_metrics_line_is_named(tmp_path: Path) -> None:
    parents = write_run(tmp_path, small_run())
    with (tmp_path / "train" / "metrics.jsonl").open("a") as handle:
        handle.write('{"kind": "train", "st')
    with pytest.raises(ArtifactError, match=r"metrics\.jsonl, line 47: not JSON") as caught:
        report.run(run_dir=tmp_path, name="a", inputs=inputs_of(parents))
    config = tmp_path / "config.yaml"
    assert str(caught.value).endswith(
        f"delete {tmp_path / 'train'} and run: hunmin train {config} --run {tmp_path}"
    )


def test_a_step_written_twice_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(
        '{"kind":"train","step":2,"loss":9}\n{"kind":"train","step":1,"loss":3}\n' * 1
        + '{"kind":"train","step":2,"loss":1}\n'
    )
    assert [(line["step"], line["loss"]) for line in report.read_metrics(path)] == [(1, 3), (2, 1)]


def test_files_it_does_not_read_are_not_hashed(tmp_path: Path) -> None:
    parents = write_run(tmp_path, small_run())
    path = tmp_path / "train" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"].append(
        {"path": "export/model.safetensors", "bytes": 1, "rows": None, "sha256": "0" * 64}
    )
    artifact.write_json(path, manifest)
    report.run(run_dir=tmp_path, name="a", inputs=inputs_of(parents))
    with pytest.raises(ArtifactError, match=r"model\.safetensors: missing"):
        artifact.verify(tmp_path / "train", cure="")
