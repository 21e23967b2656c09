"""Every example runs from its command, writes its picture and says what it found."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from PIL import Image

from examples import mnist, running, sentences, video

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
