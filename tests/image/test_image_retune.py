"""A model that is told to look otherwise: thresholds anew, weights as they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cnn_core.tree import leaves
from sweepnet_service.commands.retune import retune as verb
from sweepnet_service.detectors.image import ImageDetector
from sweepnet_service.detectors.image.card import markdown
from sweepnet_service.detectors.image.retune import RetuneConfig, retune
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Progress, ignored

Trained = tuple[Path, list[Progress]]


def run(*words: str) -> Any:
    """What the verb tells and how it ends."""
    app = typer.Typer()
    app.command()(verb)
    return CliRunner().invoke(app, words)


@pytest.fixture
def model(trained: Trained, tmp_path: Path) -> Path:
    """The squares' model, as if its training had kept most pictures aside."""
    made = ImageDetector.load(trained[0])
    path = tmp_path / "squares.safetensors"
    training = {**made.card["training"], "aside_share": 0.9}
    replace(made, card={**made.card, "training": training}).save(path)
    return path


def test_it_looks_as_asked_with_the_same_weights(
    model: Path, squares: Path, tmp_path: Path
) -> None:
    before, out = ImageDetector.load(model), tmp_path / "new.safetensors"
    config = RetuneConfig(model, out, squares, more_px=(64,), mirrored=True, fused=True)
    config = replace(config, voters=3)

    made = ImageDetector.load(retune(config, ignored))

    assert (made.sizes_px, made.mirrored, made.fused, made.voters) == ((96, 64), True, True, 3)
    for (_, one), (_, two) in zip(leaves(before.net), leaves(made.net), strict=True):
        assert one.tobytes() == two.tobytes()
    assert "in a mirror too" in made.card["input"]
    assert "merged by their mean" in made.card["input"]
    assert "up to 3 neighbouring places vote" in made.card["input"]
    assert "the mean of the 3 largest scores" in made.card["presence"]
    assert made.card["threshold"] == made.default_thresholds["square"]
    assert made.card["figures"]["parts"][0]["ap50"] > 0.5
    assert {k: made.card[k] for k in ("training", "data")} == {
        k: before.card[k] for k in ("training", "data")
    }
    assert out.with_suffix(".md").read_text() == markdown("new", made.card)


def test_what_is_not_asked_stays(model: Path, squares: Path, tmp_path: Path) -> None:
    config = RetuneConfig(model, tmp_path / "new.safetensors", squares, mirrored=True)
    first = retune(config, ignored)

    made = ImageDetector.load(retune(replace(config, model=first, mirrored=None), ignored))
    again = ImageDetector.load(retune(replace(config, model=first, mirrored=False), ignored))

    assert (made.sizes_px, made.mirrored, made.fused) == ((96,), True, False)
    assert not again.mirrored
    assert "mirror" not in again.card["input"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"size_px": 100}, "multiples of 32 pixels, up to 2048"),
        ({"more_px": (4096,)}, "multiples of 32 pixels, up to 2048"),
        ({"more_px": (-32,)}, "multiples of 32"),
        ({"voters": 0}, "settings.detect_voters: got 0; expected 1 to 64"),
        ({"voters": 65}, "expected 1 to 64"),
    ],
)
def test_sizes_that_cannot_be_are_told(
    model: Path, squares: Path, tmp_path: Path, change: dict[str, object], told: str
) -> None:
    config = RetuneConfig(model, tmp_path / "new.safetensors", squares)

    with pytest.raises(InvalidInput, match=told):
        retune(replace(config, **change), ignored)  # type: ignore[arg-type]


def test_without_pictures_aside_there_is_nothing_to_choose_by(
    trained: Trained, squares: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match="8 training pictures, of which the training kept none"):
        retune(RetuneConfig(trained[0], tmp_path / "new.safetensors", squares), ignored)


def test_the_verb_tells_models_by_their_files(model: Path, squares: Path, tmp_path: Path) -> None:
    out = tmp_path / "said.safetensors"

    done = run(str(model), str(squares), "--out", str(out), "--detect-mirrored")
    wrong = run(str(model), str(squares), "--phones")
    other = run("welcome", str(squares), "--out", str(out), "--no-detect-fused")
    folder = run(str(squares), str(squares), "--out", str(out))

    assert done.exit_code == 0, done.output
    assert ImageDetector.load(out).mirrored
    assert wrong.exit_code == other.exit_code == folder.exit_code == 1
    assert "--phones: is for keyword models" in wrong.output
    assert "--detect-fused: is for image models" in other.output
    assert "expected a model's name or file, then the folder" in folder.output
