"""`sweepnet export`: both shipped detectors as ONNX models, and how wrong moves end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from sweepnet.cli import main
from sweepnet_service.detectors.image import ImageDetector
from sweepnet_service.detectors.image.pixels import Picture
from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.store import SHIPPED, Library

Export = Callable[..., tuple[int, str, str]]


@pytest.fixture
def export(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Export:
    """Runs `sweepnet export` in this process: exit code, what it printed, what it complained of."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sweepnet", "export", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        told = capfd.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return run


def metadata(model: onnx.ModelProto) -> dict[str, Any]:
    return {entry.key: json.loads(entry.value) for entry in model.metadata_props}


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("welcome", [(1, 159, 40), (2, 300, 40)]),
        ("flower", [(1, 64, 96, 3), (2, 96, 32, 3)]),
    ],
)
def test_a_shipped_detector_is_exported(
    export: Export, tmp_path: Path, name: str, shapes: list[tuple[int, ...]]
) -> None:
    """Equal outputs for batches and inputs of any size, the word path and the pyramid included."""
    code, printed, complaint = export(name, "--onnx", "--out", tmp_path / "net.onnx")
    assert (code, printed.strip(), complaint) == (0, str(tmp_path / "net.onnx"), "")

    model = onnx.load(tmp_path / "net.onnx")
    net = Library().load(f"detectors/{name}").net
    for shape in shapes:
        x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        ours, theirs = net.forward(x), ReferenceEvaluator(model).run(None, {"x": x})[0]
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-4 * np.abs(ours).max())


def test_the_file_says_what_goes_around_the_network(export: Export, tmp_path: Path) -> None:
    """Labels, thresholds, features or pixels, geometry: as the detector itself has them."""
    library = Library()
    for name in ("welcome", "flower"):
        assert export(name, "--onnx", "--out", tmp_path / f"{name}.onnx")[0] == 0
    word, flower = (metadata(onnx.load(tmp_path / f"{n}.onnx")) for n in ("welcome", "flower"))
    spotter = cast("KeywordDetector", library.load("detectors/welcome"))
    finder = cast("ImageDetector", library.load("detectors/flower"))

    assert (word["kind"], flower["kind"]) == ("keyword", "image")
    assert word["labels"] == ["welcome"]
    assert word["default_thresholds"] == spotter.default_thresholds
    assert flower["default_thresholds"] == finder.default_thresholds
    about = word["input"].pop("about")
    assert about.startswith("Mel frames, float32 (batch, frames, bands)")
    assert about.endswith("low_hz to high_hz; ln(energy + 1e-5) / 4 + 0.3.")
    assert word["input"] == spotter.features.describe()
    assert word["output"]["window_s"] == spotter.window_s
    assert word["output"]["size_frames"] == spotter.input_shape[1]
    assert flower["input"]["size_px"] == finder.size_px
    assert flower["output"]["stride_px"] == 8
    assert word["operating_points"]["welcome"][0]["miss_rate"] >= 0


def log_mel(samples: Any, told: dict[str, Any]) -> Any:
    """Features from what the file tells alone, as a stranger would write them."""
    hop, width, bands = told["hop_samples"], told["width_samples"], told["bands"]
    count = (len(samples) - width) // hop + 1
    frames = np.stack([samples[i * hop : i * hop + width] for i in range(count)])
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(width) / width)
    power = np.abs(np.fft.rfft(frames * hann, told["fft_samples"])) ** 2
    low, high = (2595 * np.log10(1 + told[k] / 700) for k in ("low_hz", "high_hz"))
    points = 700 * (10 ** (np.linspace(low, high, bands + 2) / 2595) - 1)
    hertz = np.arange(told["fft_samples"] // 2 + 1) * told["rate_hz"] / told["fft_samples"]
    triangles = [np.interp(hertz, points[i : i + 3], (0, 1, 0), 0, 0) for i in range(bands)]
    return (np.log(power @ np.transpose(triangles) + 1e-5) / 4 + 0.3).astype(np.float32)


def test_a_keyword_can_be_heard_with_what_the_file_tells(export: Export, tmp_path: Path) -> None:
    """No code of ours between the samples and the scores."""
    assert export("welcome", "--onnx", "--out", tmp_path / "net.onnx")[0] == 0
    model = onnx.load(tmp_path / "net.onnx")
    told = metadata(model)
    detector = cast("KeywordDetector", Library().load("detectors/welcome"))
    noise = 0.1 * np.random.default_rng(0).standard_normal(2 * told["input"]["rate_hz"])
    signal = np.concatenate([np.zeros(told["output"]["padding_samples"]), noise])

    features = log_mel(signal, told["input"])[None]
    scores = ReferenceEvaluator(model).run(None, {"x": features})[0]
    ours = detector.net.forward(detector.features.frames(signal.astype(np.float32))[None])
    np.testing.assert_allclose(scores, ours, atol=1e-5)
    windows = (features.shape[1] - told["output"]["size_frames"]) // told["output"]["step_frames"]
    assert scores.shape == (1, windows + 1, len(told["labels"]))


def test_a_flower_can_be_boxed_with_what_the_file_tells(export: Export, tmp_path: Path) -> None:
    """Scores and boxes of every cell, from pixels, as the detector has them."""
    assert export("flower", "--onnx", "--out", tmp_path / "net.onnx")[0] == 0
    model = onnx.load(tmp_path / "net.onnx")
    told = metadata(model)
    detector = cast("ImageDetector", Library().load("detectors/flower"))
    size = told["input"]["size_px"]
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3)).astype(np.uint8)

    x = (pixels.astype(np.float32) - told["input"]["mean"]) / told["input"]["scale"]
    net = ReferenceEvaluator(model)
    (y,) = net.run(None, {"x": x[None].astype(np.float32)})[0]
    assert told["looks"]["sizes_px"] == [*detector.sizes_px]
    if told["looks"]["mirrored"]:
        (back,) = net.run(None, {"x": x[None, :, ::-1].astype(np.float32)})[0]
        y = (y + back[:, ::-1, [0, 3, 2, 1, 4]]) / 2
    limit = told["output"]["log_side_limit"]
    sides = told["output"]["side_unit_px"] * np.exp(np.clip(y[..., 1:], -limit, limit))
    centre = (np.arange(size // told["output"]["stride_px"]) + 0.5) * told["output"]["stride_px"]
    left, top = centre[None, :] - sides[..., 0], centre[:, None] - sides[..., 1]
    swept = detector.sweep(Picture(pixels, size, size))
    np.testing.assert_allclose(1 / (1 + np.exp(-y[..., 0])), swept.scores[..., 0], atol=1e-5)
    np.testing.assert_allclose(left, swept.input_boxes[..., 0], rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(top, swept.input_boxes[..., 1], rtol=1e-3, atol=1e-2)


def test_a_model_file_is_exported_by_its_path(
    export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is named after it, where one is."""
    monkeypatch.chdir(tmp_path)

    assert export(SHIPPED / "flower.safetensors", "--onnx")[:2] == (0, "flower.onnx\n")
    assert (tmp_path / "flower.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["welcome"], 2, "say in which format: --onnx"),
        (["nope", "--onnx"], 1, "no model named 'detectors/nope'; there are: detectors/fl"),
        (["{t}/no.safetensors", "--onnx"], 1, "no file named"),
        (["{t}/bad.safetensors", "--onnx"], 1, "bad.safetensors: not a readable model file"),
        (["{t}/Bad Name.safetensors", "--onnx"], 1, "expected a name in lower case letters"),
        (["", "--onnx"], 1, "model: got 'detectors/'; expected a name such as 'detectors/welcome'"),
        (["flower", "--onnx", "--models", "{t}/none"], 1, "models: no folder named"),
        (["flower", "--onnx", "--out", "{t}"], 1, "is a folder; expected the name of a file"),
        (["flower", "--onnx", "--out", "/proc/a/b.onnx"], 1, "/proc/a: No such file or directory"),
        (["flower", "--onnx", "--out", "/proc/b.onnx"], 1, "/proc/b.onnx: No such file"),
        (["{t}/own.safetensors", "--onnx", "--out", "{t}/own.safetensors"], 1, "the model itself"),
    ],
)
def test_wrong_moves_get_one_clear_answer(
    export: Export, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    for name in ("bad", "Bad Name", "own"):
        (tmp_path / f"{name}.safetensors").write_bytes(b"no model")
    ended, printed, complaint = export(*(each.format(t=tmp_path) for each in arguments))

    assert (ended, printed) == (code, "")
    assert words in complaint
    assert code == 2 or complaint.startswith("sweepnet export: ")
    assert (tmp_path / "own.safetensors").read_bytes() == b"no model"


def test_without_the_extra_it_says_how_to_get_it() -> None:
    program = """
import sys
sys.modules["onnx"] = None
sys.argv = ["sweepnet", "export", "welcome", "--onnx"]
from sweepnet.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert done.returncode == 1
    wanted = "sweepnet export: onnx is not installed; get it with pip install 'sweepnet[onnx]'\n"
    assert done.stderr == wanted
