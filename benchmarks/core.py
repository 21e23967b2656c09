"""Every layer and each small network on one thread: ours, PyTorch and ONNX Runtime in turn."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from fnmatch import fnmatch
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from threadpoolctl import threadpool_limits

from benchmarks.competitors import inference, live, training
from benchmarks.layers import sized
from benchmarks.measure import CLEAR, PEERS, Case, peak_mb, row, show
from benchmarks.networks import flower, spotter
from cnn_core.arrays import Array
from cnn_core.fold import fold
from cnn_core.layers import Layer, Sequential
from tests.core.cases import vocabulary

BANDS = 40
LIVE_FRAMES = 9
"""90 ms of 10 ms frames: three windows of a network that steps three frames."""

Makers = dict[str, Callable[[Path | None], Case]]


def detectors() -> Makers:
    """Both detectors on the shipped weights with batch norm folded, the form for serving."""
    rng = np.random.default_rng(0)
    hear, see = spotter().net, flower().net
    word, photo = fold(hear), fold(see)
    size, step = int(word.windows[0].size), int(word.windows[0].step)
    chunk = size + LIVE_FRAMES - step
    makers: Makers = {}
    for name, frames in (("one window", size), ("10 s", 1000), ("60 s", 6000)):
        name = f"spotter: {name}"
        makers[name] = partial(inference, name, word, _noise(rng, (1, frames, BANDS)))
    name = "spotter: live chunk of 90 ms"
    makers[name] = partial(live, name, word, _noise(rng, (1, chunk, BANDS)), LIVE_FRAMES)
    for height, width in ((320, 320), (448, 640)):
        name = f"flower: {width} x {height}"
        makers[name] = partial(inference, name, photo, _noise(rng, (1, height, width, 3)))
    name = "flower: training step, 8 of 192 x 192"
    makers[name] = partial(_trained, name, see, _noise(rng, (8, 192, 192, 3)))
    return makers


def layers() -> Makers:
    """Each kind of layer and each small network (for inference with batch norm folded): forward,
    then forward and backward."""
    rng = np.random.default_rng(0)
    makers: Makers = {}
    for name, layer, shape in sized():
        words = vocabulary(layer)
        x = _noise(rng, shape) if words is None else rng.integers(0, words, shape)
        served = fold(layer) if isinstance(layer, Sequential) else layer
        makers[name] = partial(inference, name, served, x)
        both = f"{name}, backward"
        makers[both] = partial(_trained, both, layer, x)
    return makers


def _trained(name: str, net: Layer, x: Array, _: Path | None) -> Case:
    return training(name, net, x)


def _noise(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.standard_normal(shape).astype(np.float32)


def chosen(pattern: str) -> Makers:
    """The cases whose name matches the pattern, * standing for anything."""
    every = {**detectors(), **layers()}
    return {name: make for name, make in every.items() if fnmatch(name, pattern)}


def weigh(pattern: str) -> dict[str, dict[str, float]]:
    """Peak memory of each case, ONNX Runtime left out: it holds on to what it once took."""
    peaks: dict[str, dict[str, float]] = {}
    with threadpool_limits(1):
        for name, make in chosen(pattern).items():
            peaks[name] = {each: peak_mb(run) for each, run in make(None).runs.items()}
    return peaks


def _weighed(pattern: str) -> dict[str, dict[str, float]]:
    """`weigh` where memory that is given back leaves the process, so that reuse hides nothing."""
    if not CLEAR.exists():
        return {}
    command = [sys.executable, __file__, "--weigh", "--only", pattern]
    frugal = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    answer = subprocess.run(command, env=frugal, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, dict[str, float]] = json.loads(answer.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.5, help="time for each case")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="cases, such as 'flower*'")
    parser.add_argument("--weigh", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.weigh:
        print(json.dumps(weigh(given.only)))
        return
    peaks, makers = _weighed(given.only), chosen(given.only)
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        rows = [
            row(make(Path(folder)), given.seconds, peaks.get(name, {}))
            for name, make in track(makers.items(), description="measuring", transient=True)
        ]
    show(rows)
    weights = {"spotter": spotter().weights, "flower": flower().weights}
    versions = {name: version(name) for name in ("numpy", *PEERS)}
    print(json.dumps({"bench": "core", "threads": 1, "weights": weights, **versions, "rows": rows}))


if __name__ == "__main__":
    main()
