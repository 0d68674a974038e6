"""A self-contained page: a template with style and script inside it, nothing from elsewhere."""

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from eval.report.drawing import style
from eval.report.sections import formatting, results

TEMPLATES = Path(__file__).parent


def render_page(template: str, *, folder: Path = TEMPLATES, css: str = "", **values: Any) -> str:
    """The page of a template in `folder`, which may use the report's pieces; every value is escaped.

    Args:
        css: style sheet behind that of all pages.
        values: what the template reads besides `style` and `script`.
    """
    return (
        _environment(folder)
        .get_template(template)
        .render(
            # Ours, and the only texts besides figures that are not escaped.
            style=Markup(style.page_css() + css),
            script=Markup((TEMPLATES / "page.js").read_text(encoding="utf-8")),
            **values,
        )
    )


def csp_hash(text: str) -> str:
    """What a Content-Security-Policy calls an inline script or style by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _environment(folder: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        formatting.FILTERS | {"system_name": results.system_name, "csp_hash": csp_hash}
    )
    environment.globals.update({"is_long": formatting.is_long, "lead": formatting.lead})
    return environment
