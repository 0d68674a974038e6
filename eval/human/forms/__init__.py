"""The files that raters are handed, and what they hand back.

A form is written in every kind of WRITERS, and a rater takes the one that suits; what comes back is read by
the reader of its suffix. Readers give lines as they stand in the file; whether they are right is judged in
`eval/human/returned.py`.
"""

from collections.abc import Callable

from eval.human.forms import rating_page, sheet_csv, sheet_xlsx
from eval.human.forms.sheet import Returned
from eval.human.study.blinding import Form

WRITERS: dict[str, Callable[[Form], bytes]] = {
    ".csv": sheet_csv.write,
    ".xlsx": sheet_xlsx.write,
    ".html": rating_page.write,
}
READERS: dict[str, Callable[[bytes], Returned]] = {
    ".csv": sheet_csv.read,
    ".xlsx": sheet_xlsx.read,
    ".json": rating_page.read,
}
