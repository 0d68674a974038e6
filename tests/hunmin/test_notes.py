"""Notes vouch for files: whatever became of these, or of the note, is told."""

from pathlib import Path

import pytest
from damage import damaged

from hunmin.notes import read_note, remove_if_damaged, vouch_for, write_note


def test_every_damage_to_a_file_or_its_note_is_told(tmp_path: Path) -> None:
    file, note = tmp_path / "parts" / "a", tmp_path / "notes" / "a.json"
    for path, content in ((file, b"0123456789"), (note, b"")):
        path.parent.mkdir()
        path.write_bytes(content)
    write_note(note, [file], {"rows": 3})
    assert read_note(note) == ({"rows": 3}, [])
    for path in (file, note):
        sound = path.read_bytes()
        for data in damaged(sound, every=1):
            path.write_bytes(data)
            said, faults = read_note(note)
            assert faults or said == {"rows": 3}, "white space"
            assert faults or path == note
        path.write_bytes(sound)
    file.unlink()
    assert read_note(note)[1] == [f"{file}: missing, though a.json lists it"]


def test_a_damaged_folder_is_removed_once_and_one_without_a_note_believed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "weights").write_bytes(b"01")
    remove_if_damaged(folder, stage="train")
    vouch_for(folder)
    vouch_for(folder)
    remove_if_damaged(folder, stage="train")
    assert capsys.readouterr().out == ""
    (folder / "weights").write_bytes(b"00")
    vouch_for(folder)  # never of what was changed
    remove_if_damaged(folder, stage="train")
    assert not folder.exists()
    assert "weights: sha256" in capsys.readouterr().out
    folder.mkdir()
    remove_if_damaged(folder, stage="train")
    assert folder.exists()
