"""Data sets of any form become one `Dataset`: folders, CSV manifests, label tracks; splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sweepnet_service.detectors.keyword.dataset import NEGATIVE, POSITIVE, Recording
from sweepnet_service.detectors.keyword.intake import (
    Dataset,
    check_tells_words,
    drawn_split,
    on_both_sides,
    read_dataset,
)
from sweepnet_service.detectors.keyword.labels import Label, labelled, read_track
from sweepnet_service.errors import InvalidInput

WHOLE = Recording(Path("x.wav"), 0.0, None, "train", "", "folder", "", "", label=NEGATIVE)


def sound(path: Path, seconds: float = 1.0, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * 16_000))
    soundfile.write(path, noise, 16_000)
    return path


def splits(data: Dataset) -> dict[str, str]:
    return {row.path.name: row.split for row in data.recordings}


def test_folders_tell_label_and_split(tmp_path: Path) -> None:
    for name in ("train/positive/a", "train/negative/b", "val/positive/c", "test/negative/anna/d"):
        sound(tmp_path / f"{name}.wav")
    sound(tmp_path / "train/noise/hum.wav")
    data = read_dataset(tmp_path)
    assert data.given
    assert splits(data) == {
        "a.wav": "train",
        "b.wav": "train",
        "c.wav": "validation",
        "d.wav": "test",
    }
    assert {row.path.name: row.label for row in data.recordings}["d.wav"] == NEGATIVE
    assert [row.path.name for row in data.weak("any word")] == ["a.wav", "c.wav"]
    assert [row.path.name for row in data.negative("any word")] == ["d.wav", "b.wav"]
    assert [row.path.name for row in data.part("train").noise] == ["hum.wav"]


def test_a_manifest_tells_all_in_columns(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav", 9.0)
    (tmp_path / "list.csv").write_text(
        "file,start_s,end_s,label,split,speaker,word_start_s,word_end_s,text,age\n"
        "a.wav,0,3,Happy,train,anna,1.0,1.5,a happy day,31\n"
        "a.wav,3,6,happy,dev,bob,,,,\n"
        "a.wav,6,9,,test,eve,,,they are unhappy,\n"
    )
    data = read_dataset(tmp_path / "list.csv")
    placed, weak, negative = data.recordings
    assert data.placed("happy") == [placed]
    assert placed.word_s == (1.0, 1.5)
    assert (placed.speaker, placed.age) == ("anna", "31")
    assert data.weak("happy") == [weak]
    assert weak.split == "validation"
    assert data.negative("happy") == [negative]
    assert data.negative("bed") == [placed, weak, negative]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("name\na.wav\n", r"line 1: has no column 'file' \(but name\)"),
        ("file,lable\na.wav,happy\n", "has no column 'label', but 'lable'; name it 'label'"),
        ("file,label,spilt\na.wav,happy,train\n", "has no column 'split', but 'spilt'"),
        ("file,label\na.wav,happy\nb.wav,\n", r"whether the word is in b\.wav; fill label"),
        ("file,start_s\na.wav,soon\n", "line 2: could not convert string to float: 'soon'"),
        ("file,split\na.wav,later\n", "split: got 'later'; expected one of train, validation"),
        ("file\n../a.wav\n", "leads out of the data folder"),
        ("file,label\n,happy\n", "line 2: file: got nothing"),
        ("label,file\nhappy\n", "line 2: file: got nothing"),
        *(
            (f"file,start_s,end_s\na.wav,{part}\n", "line 2: got .*; expected seconds, the start")
            for part in ("3,2", "-1,2", "nan,2", "1,inf", "1,1")
        ),
        ("file,word_start_s,word_end_s\na.wav,2,1\n", "expected seconds, the start before"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_told_by_line(
    tmp_path: Path, rows: str, words: str
) -> None:
    (tmp_path / "list.csv").write_text(rows)
    with pytest.raises(InvalidInput, match=words):
        read_dataset(tmp_path / "list.csv")


def test_bytes_that_are_no_table_are_refused(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(InvalidInput, match="not UTF-8"):
        read_dataset(tmp_path / "list.csv")


def test_a_label_track_places_words_and_the_rest_is_negative(tmp_path: Path) -> None:
    sound(tmp_path / "talk.wav", 20.0)
    (tmp_path / "talk.txt").write_text(
        "5.0\t5.6\thappy\n\\\t100.0\t3000.0\n12.0\t12.0\thappy\n18.5\t19.0\tbed\n"
    )
    data = read_dataset(tmp_path)
    first, second = data.placed("happy")
    assert first.word_s == (5.0, 5.6)
    assert (first.start_s, first.end_s) == (3.5, 7.1)
    assert second.word_s == pytest.approx((11.7, 12.3))
    assert [row.label for row in data.negative("happy")] == ["negative"] * 3 + ["bed"]


def test_an_empty_track_says_that_the_word_is_not_in_the_file(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    (tmp_path / "a.txt").write_text("")
    assert [row.label for row in read_dataset(tmp_path).recordings] == [NEGATIVE]


@pytest.mark.parametrize(
    "line", ["word", "1,5\t2\ta", "3\t2\ta", "-1\t2\ta", "nan\t2\ta", "1\tinf\ta"]
)
def test_a_line_that_is_no_label_is_told(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.txt").write_text(f"0\t1\tok\n{line}\n")
    with pytest.raises(InvalidInput, match=r"a\.txt, line 2: got .*; expected start, end"):
        read_track(tmp_path / "a.txt")


def test_a_label_past_the_end_of_its_file_is_told(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    (tmp_path / "a.txt").write_text("7\t8\thappy\n")
    with pytest.raises(InvalidInput, match=r"a label at 7 s; the file is 1\.0 s long"):
        read_dataset(tmp_path)


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0.05, 2)), max_size=8))
@example([(0.0, 2.0), (0.25, 0.125)])  # a label inside another once began a negative piece
@settings(deadline=None)
def test_pieces_of_a_track_hold_their_label_and_none_is_heard_twice_as_negative(
    drawn: list[tuple[float, float]],
) -> None:
    """Every label lies inside its recording; negative pieces touch no label and no other piece."""
    spans = sorted((start, start + length) for start, length in drawn)
    pieces = list(labelled(WHOLE, [Label(*span, "w") for span in spans], seconds=60.0))
    words = [piece for piece in pieces if piece.word_s]
    assert [piece.word_s for piece in words] == spans
    for piece in words:
        assert piece.word_s is not None
        assert piece.end_s is not None
        assert piece.start_s <= piece.word_s[0] < piece.word_s[1] <= piece.end_s <= 60.0
    others = [piece for piece in pieces if not piece.word_s]
    for piece in others:
        assert all(piece.end_s <= start or piece.start_s >= end for start, end in spans)  # type: ignore[operator]
    edges = [edge for piece in others for edge in (piece.start_s, piece.end_s)]
    assert edges == sorted(edges)  # type: ignore[type-var]


def test_what_nothing_is_told_about_is_named(tmp_path: Path) -> None:
    sound(tmp_path / "positive" / "a.wav")
    sound(tmp_path / "stray.wav")
    with pytest.raises(InvalidInput, match=r"whether the word is in stray\.wav; put such files"):
        read_dataset(tmp_path)
    with pytest.raises(InvalidInput, match="no file or folder named"):
        read_dataset(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match="holds no audio file"):
        read_dataset(tmp_path / "empty")


def test_drawn_splits_stay_when_recordings_come_and_keep_groups_together(tmp_path: Path) -> None:
    for number in range(30):
        sound(tmp_path / "positive" / f"{number}.wav", 0.3)
        sound(tmp_path / "negative" / f"voice{number % 12}" / f"{number}.wav", 0.3)
    before = read_dataset(tmp_path)
    assert not before.given
    assert set(splits(before).values()) == {"train", "validation", "test"}
    for number in range(30, 40):
        sound(tmp_path / "positive" / f"{number}.wav", 0.3)
    after = {row.path: row.split for row in read_dataset(tmp_path).recordings}
    assert all(after[row.path] == row.split for row in before.recordings)
    by_voice: dict[str, set[str]] = {}
    for row in before.recordings:
        if row.label == NEGATIVE:
            by_voice.setdefault(row.path.parent.name, set()).add(row.split)
    assert all(len(found) == 1 for found in by_voice.values())


def test_what_names_no_split_goes_where_its_voice_is(tmp_path: Path) -> None:
    """Rows without a split were drawn although anna is in test and bob in train."""
    rows = ["file,label,speaker,split", "0.wav,on,anna,test", "1.wav,on,bob,train"]
    rows += [f"{n}.wav,on,{('anna', 'bob')[n % 2]}," for n in range(2, 12)]
    rows += [f"{n}.wav,on,voice {n}," for n in range(12, 40)]
    (tmp_path / "list.csv").write_text("\n".join(rows))
    data = read_dataset(tmp_path / "list.csv")
    found = {
        name: {r.split for r in data.recordings if r.speaker == name} for name in ("anna", "bob")
    }
    assert found == {"anna": {"test"}, "bob": {"train"}}
    assert on_both_sides(data) == []


def test_a_voice_in_two_given_splits_is_named(tmp_path: Path) -> None:
    for name in ("train/positive/anna/a", "test/positive/anna/b", "test/positive/c"):
        sound(tmp_path / f"{name}.wav")
    assert on_both_sides(read_dataset(tmp_path)) == ["anna"]


def test_recordings_that_tell_of_no_word_are_refused_for_two(tmp_path: Path) -> None:
    """Each would be learnt as either word, and missed as the other."""
    sound(tmp_path / "positive" / "a.wav")
    data = read_dataset(tmp_path)
    check_tells_words(data, ["alpha"])
    with pytest.raises(InvalidInput, match=r"which of the 2 words a\.wav holds .*; take one word"):
        check_tells_words(data, ["alpha", "beta"])
    (tmp_path / "positive" / "a.txt").write_text("0.2\t0.8\talpha\n")
    check_tells_words(read_dataset(tmp_path), ["alpha", "beta"])


def test_few_recordings_are_all_learnt_from(tmp_path: Path) -> None:
    for number in range(5):
        sound(tmp_path / "positive" / f"{number}.wav", 0.3)
    assert set(splits(read_dataset(tmp_path)).values()) == {"train"}


def test_shares_of_drawn_splits() -> None:
    drawn = [drawn_split(f"group {number}") for number in range(4_000)]
    assert drawn.count("validation") / 4_000 == pytest.approx(0.15, abs=0.02)
    assert drawn.count("test") / 4_000 == pytest.approx(0.15, abs=0.02)


def test_a_recording_with_the_label_positive_holds_any_word() -> None:
    row = Recording(Path("x"), 0, 1, "train", "", "", "", "", label=POSITIVE)
    data = Dataset(Path("x"), [row])
    assert data.weak("happy") == [row]
    assert data.negative("happy") == []


@pytest.mark.needs_data
def test_the_shipped_models_data_is_a_data_set_too(data_dir: Path) -> None:
    data = read_dataset(data_dir)
    assert data.given
    assert len(data.part("train").placed("happy")) == 400
    assert not any("happy" in row.words for row in data.negative("happy"))
    assert len(data.noise) > 300
