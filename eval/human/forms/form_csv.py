"""CSV for spreadsheets: a byte order mark, without which Excel takes Korean for another encoding."""

import csv
import io

from eval.human.forms.form_table import ID, Returned, header_of, is_formula, lines_of, row_of
from eval.human.study.blinding import Form
from hunmin.errors import InputError

DELIMITERS = ",;\t"  # Excel saves with the one of its country


def write(form: Form) -> bytes:
    """The form; a text that would be a formula has an apostrophe before it, which makes it text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header_of(form))
    for item in form.items:
        writer.writerow([_as_text(cell) for cell in row_of(form, item)])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _as_text(cell: str) -> str:
    return f"'{cell}" if is_formula(cell) else cell


def _plain(cell: str) -> str:
    """The cell before `_as_text`, here or on the page."""
    return cell[1:] if cell.startswith("'") and is_formula(cell[1:]) else cell


def read(data: bytes) -> Returned:
    """A returned form, in any of the encodings and delimiters that spreadsheets save.

    Raises:
        InputError: it is no text, or no form of ours.
    """
    text = _decoded(data)
    first = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    if ID not in first:
        raise InputError("its first line has no column id; hand back the form with its first row as it was")
    csv.field_size_limit(2**24)
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        return lines_of([_plain(cell) for cell in row] for row in rows)
    except csv.Error as error:
        raise InputError(f"not a CSV file ({error}); save it as CSV UTF-8 or as XLSX") from error


def _decoded(data: bytes) -> str:
    for encoding in ("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "cp949"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError("neither UTF-8, UTF-16 nor CP949; save it as CSV UTF-8 or as XLSX")
