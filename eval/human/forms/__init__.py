"""The files that raters are handed, and what they hand back.

A form is written in every kind of WRITERS, and a rater takes the one that suits; what comes back is read by
the reader of its suffix. Readers give lines as they stand in the file; whether they are right is judged in
`eval/human/returned.py`.
"""

from collections.abc import Callable

from eval.human.forms import form_csv, form_xlsx, rating_page
from eval.human.forms.form_table import Returned
from eval.human.study.blinding import Form

WRITERS: dict[str, Callable[[Form], bytes]] = {
    ".csv": form_csv.write,
    ".xlsx": form_xlsx.write,
    ".html": rating_page.write,
}
READERS: dict[str, Callable[[bytes], Returned]] = {
    ".csv": form_csv.read,
    ".xlsx": form_xlsx.read,
    ".json": rating_page.read,
}
