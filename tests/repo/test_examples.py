"""Every example runs from its command, writes its picture and says what it found."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from PIL import Image

from examples import activations, mnist, running, sentences, video, weak_words
from examples.words_in_speech import RATE_HZ, Made

ROOT = Path(__file__).resolve().parents[2]
ON_DIGITS = ("activations", "augmentations", "depth", "digits", "filters")
"""`filters` trains what `digits` trains, where it finds none."""


def run_quickly(name: str, out: Path) -> None:
    importlib.import_module(f"examples.{name}").main(["--quick", "--out", str(out)])
    with Image.open(out / "quick" / f"{name}.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 300


@pytest.mark.parametrize("name", ["sentences", "video", "weak_labels"])
def test_examples_that_make_their_own_task(name: str, tmp_path: Path, capsys) -> None:
    """They need nothing but the package."""
    run_quickly(name, tmp_path)

    assert "right" in capsys.readouterr().out


@pytest.mark.needs_data
@pytest.mark.parametrize("name", ["activations", "augmentations", "depth"])
def test_examples_on_digits(name: str, tmp_path: Path) -> None:
    """A few digits, one epoch."""
    run_quickly(name, tmp_path)


@pytest.mark.needs_data
def test_what_digits_trains_filters_shows(tmp_path: Path, capsys) -> None:
    """The model that one leaves is the one that the other reads."""
    run_quickly("digits", tmp_path)
    assert "of 500 digits right" in capsys.readouterr().out
    run_quickly("filters", tmp_path)
    assert "no digits.safetensors yet" not in capsys.readouterr().out


def test_every_example_is_told_of() -> None:
    """README.md of the folder names each one's command."""
    page = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "examples").glob("*.py")}
    names = [path.name for path, text in sources.items() if "    run(main" in text]

    assert len(names) >= 7
    assert [name for name in sorted(names) if f"`python examples/{name}`" not in page] == []


def test_missing_digits_are_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SWEEPNET_DATA", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        running.run(lambda: importlib.import_module("examples.digits").main([]))

    assert ended.value.code == 1
    assert "set SWEEPNET_DATA to the folder that holds images/mnist" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"text", b"\x1f\x8bcut"])
def test_damaged_digits_are_named(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEPNET_DATA", str(tmp_path))
    path = tmp_path / "images" / "mnist" / "t10k-images-idx3-ubyte.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(mnist.InvalidInput, match=r"t10k-images-idx3-ubyte\.gz: is no"):
        mnist.test_digits()


def test_a_stopped_example_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    def stopped() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        running.run(stopped, resumes=True)

    assert ended.value.code == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_the_words_alone_do_not_tell_a_sentence() -> None:
    """Praise and blame hold every word equally often; what stands after "not" differs."""
    import numpy as np

    made = sentences.sentences(np.random.default_rng(0), 4000)
    praise, blame = (
        np.bincount(made.words[made.praises == kind].ravel(), minlength=len(sentences.WORDS))
        for kind in (1, 0)
    )

    assert abs(praise - blame).max() < 5 * np.sqrt((praise + blame).max())
    for word in (*sentences.PRAISE, *sentences.BLAME):
        number = sentences.WORDS.index(word)
        assert abs(praise[number] - blame[number]) < 5 * np.sqrt(praise[number] + blame[number])


def test_one_frame_does_not_tell_the_way() -> None:
    """Every frame of every way has the same spread; the clips do move as they say."""
    import numpy as np

    made = video.clips(np.random.default_rng(0), 40)
    for clip, way in zip(made.pixels[..., 0], made.ways, strict=True):
        step = list(video.WAYS.values())[way]
        matches = {
            name: np.corrcoef(np.roll(clip[0], s, axis=(0, 1)).ravel(), clip[1].ravel())[0, 1]
            for name, s in video.WAYS.items()
        }
        assert video.WAYS[max(matches, key=matches.__getitem__)] == step


def test_weak_words_runs_on_recordings_of_noise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trunk, training through the sweep and picture; only what is heard is made up."""
    import numpy as np

    def noise(_data: Path, split: str, *_: object) -> list[Made]:
        rng = np.random.default_rng(len(split))
        return [
            Made(0.1 * rng.standard_normal(5 * RATE_HZ).astype(np.float32), holds, word, (2.0, 2.5))
            for holds, word in [(True, "computer"), (False, "alexa")]
        ]

    monkeypatch.setattr(weak_words, "made", noise)
    run_quickly("weak_words", tmp_path)


def test_a_quick_run_starts_anew(tmp_path: Path) -> None:
    """The checkpoint of an older version's quick run made the next one refuse."""
    left, kept = tmp_path / "quick" / "old.checkpoint", tmp_path / "real.checkpoint"
    left.parent.mkdir()
    for path in (left, kept):
        path.write_bytes(b"of other settings")
    running.parsed(running.flags("About."), ["--quick", "--out", str(tmp_path)])

    assert (left.exists(), kept.exists()) == (False, True)


def test_a_folder_that_cannot_be_written_is_told_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was told after an hour of training."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as ended:
        running.run(
            lambda: running.parsed(running.flags("About."), ["--out", str(tmp_path / "file")])
        )

    assert ended.value.code == 1
    assert "file: File exists" in capsys.readouterr().err


def test_a_rate_that_never_learns_is_told_in_words() -> None:
    assert activations.told(float("inf"), 0.01) == "never at a loss of 0.1, at any rate"
