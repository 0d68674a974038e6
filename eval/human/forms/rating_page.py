"""The page for rating in a browser: one file, no network, which keeps its work and hands it back as JSON.

What it shows is data in the page, written by its script as text only; the script is allowed by hash alone.
"""

import json
from pathlib import Path
from typing import Any

from markupsafe import Markup

from eval.human.forms.form_table import Line, Returned, plain_reply
from eval.human.forms.rater_words import WORDS, instructions
from eval.human.study.blinding import Form
from eval.human.study.criteria import REPLIES, criteria_of
from eval.report.html_page import render_page
from hunmin.errors import InputError

FOLDER = Path(__file__).parent
FORMAT = "hunmin-ratings"  # of the JSON file that the page saves


def write(form: Form) -> bytes:
    """The page of a form; it can be read in both languages and opens in the form's."""
    page = render_page(
        "rating_page.html.j2",
        folder=FOLDER,
        css=(FOLDER / "rating_page.css").read_text(encoding="utf-8"),
        title=WORDS[form.language]["title"],
        language=form.language,
        data=Markup(embedded(_data(form))),
        rating_script=Markup((FOLDER / "rating_page.js").read_text(encoding="utf-8")),
    )
    return page.encode()


def _data(form: Form) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "name": form.name,
        "mode": form.mode,
        "language": form.language,
        "replies": REPLIES[form.mode],
        "criteria": [
            {"name": one.name, "title": one.title, "asks": one.asks} for one in criteria_of(form.mode)
        ],
        "instructions": {language: instructions(form.mode, language, in_table=False) for language in WORDS},
        "items": [
            {"id": item.item_id, "prompt": [part._asdict() for part in item.prompt], "answers": item.answers}
            for item in form.items
        ],
    }


def embedded(value: Any) -> str:
    """JSON that ends no script element, whatever texts it holds."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")


def read(data: bytes) -> Returned:
    """What the page saved.

    Raises:
        InputError: it is another JSON file, or none.
    """
    try:
        saved = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not a JSON file ({error}); save it from the page again") from error
    if not isinstance(saved, dict) or saved.get("format") != FORMAT:
        raise InputError("not what the rating page saves; open the page and save from there")
    form, ratings = saved.get("form"), saved.get("ratings")
    if not isinstance(ratings, list) or not all(isinstance(rating, dict) for rating in ratings):
        raise InputError("its ratings are no list of objects; save it from the page again")
    return Returned([_line(number, form, rating) for number, rating in enumerate(ratings, start=1)], [])


def _line(number: int, form: Any, rating: dict[str, Any]) -> Line:
    told = {name: str(value) for name, value in rating.items() if value not in (None, "")}
    item, note = told.pop("id", ""), told.pop("note", "")
    return Line(
        f"rating {number}", f"{form}.{item}", {name: plain_reply(text) for name, text in told.items()}, note
    )
