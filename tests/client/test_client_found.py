"""Which files an archive holds: folders, patterns, lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweepnet import InvalidInput, NotFound
from sweepnet.batch import found, listed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Recordings and pictures by their names, and what is neither."""
    place = tmp_path / "calls"
    (place / "inner").mkdir(parents=True)
    names = ("0.wav", "1.wav", "2.wav", "3.wav", "text.wav", "text.png", "notes.txt")
    for name in (*names, "inner/two.flac", "inner/grey.PNG"):
        (place / name).touch()
    return place


def test_lists_name_files_in_three_ways(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x.wav\n\n/y, z.wav\r\n")
    (tmp_path / "b.csv").write_text('label,file\nwelcome,"x,1.wav"\n,y.wav\n')
    (tmp_path / "c.jsonl").write_text('{"path": "x.wav"}\n{"source": "y.wav", "n": 1}\n')

    assert listed(tmp_path / "a.txt") == [str(tmp_path / "x.wav"), "/y, z.wav"]
    assert listed(tmp_path / "b.csv") == [str(tmp_path / "x,1.wav"), str(tmp_path / "y.wav")]
    assert listed(tmp_path / "c.jsonl") == [str(tmp_path / "x.wav"), str(tmp_path / "y.wav")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"RIFF\0\0", "is no text"),
        (b"file,label\n,one\n", "line 2: no file is named"),
        (b'{"name": "x.wav"}\n', "line 1: got"),
        (b'{"file": "x.wav"}\nnot json\n', "line 2: got"),
    ],
)
def test_lists_that_are_none_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(InvalidInput, match=words):
        listed(tmp_path / "list")


def test_a_table_without_a_column_of_files_is_refused(tmp_path: Path) -> None:
    """Each of its lines was taken for a file's name."""
    (tmp_path / "list.csv").write_text("name,label\nx.wav,welcome\n")
    with pytest.raises(InvalidInput, match=r"its columns are name, label; expected one named file"):
        listed(tmp_path / "list.csv")


def test_folders_and_patterns_stand_for_files_each_once(folder: Path) -> None:
    audio = found([folder], "audio")
    assert [Path(each).name for each in audio] == [
        *("0.wav", "1.wav", "2.wav", "3.wav", "two.flac", "text.wav"),
    ]
    assert found([folder / "**" / "*.flac", folder / "inner" / "two.flac", folder], "audio") == [
        str(folder / "inner" / "two.flac"),
        *(each for each in audio if not each.endswith("flac")),
    ]
    assert found(["missing.wav"]) == ["missing.wav"]
    with pytest.raises(NotFound, match="no file matches"):
        found([folder / "*.mp3"])
    empty = folder.parent / "no_calls"
    empty.mkdir(exist_ok=True)
    with pytest.raises(NotFound, match="no picture in this folder"):
        found([empty], "picture")
