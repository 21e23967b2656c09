"""What `sweepnet spot` writes: label tracks, clips, pictures, windows; and what it refuses to."""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sweepnet import Client, Event
from sweepnet.cli.raw import RawFormat, parsed
from sweepnet.drawing.spotted import NAME_SHARE, names
from sweepnet.drawing.thinned import Thinned

Sweepnet = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, noise: Any) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    soundfile.write(folder / "stereo.wav", noise, 16_000)
    soundfile.write(folder / "mono.flac", noise[:, 0], 16_000)
    (folder / "text.wav").write_text("this is no sound")
    (folder / "samples.raw").write_bytes((noise * 32767).astype("<i2").tobytes())
    return folder


@pytest.fixture
def spot(sweepnet: Sweepnet, server: str) -> Sweepnet:
    """`sweepnet spot` with the small detector, as JSON."""

    def run(*arguments: str | Path) -> CompletedProcess[str]:
        return sweepnet("spot", *arguments, "--server", server, "-d", "tiny", "--json")

    return run


def told(done: CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def rows(track: Path) -> list[list[str]]:
    return [line.split("\t") for line in track.read_text(encoding="utf-8").splitlines()]


def test_a_label_track_holds_every_event(spot: Sweepnet, files: Path, tmp_path: Path) -> None:
    track = tmp_path / "new" / "out.txt"
    done = spot(files / "stereo.wav", "--labels", track)

    (result,) = told(done)
    assert result["events"]
    assert [row[2] for row in rows(track)] == [event["label"] for event in result["events"]]
    for row, event in zip(rows(track), result["events"], strict=True):
        assert float(row[0]) == pytest.approx(event["start_s"], abs=1e-6)
        assert float(row[1]) == pytest.approx(event["end_s"], abs=1e-6)
    assert f"labels: {track}" in done.stderr
    assert list(track.parent.iterdir()) == [track]


def test_nothing_found_is_an_empty_track(spot: Sweepnet, files: Path, tmp_path: Path) -> None:
    spot(files / "mono.flac", "--labels", tmp_path / "out.txt", "-t", "one=1", "-t", "two=1")

    assert (tmp_path / "out.txt").read_text() == ""


def test_several_recordings_go_to_a_folder_by_name(
    spot: Sweepnet, files: Path, tmp_path: Path
) -> None:
    """One that fails leaves nothing, and the others go on."""
    out = tmp_path / "tracks"
    names = [files / name for name in ("stereo.wav", "text.wav", "mono.flac")]
    done = spot(*names, "--labels", out)

    assert done.returncode == 1
    assert sorted(each.name for each in out.iterdir()) == ["mono.txt", "stereo.txt"]
    assert rows(out / "mono.txt") != rows(out / "stereo.txt")

    one = spot(names[0], "--labels", f"{tmp_path}/single/")
    assert one.returncode == 0
    assert (tmp_path / "single" / "stereo.txt").read_text() == (out / "stereo.txt").read_text()


def test_clips_are_what_was_found(spot: Sweepnet, files: Path, tmp_path: Path, noise: Any) -> None:
    """The event's channel, bit by bit, with a tenth of a second at either end."""
    done = spot(files / "stereo.wav", "--clips", tmp_path)

    (result,) = told(done)
    clips = sorted(tmp_path.iterdir())
    assert len(clips) == len(result["events"])
    kept = np.round(noise * 32768).clip(-32768, 32767) / 32768
    for clip, event in zip(clips, result["events"], strict=True):
        samples, rate_hz = soundfile.read(clip)
        assert rate_hz == 16_000
        assert clip.name.endswith(f"-{event['start_s']:.2f}s-{event['label']}.wav")
        first = max(0, round(event["start_s"] * rate_hz) - 1600)
        past = min(len(kept), round(event["end_s"] * rate_hz) + 1600)
        np.testing.assert_allclose(samples, kept[first:past, event["channel"]], atol=1e-4)
    assert {event["channel"] for event in result["events"]} == {0, 1}


def test_a_file_whose_clips_or_labels_cannot_be_written_fails_and_the_others_go_on(
    spot: Sweepnet, files: Path, tmp_path: Path
) -> None:
    """The whole run ended with the first of them, and later files were not told of."""
    (result,) = told(spot(files / "mono.flac"))
    event = result["events"][0]
    blocked = tmp_path / f"mono-001-{event['start_s']:.2f}s-{event['label']}.wav"
    blocked.mkdir()
    done = spot(files / "mono.flac", files / "stereo.wav", "--clips", tmp_path)

    assert done.returncode == 1
    failed, other = told(done)
    assert str(blocked) in failed["error"]
    assert other["events"]
    assert len(list(tmp_path.glob("stereo-*.wav"))) == len(other["events"])
    assert not list(tmp_path.glob(".*"))

    tracks = tmp_path / "tracks"
    (tracks / ".mono.txt.part").mkdir(parents=True)
    failed, other = told(spot(files / "mono.flac", files / "stereo.wav", "--labels", tracks))
    assert "mono.txt" in failed["error"]
    assert len(rows(tracks / "stereo.txt")) == len(other["events"])


def test_a_help_text_names_the_extras_and_every_option_whole(sweepnet: Sweepnet) -> None:
    """Brackets were taken for markup, and names cut to a column."""
    told = "".join(sweepnet("spot", "--help").stdout.split())
    for part in ("sweepnet[plots]", "sweepnet[clips]", "--false-alarms-per-hour"):
        assert part in told


def test_an_event_tells_its_detector(spot: Sweepnet, files: Path) -> None:
    """Two detectors of one label told each word twice, and not by whom."""
    (result,) = told(spot(files / "mono.flac"))
    assert {event["detector"] for event in result["events"]} == {"detectors/tiny"}


@pytest.mark.parametrize("subtype", ["PCM_24", "FLOAT", "ULAW"])
def test_clips_keep_the_samples_of_their_recording(
    spot: Sweepnet, noise: Any, tmp_path: Path, subtype: str
) -> None:
    soundfile.write(tmp_path / "a.wav", noise[:, 0], 16_000, subtype=subtype)
    (result,) = told(spot(tmp_path / "a.wav", "--clips", tmp_path / "out"))
    whole, _ = soundfile.read(tmp_path / "a.wav")
    clip, _ = soundfile.read(min((tmp_path / "out").iterdir()))

    first = max(0, round(result["events"][0]["start_s"] * 16_000) - 1600)
    np.testing.assert_array_equal(clip, whole[first : first + len(clip)])


def test_raw_samples_are_heard_and_cut_as_the_same_file(
    spot: Sweepnet, files: Path, tmp_path: Path
) -> None:
    raw = spot(files / "samples.raw", "--raw", "16000,2", "--clips", tmp_path / "raw")
    whole = spot(files / "stereo.wav", "--clips", tmp_path / "whole")

    assert raw.returncode == 0, raw.stderr
    ours, theirs = told(raw)[0], told(whole)[0]
    assert ours["duration_s"] == 3
    assert ours["scores"] == pytest.approx(theirs["scores"], abs=1e-2)
    assert any((tmp_path / "raw").iterdir())
    refused = spot(files / "samples.raw")
    assert "raw samples" in told(refused)[0]["error"] or "not audio" in told(refused)[0]["error"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("16000", RawFormat(16_000, 1, "LINEAR16")),
        ("8000,2", RawFormat(8_000, 2, "LINEAR16")),
        ("44100,1,FLOAT32", RawFormat(44_100, 1, "FLOAT32")),
        ("8000,1,alaw", RawFormat(8_000, 1, "ALAW")),
    ],
)
def test_raw_formats_are_read(given: str, expected: RawFormat) -> None:
    assert parsed(given) == expected


def test_all_windows_are_told_before_their_result(spot: Sweepnet, files: Path) -> None:
    done = spot(files / "stereo.wav", "--all-windows")
    *windows, result = told(done)

    keys = ["source", "channel", "detector", "start_s", "end_s", "warming", "scores"]
    assert all(list(each) == keys for each in windows)
    for channel in (0, 1):
        own = [each for each in windows if each["channel"] == channel]
        assert len(own) > 90
        assert [each["start_s"] for each in own] == sorted(each["start_s"] for each in own)
    for label, score in result["scores"].items():
        assert max(each["scores"][label] for each in windows) == pytest.approx(score, abs=1e-6)
    assert told(spot(files / "stereo.wav")) == [result]


def test_windows_are_told_without_digits_that_mean_nothing(spot: Sweepnet, files: Path) -> None:
    """A score of single precision was told to 17 digits."""
    windows = told(spot(files / "mono.flac", "--all-windows"))[:-1]

    for each in windows:
        assert each["start_s"] == round(each["start_s"], 3)
        assert each["end_s"] == round(each["end_s"], 3)
        for score in each["scores"].values():
            assert score == float(f"{score:.6g}")
    # Neither scores nor times were made coarser than that.
    assert len({score for each in windows for score in each["scores"].values()}) > 150
    assert len({each["end_s"] for each in windows}) > 90


def test_all_windows_are_lines_above_the_table(
    sweepnet: Sweepnet, server: str, files: Path
) -> None:
    done = sweepnet("spot", files / "mono.flac", "--all-windows", "--server", server, "-d", "tiny")
    lines = done.stdout.splitlines()

    assert "channel 0  detectors/tiny" in lines[0]
    assert "one 0." in lines[0]
    assert any(line.startswith("File ") for line in lines)


def test_a_plot_is_drawn(spot: Sweepnet, files: Path, tmp_path: Path) -> None:
    done = spot(files / "stereo.wav", files / "mono.flac", "--plot", tmp_path / "plots")

    assert done.returncode == 0, done.stderr
    for name in ("stereo.png", "mono.png"):
        with Image.open(tmp_path / "plots" / name) as picture:
            assert picture.width > 1200
            # Not a blank page: the spectrogram has many colours.
            assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 2_000
    assert len(told(done)) == 2


def test_several_outputs_come_from_one_hearing(spot: Sweepnet, files: Path, tmp_path: Path) -> None:
    """Explanations too."""
    done = spot(
        files / "mono.flac", "--plot", tmp_path / "a.png", "--explain", tmp_path / "b.png",
        "--labels", tmp_path / "c.txt", "--clips", tmp_path / "d", "--all-windows",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.png", "b.png", "c.txt", "d"]


def test_thresholds_follow_a_rate_of_false_alarms(spot: Sweepnet, files: Path) -> None:
    few = told(spot(files / "mono.flac", "--false-alarms-per-hour", "0.5"))
    default = told(spot(files / "mono.flac"))
    none = told(spot(files / "mono.flac", "--false-alarms-per-hour", "400"))

    assert few == default
    assert "choose a rate in that range" in none[0]["error"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--raw", "fast"), "got 'fast'; expected RATE[,CHANNELS[,ENCODING]]"),
        (("--raw", "16000,0"), "expected RATE"),
        (("--raw", "9" * 5000), "expected RATE"),
        (("--raw", "16000,1,mp3"), "encodings: linear16, float32, mulaw, alaw"),
        (("--raw", "16000,1,alaw,2"), "expected RATE"),
        (("--false-alarms-per-hour", "0"), "got 0; expected false alarms in an hour, above 0"),
        (("--threshold", "one=1.5"), "expected X or LABEL=X with X in 0..1"),
        (("--false-alarms-per-hour", "nan"), "expected false alarms"),
        (
            ("--threshold", "0.5", "--false-alarms-per-hour", "1"),
            "got 1 beside --threshold 0.5, which leaves no label to it",
        ),
        (("--labels", "{f}/mono.flac"), "expected the name of a .txt file, or a folder"),
        (("--labels", "{f}/other.csv"), "expected the name of a .txt file, or a folder"),
        (("--labels", "/dev/null/a.txt"), "/dev/null is no folder that can be written to"),
        (("--labels", "{f}/new/er/", "--clips", "/proc/x"), "/proc is no folder that can be"),
        (("--labels", "/proc/x/a.txt"), "/proc is no folder that can be written to"),
        (("--plot", "/proc/x/y/a.png"), "/proc is no folder that can be written to"),
        (("--explain", "/proc/a.png"), "/proc is no folder that can be written to"),
        (("--plot", "out.jpg"), "expected the name of a .png file"),
        (("--clips", "{f}/text.wav"), "a file; expected a folder"),
        (("{f}/stereo.wav", "--labels", "out.txt"), "for 2 recordings; expected a folder"),
        (("{f}/x/mono.wav", "--labels", "{f}/"), "2 recordings are named 'mono'"),
        (("{f}/x/mono.wav", "--clips", "{f}/c"), "2 recordings are named 'mono'"),
    ],
)
def test_what_cannot_be_written_is_refused_before_any_work(
    sweepnet: Sweepnet, files: Path, arguments: tuple[str, ...], words: str
) -> None:
    before = sorted(files.rglob("*"))
    call = (each.format(f=files) for each in arguments)
    done = sweepnet("spot", files / "mono.flac", *call, "--server", "127.0.0.1:1")

    assert done.returncode == 2, done.stderr
    said = "".join(done.stderr.replace("│", " ").split())
    assert words.replace(" ", "") in said
    assert sorted(files.rglob("*")) == before


@pytest.mark.parametrize(("option", "extra"), [("--plot", "plots"), ("--clips", "clips")])
def test_a_missing_extra_is_named(
    sweepnet: Sweepnet, monkeypatch: pytest.MonkeyPatch, option: str, extra: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = sweepnet("spot", "a.wav", "--server", "127.0.0.1:1", option, "out.png")

    assert done.returncode == 1
    assert f"pip install 'sweepnet[{extra}]'" in done.stderr


@given(st.lists(st.integers(0, 9), max_size=70), st.sampled_from([2, 4, 8]))
def test_thinned_values_are_few_and_their_maxima_those_of_their_shares(
    values: list[int], most: int
) -> None:
    thinned: Thinned[int] = Thinned(max, most)
    for value in values:
        thinned.add(value)

    assert len(thinned.values) <= most
    shares = [values[at : at + thinned.every] for at in range(0, len(values), thinned.every)]
    assert thinned.values == [max(share) for share in shares]


@given(st.lists(st.tuples(st.integers(0, 99_000), st.sampled_from(["one", "forty two"]))))
def test_names_in_a_plot_do_not_overlap(drawn: list[tuple[int, str]]) -> None:
    events = [Event(start, start + 500, 1_000, label, 0.9, start) for start, label in sorted(drawn)]
    ends: dict[int, float] = {}
    for event, row in names(events, 100.0):
        width_s = NAME_SHARE * (len(event.label) + 6) * 100
        start_s = event.end_s - width_s if event.start_s > 90 else event.start_s
        assert start_s >= ends.get(row, 0.0)
        ends[row] = start_s + width_s
    assert bool(ends) == bool(events)


def test_a_stream_tells_the_frequencies_of_its_bands(server: str, noise: Any) -> None:
    with Client(server) as client:
        (detector,) = client.spot(wav_bytes(noise), detectors=["tiny"]).opened.detectors

    assert len(detector.band_centres_hz) == 40
    assert list(detector.band_centres_hz) == sorted(detector.band_centres_hz)
    assert 60 < detector.band_centres_hz[0] < 150
    assert 6_500 < detector.band_centres_hz[-1] < 7_600


def wav_bytes(samples: Any) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format="WAV")
    return file.getvalue()
