"""Explanations: over the wire into records, and `--explain` into a picture."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import soundfile
from PIL import Image

from sweepnet import Client

Done = CompletedProcess[str]
Sweepnet = Callable[..., Done]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, noise: Any) -> Path:
    folder = tmp_path_factory.mktemp("explained")
    soundfile.write(folder / "noise.wav", noise, 16_000)
    Image.linear_gradient("L").resize((90, 70)).save(folder / "grey.png")
    (folder / "text.wav").write_text("this is no sound")
    return folder


def test_a_recording_comes_with_what_its_scores_were_made_from(server: str, files: Path) -> None:
    with Client(server) as client:
        result = client.spot(files / "noise.wav", detectors=["tiny"], explanations=True)
        plain = client.spot(files / "noise.wav", detectors=["tiny"])
    told = [each for update in result.updates for each in update.explanations]

    assert not any(update.explanations for update in plain.updates)
    assert {each.label for each in told} == {"one", "two"}
    for each in told:
        frames, bands = len(each.features.rows), len(each.features.rows[0])
        assert (frames, bands) == (32, 40)
        assert [len(row) for row in each.contributions] == [bands] * frames
        assert len(each.falls) == frames
        assert each.features.start_s == pytest.approx(each.start_s, abs=1e-3)
        assert each.start_s <= each.effective_start_s < each.effective_end_s <= each.end_s
        assert any(event.score == each.score for event in result.events)


def test_places_count_from_the_streams_zero(server: str, noise: Any) -> None:
    """With another first sample the windows lie that much later."""
    data = (noise[:, :1] * 32767).astype("<i2").tobytes()
    updates = []
    with Client(server) as client:
        for start in (0, 5000):
            options: Any = {"start_sample": start, "explanations": True}
            with client.stream([data], detectors=["tiny"], **options) as stream:
                updates.append(list(stream))
    first, later = (
        [each for update in told for c in update.channels for each in c.explanations]
        for told in updates
    )

    assert [each.start_sample + 5000 for each in first] == [each.start_sample for each in later]
    assert first


def test_a_picture_comes_with_what_its_boxes_were_made_from(server: str, files: Path) -> None:
    with Client(server) as client:
        found = client.detect(files / "grey.png", detectors=["blobs"], explanations=True)
        plain = client.detect(files / "grey.png", detectors=["blobs"])

    assert plain.explanations == ()
    assert [each.score for each in found.explanations] == [b.score for b in found.boxes[:4]]
    for each in found.explanations:
        grid = each.relevance
        assert len(grid.scores) == grid.row_count * grid.column_count
        assert 0 <= each.receptive_field.x_min_px < each.receptive_field.x_max_px <= 90
        assert each.detector == "detectors/blobs"


@pytest.mark.parametrize(
    ("verb", "name", "detector"), [("spot", "noise.wav", "tiny"), ("detect", "grey.png", "blobs")]
)
def test_the_picture_is_drawn_and_named(
    sweepnet: Sweepnet,
    server: str,
    files: Path,
    tmp_path: Path,
    verb: str,
    name: str,
    detector: str,
) -> None:
    """The results are printed as without it; what was drawn goes to standard error."""
    out = tmp_path / "new" / "why.png"
    call = (verb, files / name, "--json", "--server", server, "-d", detector)
    without = sweepnet(*call)
    done = sweepnet(*call, "--explain", out)

    assert done.returncode == 0, done.stderr
    assert done.stdout == without.stdout
    assert f"picture: {out}" in done.stderr
    with Image.open(out) as picture:
        assert picture.width > 800
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("threshold", ["one=1", "blob=1"])
def test_what_was_not_found_is_explained_too(
    sweepnet: Sweepnet, server: str, files: Path, tmp_path: Path, threshold: str
) -> None:
    verb, name, detector = (
        ("spot", "noise.wav", "tiny") if "one" in threshold else ("detect", "grey.png", "blobs")
    )
    out = tmp_path / "why.png"
    done = sweepnet(
        verb, files / name, "--server", server, "-d", detector, "-t", threshold, "--explain", out
    )

    assert done.returncode == 0, done.stderr
    assert out.stat().st_size > 10_000


def test_a_file_that_fails_leaves_no_picture(
    sweepnet: Sweepnet, server: str, files: Path, tmp_path: Path
) -> None:
    out = tmp_path / "why.png"
    done = sweepnet("spot", files / "text.wav", "--server", server, "--explain", out)

    assert done.returncode == 1
    assert not out.exists()
    assert "picture" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a.wav", "b.wav", "--explain", "why.png"), "draws one file; got 2"),
        (("a.wav", "--explain", "why.jpg"), "expected the name of a PNG file"),
        (("a.wav", "--explain", "/dev/null/why.png"), "/dev/null is no folder that can be written"),
        (("a.wav", "--explain", "{t}/folder.png"), "expected the name of a PNG file"),
        (("{t}/in.png", "--explain", "{t}/in.png"), "the very file to look at"),
        (("{t}/in.png", "--explain", "{t}/folder.png/../in.png"), "the very file to look at"),
        (("{t}/in.png", "--explain", "{t}/link.png"), "the very file to look at"),
        (("{t}/link.png", "--explain", "{t}/in.png"), "the very file to look at"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_any_work(
    sweepnet: Sweepnet, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    """Least of all is the caller's own file drawn over."""
    (tmp_path / "in.png").write_text("precious")
    (tmp_path / "link.png").symlink_to("in.png")
    (tmp_path / "folder.png").mkdir()
    for verb in ("spot", "detect"):
        call = (each.format(t=tmp_path) for each in arguments)
        done = sweepnet(verb, *call, "--server", "127.0.0.1:1")

        assert done.returncode == 2
        told = "".join(done.stderr.replace("│", " ").split())
        assert message.replace(" ", "") in told
    assert (tmp_path / "in.png").read_text() == "precious"
    assert len(list(tmp_path.iterdir())) == 3


def test_without_matplotlib_it_says_what_to_install(
    sweepnet: Sweepnet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = sweepnet("spot", "a.wav", "--server", "127.0.0.1:1", "--explain", tmp_path / "why.png")

    assert done.returncode != 0
    assert "pip install 'sweepnet[plots]'" in done.stderr
