"""The demo: its verdict, its announcement, and what it does where nothing can be fetched."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweepnet.demo import debian, inputs, verdict
from sweepnet.demo.announcement import GAP_S, RATE_HZ, SYNTHETIC, TELEPHONE, Prompt, join
from sweepnet.demo.debian import prompts_folder
from sweepnet.demo.download import Unavailable, run
from sweepnet.demo.inputs import ASSETS, cache_folder
from sweepnet.demo.photos import drawings

side = st.floats(0.5, 100)
corner = st.floats(-100, 100)


@st.composite
def boxes(draw: st.DrawFn) -> verdict.Corners:
    x, y = draw(corner), draw(corner)
    return x, y, x + draw(side), y + draw(side)


@given(boxes(), boxes())
def test_overlap_is_symmetric_and_a_share(one: verdict.Corners, other: verdict.Corners) -> None:
    """IoU lies in 0..1, is the same both ways, and 1 with itself."""
    assert 0.0 <= verdict.overlap(one, other) <= 1.0
    assert verdict.overlap(one, other) == pytest.approx(verdict.overlap(other, one))
    assert verdict.overlap(one, one) == pytest.approx(1.0)


def test_overlap_of_two_halves() -> None:
    """Two boxes that share half of each have an IoU of a third."""
    assert verdict.overlap((0, 0, 2, 1), (1, 0, 3, 1)) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("found", "right"),
    [
        ([(12.2, 12.8)], True),
        ([(12.0, 13.1)], True),
        ([], False),
        ([(12.2, 13.2)], False),
        ([(12.2, 12.8), (3.0, 3.5)], False),
        ([(12.2, 12.8), (12.3, 12.9)], False),
    ],
)
def test_a_word_counts_once_at_its_place(found: list[verdict.Span], right: bool) -> None:
    """Missed, displaced, doubled and false words are all complaints."""
    assert (verdict.heard(found, [(12.24, 12.84)]) == []) is right


def test_boxes_count_where_the_flower_is() -> None:
    """One good box is enough; without a flower any box is wrong."""
    truth = (10.0, 10.0, 20.0, 20.0)

    assert verdict.seen([(11, 11, 20, 20), (50, 50, 60, 60)], truth, "photo") == []
    assert verdict.seen([(15, 15, 30, 30)], truth, "photo") != []
    assert verdict.seen([], truth, "photo") != []
    assert verdict.seen([], None, "photo") == []
    assert verdict.seen([truth], None, "photo") != []


def test_an_announcement_knows_where_its_words_are() -> None:
    """The word's place within its prompt moves with the prompt; chunks are the whole."""
    announcement = join(ASSETS, SYNTHETIC, "test")
    (word,) = announcement.words_s
    before = announcement.parts[0]

    assert before.start_s == GAP_S
    assert announcement.parts[1].start_s == pytest.approx(before.end_s + GAP_S)
    assert word[0] == pytest.approx(announcement.parts[1].start_s)
    assert b"".join(announcement.chunks(0.08)) == announcement.samples
    assert len(announcement.samples) == 2 * round(announcement.duration_s * RATE_HZ)


def test_a_prompt_of_another_format_is_refused(tmp_path: Path) -> None:
    """The message names the file and both formats."""
    with wave.open(str(tmp_path / "wide.wav"), "wb") as recording:
        recording.setnchannels(2)
        recording.setsampwidth(2)
        recording.setframerate(RATE_HZ)

    with pytest.raises(ValueError, match=r"wide\.wav: expected 8 kHz, mono, 16 bit; got"):
        join(tmp_path, (Prompt("wide", "nothing"),), "test")


def test_the_carried_pictures_are_there() -> None:
    """A drawn flower and drawn hills."""
    flower, hills = drawings(ASSETS)

    assert flower.path.is_file()
    assert hills.path.is_file()
    assert flower.flower_px is not None
    assert hills.flower_px is None


def test_a_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without apt the reason says so."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(Unavailable, match="no apt-config"):
        prompts_folder(tmp_path / "cache", print)


def test_a_failing_program_tells_its_last_line(tmp_path: Path) -> None:
    """One line, not a page."""
    script = "import sys; sys.exit('first\\nlast')"

    with pytest.raises(Unavailable, match=r"last$"):
        run(sys.executable, "-c", script, folder=tmp_path)


def test_the_cache_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SWEEPNET_CACHE, then XDG_CACHE_HOME."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("SWEEPNET_CACHE", raising=False)
    assert cache_folder() == tmp_path / "sweepnet"
    monkeypatch.setenv("SWEEPNET_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment where nothing can be fetched: no apt, no package index, no cache."""
    empty = tmp_path_factory.mktemp("empty")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "SWEEPNET", "DEMO"))}
    own = {"PATH": str(empty), "SWEEPNET_CACHE": str(empty), "PIP_NO_INDEX": "1"}
    return {**kept, **own, "PIP_CONFIG_FILE": os.devnull, "HOME": str(empty)}


def demo(
    environment: dict[str, str], folder: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sweepnet", "demo", "--fast", *options],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
    )


def test_without_a_network_the_carried_inputs_do(cut_off: dict[str, str], tmp_path: Path) -> None:
    """The whole line runs on synthetic speech and drawings, says so, and finds what is there."""
    assert importlib.util.find_spec("sklearn") is None
    done = demo(cut_off, tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "cannot be had" in done.stdout
    last = done.stdout.strip().splitlines()[-1]
    assert last == "recording: synthetic speech carried by sweepnet (espeak-ng)"
    for name in ("announcement.png", "photos.png"):
        assert (tmp_path / "demo-output" / name).read_bytes().startswith(b"\x89PNG")


def test_strictness_wants_the_real_inputs(cut_off: dict[str, str], tmp_path: Path) -> None:
    """With DEMO_STRICT=1 what cannot be had is a failure, and named; so it is as JSON, which is
    all that comes on standard output."""
    done = demo({**cut_off, "DEMO_STRICT": "1"}, tmp_path, "--json")

    assert done.returncode == 1
    assert "DEMO_STRICT is set, but the telephone prompts cannot be had" in done.stderr
    told = json.loads(done.stdout)
    prompts, photos = told["wrong"]
    assert prompts.startswith("DEMO_STRICT is set, but the telephone prompts cannot be had")
    assert photos.startswith("DEMO_STRICT is set, but the photos cannot be had")
    assert [event["label"] for event in told["events"]] == ["welcome"]
    assert [len(each["boxes"]) for each in told["pictures"]] == [1, 0]
    assert told["drawn"] == ["demo-output/announcement.png", "demo-output/photos.png"]


def test_every_prompt_that_is_played_is_proved(tmp_path: Path) -> None:
    """A cache where one of them is damaged is not used."""
    assert {f"{prompt.name}.wav" for prompt in TELEPHONE} == set(debian.PROOFS)
    assert debian._foreign(tmp_path) == "pls-hold-while-try.wav"


def test_a_cache_that_cannot_be_written_is_a_reason_to_go_without(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The carried inputs do; nothing is fetched."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("SWEEPNET_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(inputs, "photos", lambda cache, say: cache.mkdir(parents=True))
    said: list[str] = []

    gathered = inputs.gather(said.append)

    assert len(gathered.lacking) == 2
    assert gathered.announcement.source.startswith("synthetic speech")
    assert sum("nothing can be kept in" in line for line in said) == 2


def test_a_folder_for_pictures_that_cannot_be_made_is_told_of_first(
    cut_off: dict[str, str], tmp_path: Path
) -> None:
    """One line, before the listening begins."""
    (tmp_path / "demo-output").touch()

    done = demo(cut_off, tmp_path)

    assert done.returncode == 1
    assert done.stderr.strip() == "sweepnet demo: demo-output: File exists"
    assert "Listening" not in done.stdout
