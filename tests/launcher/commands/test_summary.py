"""The last lines of a command name what there is to look at."""

from launcher.commands.summary import as_text


def test_data_ends_with_the_corpus_page() -> None:
    told = {"run": "runs/a", "seconds": {"data": 1.25}, "corpus": "runs/a/corpus.html"}
    assert as_text(told).splitlines()[-2:] == ["run:     runs/a", "corpus:  runs/a/corpus.html"]


def test_a_run_ends_with_its_report() -> None:
    told = {
        "run": "runs/a",
        "seconds": {"report": 1.0},
        "corpus": "runs/a/corpus.html",
        "report": "runs/a/r.html",
    }
    assert as_text(told).splitlines()[-1] == "report:  runs/a/r.html"
