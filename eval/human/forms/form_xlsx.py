"""XLSX for spreadsheets: wrapped texts, replies to choose from, a guide on a sheet of its own."""

import io
import zipfile
from datetime import datetime
from typing import Any

from openpyxl import Workbook, load_workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation

from eval.human.forms.form_table import Returned, header_of, is_formula, lines_of, row_of
from eval.human.forms.rater_words import WORDS, instructions
from eval.human.study.blinding import Form
from eval.human.study.criteria import REPLIES, criteria_of
from hunmin.errors import InputError, one_line

FONT = "Malgun Gothic"  # on every Windows; elsewhere replaced by a font that has Hangul
PLAIN, BOLD = Font(name=FONT), Font(name=FONT, bold=True)
WRAPPED = Alignment(wrap_text=True, vertical="top")
FILLED = PatternFill("solid", fgColor="FFF6D5")  # the cells to fill in
WIDTHS = {"id": 14, "text": 60, "reply": 13, "note": 30}  # characters
MAX_BYTES = 2**28  # of a returned form, unpacked


def write(form: Form) -> bytes:
    """The form as a workbook; texts are texts whatever they begin with."""
    words = WORDS[form.language]
    book = Workbook()
    book.properties.created = book.properties.modified = datetime(2000, 1, 1)
    book.properties.creator = "hunmin"
    sheet: Any = book.active
    sheet.title = words["sheet"]
    sheet.append(header_of(form))
    num_criteria = len(criteria_of(form.mode))
    num_texts = sheet.max_column - num_criteria - 2
    for number, item in enumerate(form.items, start=2):
        for column, text in enumerate(row_of(form, item), start=1):
            cell = sheet.cell(number, column)
            cell.font, cell.alignment = PLAIN, WRAPPED
            if text:
                cell.value, cell.data_type = text, "s"
                if is_formula(text):
                    cell.quotePrefix = True  # stays a text when somebody edits it
            if column > 1 + num_texts:
                cell.fill = FILLED
    _lay_out(sheet, num_texts=num_texts, num_criteria=num_criteria)
    last = max(len(form.items) + 1, 2)
    choice = DataValidation(type="list", formula1=f'"{",".join(REPLIES[form.mode])}"', allow_blank=True)
    choice.showErrorMessage = True
    choice.add(f"{get_column_letter(2 + num_texts)}2:{get_column_letter(1 + num_texts + num_criteria)}{last}")
    sheet.add_data_validation(choice)
    _write_guide(book.create_sheet(words["guide"]), form)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _lay_out(sheet: Any, *, num_texts: int, num_criteria: int) -> None:
    kinds = ["id", *["text"] * num_texts, *["reply"] * num_criteria, "note"]
    for column, kind in enumerate(kinds, start=1):
        sheet.column_dimensions[get_column_letter(column)].width = WIDTHS[kind]
        head = sheet.cell(1, column)
        head.font, head.alignment = BOLD, WRAPPED
    sheet.freeze_panes = "B2"


def _write_guide(sheet: Any, form: Form) -> None:
    told = [(line, "") for line in instructions(form.mode, form.language, in_table=True)]
    told += [(one.title[form.language], one.asks[form.language]) for one in criteria_of(form.mode)]
    for row in told:
        sheet.append(row)
    for row in sheet.iter_rows():
        for cell in row:
            cell.font = PLAIN
    sheet.column_dimensions["A"].width = 24
    sheet.column_dimensions["B"].width = 60


def read(data: bytes) -> Returned:
    """The first sheet of a returned workbook.

    Raises:
        InputError: it is no workbook, too large, or no form of ours.
    """
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            if sum(part.file_size for part in parts.infolist()) > MAX_BYTES:
                raise InputError(f"unpacked it has over {MAX_BYTES >> 20} MB; that is no form of ours")
    try:
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        rows = [["" if cell is None else str(cell) for cell in row] for row in book.worksheets[0].values]
    except Exception as error:  # a damaged workbook raises whatever the part that meets it raises
        said = one_line(error)
        raise InputError(f"not an XLSX file ({said}); save it as XLSX or as CSV UTF-8") from error
    return lines_of(rows)
