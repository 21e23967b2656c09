"""Both networks on one thread: ours, PyTorch and ONNX Runtime on the same weights, in turn."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from benchmarks.networks import flower, spotter
from benchmarks.twin import channels_last, channels_second, twin
from cnn_core.arrays import Array
from cnn_core.fold import fold
from cnn_core.layers import Layer
from cnn_core.stream import Stream

PEERS = ("torch", "onnxruntime")
BANDS = 40
LIVE_FRAMES = 9
"""90 ms of 10 ms frames: three windows of a network that steps three frames."""


@dataclass(frozen=True)
class Case:
    """One thing to compute; every competitor is called without arguments and gives its result."""

    name: str
    runs: dict[str, Callable[[], Array]]
    warm_up: int = 2


def inference(name: str, net: Layer, x: Array, folder: Path) -> Case:
    """The whole output for one input."""
    module, session = twin(net).eval(), _exported(net, x, folder / f"{name}.onnx")
    given = channels_second(x)
    theirs = given.numpy()

    def by_torch() -> Array:
        with torch.inference_mode():
            return channels_last(module(given))

    def by_onnxruntime() -> Array:
        return np.moveaxis(session.run(None, {"x": theirs})[0], 1, -1)

    runs = {"ours": lambda: net.forward(x), "torch": by_torch, "onnxruntime": by_onnxruntime}
    return Case(name, runs)


def live(name: str, net: Layer, rng: np.random.Generator, folder: Path) -> Case:
    """The scores of one more chunk; peers keep no stream, so they see its whole window again."""
    window = net.windows[0]
    scores = LIVE_FRAMES // int(window.step)
    needed = int(window.size) + (scores - 1) * int(window.step)
    x = _noise(rng, (1, needed, BANDS))
    whole = inference(name, net, x, folder)
    stream = Stream(net)
    stream.push(x[:, : needed - LIVE_FRAMES])
    before = stream.state

    def ours() -> Array:
        stream.state = before
        return stream.push(x[:, needed - LIVE_FRAMES :])

    return Case(name, {**whole.runs, "ours": ours})


def training(name: str, net: Layer, x: Array) -> Case:
    """Outputs, then the gradients of every weight and of the input; batch statistics."""
    module = twin(net).train()
    given = channels_second(x).requires_grad_()
    dy = np.ones_like(net.forward(x))
    their_dy = channels_second(dy)
    rng = np.random.default_rng(0)

    def ours() -> Array:
        y, pull = net.vjp(x, rng)
        pull(dy)
        return y

    def by_torch() -> Array:
        module.zero_grad()
        y = module(given)
        y.backward(their_dy)
        return channels_last(y)

    return Case(name, {"ours": ours, "torch": by_torch}, warm_up=1)


def _exported(net: Layer, x: Array, path: Path) -> onnxruntime.InferenceSession:
    """The network in ONNX Runtime, through PyTorch's exporter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            twin(net).eval(), (channels_second(x),), path, input_names=["x"], dynamo=False
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _noise(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.standard_normal(shape).astype(np.float32)


def cases(folder: Path) -> list[Case]:
    """What is measured, on the shipped weights with batch norm folded, the form for serving."""
    rng = np.random.default_rng(0)
    hear, see = spotter(), flower()
    word, photo = fold(hear.net), fold(see.net)
    size = int(word.windows[0].size)
    return [
        inference("spotter: one window", word, _noise(rng, (1, size, BANDS)), folder),
        live("spotter: live chunk of 90 ms", word, rng, folder),
        inference("spotter: 10 s", word, _noise(rng, (1, 1000, BANDS)), folder),
        inference("spotter: 60 s", word, _noise(rng, (1, 6000, BANDS)), folder),
        inference("flower: 320 x 320", photo, _noise(rng, (1, 320, 320, 3)), folder),
        inference("flower: 640 x 448", photo, _noise(rng, (1, 448, 640, 3)), folder),
        training("flower: training step, 8 of 192 x 192", see.net, _noise(rng, (8, 192, 192, 3))),
    ]


def measure(case: Case, budget_s: float) -> dict[str, list[float]]:
    """Seconds of each run; competitors take turns, so that they meet the same machine."""
    for run in case.runs.values():
        for _ in range(case.warm_up):
            run()
    taken: dict[str, list[float]] = {name: [] for name in case.runs}
    order = list(case.runs)
    end_s = time.perf_counter() + budget_s
    while time.perf_counter() < end_s or len(taken["ours"]) < 5:
        order = order[1:] + order[:1]
        for name in order:
            start_s = time.perf_counter()
            case.runs[name]()
            taken[name].append(time.perf_counter() - start_s)
    return taken


def difference(case: Case) -> float:
    """Largest deviation of a peer from ours; outputs larger than 1 are taken as 1."""
    ours = case.runs["ours"]()
    scale = max(1.0, float(np.abs(ours).max()))
    peers = [run() for name, run in case.runs.items() if name != "ours"]
    return max(float(np.abs(y - ours).max()) for y in peers) / scale


def row(case: Case, budget_s: float) -> dict[str, object]:
    """Medians in milliseconds, ratios (below 1: ours is faster), and the largest difference."""
    medians = {k: 1e3 * statistics.median(v) for k, v in measure(case, budget_s).items()}
    ratios = {f"ours_over_{k}": medians["ours"] / medians[k] for k in medians if k != "ours"}
    times = {f"{name}_ms": value for name, value in medians.items()}
    numbers = {k: float(f"{v:.4g}") for k, v in {**times, **ratios}.items()}
    return {"case": case.name, **numbers, "difference": float(f"{difference(case):.1e}")}


def show(rows: list[dict[str, object]]) -> None:
    table = Table(title="median time on one thread; ratio below 1: ours is faster", box=None)
    for heading in (
        "",
        "ours ms",
        "torch ms",
        "onnxruntime ms",
        "/ torch",
        "/ onnxruntime",
        "differs",
    ):
        table.add_column(heading, justify="left" if not heading else "right")
    keys = ("ours_ms", "torch_ms", "onnxruntime_ms", "ours_over_torch", "ours_over_onnxruntime")
    for each in rows:
        cells = [str(each.get(key, "-")) for key in (*keys, "difference")]
        table.add_row(str(each["case"]), *cells)
    Console(width=130).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="time for each case")
    budget_s = parser.parse_args().seconds
    torch.set_num_threads(1)
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        rows = [row(case, budget_s) for case in cases(Path(folder))]
    show(rows)
    weights = {"spotter": spotter().weights, "flower": flower().weights}
    versions = {name: version(name) for name in ("numpy", *PEERS)}
    print(json.dumps({"bench": "core", "threads": 1, "weights": weights, **versions, "rows": rows}))


if __name__ == "__main__":
    main()
