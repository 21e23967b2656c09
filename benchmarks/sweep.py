"""What sweeping saves: dense scans against windows one by one, live hops against peers' state."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from itertools import islice, product
from math import prod
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from threadpoolctl import threadpool_limits

from benchmarks.competitors import inference
from benchmarks.hops import hop
from benchmarks.measure import OURS, PEERS, Case, difference, seconds
from benchmarks.networks import flower, spotter
from cnn_core.arrays import Array
from cnn_core.dense_scan import dense
from cnn_core.fold import fold
from cnn_core.fully_convolutional import fully_convolutional
from cnn_core.layers import Layer
from cnn_core.networks import lenet5
from cnn_core.scan import scan

BANDS = 40
HOUR_FRAMES = 360_000
"""One hour of 10 ms frames."""
HOP_FRAMES = 3
TILES = (2048, 1024, 512)
STREAMS = (1, 8, 64, 512)
WINDOWS, AT_ONCE = 1024, 256
"""Windows of which the time of all is reckoned, and how many of them are one batch."""
FIELDS = 4
"""Fields of a picture an axis, and in a batch: their square stands for all."""

Row = dict[str, object]


def by_windows(name: str, net: Layer, x: Array, stride: int, repeats: int) -> Row:
    """A scan at a stride against every window cut out, in batches."""
    rewritten, sizes = dense(net, stride), [int(window.size) for window in net.windows]
    counts = [(n - size) // stride + 1 for n, size in zip(x.shape[1:-1], sizes, strict=True)]
    corners = np.array(list(islice(np.ndindex(*counts), WINDOWS))) * stride
    part = np.concatenate([x[(slice(None), *_box(corner, sizes))] for corner in corners])
    batches = np.split(part, range(AT_ONCE, len(part), AT_ONCE))
    count = prod(counts)
    return _gain(
        name,
        windows=count,
        dense_s=_median_s([lambda: scan(net, x, stride=stride)], repeats),
        naive_s=_median_s([partial(net.forward, batch) for batch in batches], repeats)
        * (count / len(part)),
        dense_macs=rewritten.multiply_adds(x.shape),
        naive_macs=net.multiply_adds((1, *sizes, x.shape[-1])) * count,
        part=len(part),
    )


def _box(corner: Array, sizes: list[int]) -> tuple[slice, ...]:
    return tuple(slice(at, at + size) for at, size in zip(corner.tolist(), sizes, strict=True))


def by_fields(name: str, net: Layer, side: int, repeats: int) -> Row:
    """A picture scanned at the network's own stride against the field of every score by itself.

    Fields in the middle, in batches, exactly as large as what a score sees: a network that pads
    meets zeros at their borders, which changes its scores there and not its work.
    """
    x = _noise((1, side, side, 3))
    counts = net.lengths(x.shape[1:-1])
    places = product(*(range(count // 2, count // 2 + FIELDS) for count in counts))
    spans = [[w.span(i) for w, i in zip(net.windows, place, strict=True)] for place in places]
    fields = np.concatenate([x[(slice(None), *(slice(*s) for s in span))] for span in spans])
    batches = np.split(fields, range(FIELDS, len(fields), FIELDS))
    count = prod(counts)
    return _gain(
        name,
        windows=count,
        dense_s=_median_s([lambda: scan(net, x)], repeats),
        naive_s=_median_s([partial(net.forward, batch) for batch in batches], repeats)
        * (count / len(fields)),
        dense_macs=net.multiply_adds(x.shape),
        naive_macs=net.multiply_adds((1, *fields.shape[1:])) * count,
        part=len(fields),
    )


def tiled(net: Layer, side: int | None, pixels: Array, whole: list[Array]) -> Row:
    """A large picture of bytes in tiles: seconds, NumPy's memory at its peak, what differs."""
    tracemalloc.start()
    start_s = time.perf_counter()
    scores = scan(net, pixels, tile=side, prepare=_numbers).scores
    taken_s = time.perf_counter() - start_s
    peak_mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    whole.append(scores)
    scale = max(1.0, float(np.abs(whole[0]).max()))
    return {
        "case": "flower: 6000 x 4000, " + (f"tiles of {side}" if side else "whole"),
        "seconds": _short(taken_s),
        "peak_mb": _short(peak_mb),
        "difference": _short(float(np.abs(scores - whole[0]).max()) / scale),
    }


def _numbers(pixels: Array) -> Array:
    return pixels.astype(np.float32) / 255


def _gain(
    name: str,
    *,
    windows: int,
    dense_s: float,
    naive_s: float,
    dense_macs: int,
    naive_macs: int,
    part: int,
) -> Row:
    times, work = naive_s / dense_s, naive_macs / dense_macs
    return {
        "case": name,
        "windows": windows,
        "reckoned_from": part,
        "dense_s": _short(dense_s),
        "naive_s": _short(naive_s),
        "gain": _short(times),
        "gain_in_multiply_adds": _short(work),
        "realised": _short(times / work),
    }


def _median_s(runs: list[Callable[[], object]], repeats: int) -> float:
    """Seconds of all runs together: medians, after one run that warms up."""
    runs[0]()
    taken = []
    for _ in range(repeats):
        start_s = time.perf_counter()
        for run in runs:
            run()
        taken.append(time.perf_counter() - start_s)
    return statistics.median(taken)


def peers(case: Case, budget_s: float, repeats: int) -> Row:
    """Medians in milliseconds and how many times slower than ours the others are."""
    taken = seconds(case, budget_s, repeats)
    medians = {name: 1e3 * statistics.median(each) for name, each in taken.items()}
    return {
        "case": case.name,
        "ms": {name: _short(ms) for name, ms in medians.items()},
        "times_ours": {n: _short(ms / medians[OURS]) for n, ms in medians.items() if n != OURS},
        "difference": _short(difference(case)),
    }


def measure(budget_s: float, repeats: int, folder: Path) -> dict[str, list[Row]]:
    word, photo = fold(spotter().net), fold(flower().net)
    digits = fully_convolutional(lenet5(np.random.default_rng(0)), (32, 32), 1)
    hour, page = _noise((1, HOUR_FRAMES, BANDS)), _noise((1, 512, 512, 1))
    gains: list[Callable[[], Row]] = [
        partial(by_windows, "spotter: one hour, every frame", word, hour, 1, repeats),
        partial(by_windows, "spotter: one hour, own stride 3", word, hour, 3, repeats),
        partial(by_windows, "LeNet-5: 512 x 512, every pixel", digits, page, 1, repeats),
        partial(by_fields, "flower: 1024 x 1024, own stride 8", photo, 1024, repeats),
    ]
    whole = inference("one hour, own stride 3", word, hour, folder)
    whole.runs[OURS] = lambda: scan(word, hour).scores
    makers: list[Callable[[], Row]] = [lambda: peers(whole, 0, repeats)]
    for streams in STREAMS:
        name = f"hop of 30 ms, {streams} streams"
        make = partial(hop, name, word, streams, HOP_FRAMES, BANDS, folder)
        makers.append(lambda make=make: peers(make(), budget_s, 5))  # type: ignore[misc]
    pixels = np.random.default_rng(0).integers(0, 255, (1, 4000, 6000, 3), np.uint8)
    scores: list[Array] = []
    tiles = [partial(tiled, photo, side, pixels, scores) for side in (None, *TILES)]
    kinds = {"gains": gains, "tiles": tiles, "peers": makers}
    order = [(kind, make) for kind, group in kinds.items() for make in group]
    found: dict[str, list[Row]] = {kind: [] for kind in kinds}
    for kind, make in track(order, "measuring", transient=True):
        found[kind].append(make())
    return found


def show(found: dict[str, list[Row]]) -> None:
    """The rows as tables."""
    titles = {
        "gains": "one thread: a scan against every window by itself",
        "tiles": "a large picture in tiles",
    }
    console = Console(width=170)
    for kind, title in titles.items():
        table = Table(title=title, box=None)
        for key in found[kind][0]:
            table.add_column(key.replace("_", " "), justify="left" if key == "case" else "right")
        for each in found[kind]:
            table.add_row(*map(str, each.values()))
        console.print(table)
    beside = Table(title="milliseconds, and in brackets how many times ours", box=None)
    columns = list(found["peers"][-1]["ms"])  # type: ignore[call-overload]
    for heading in ("case", *columns, "differs"):
        beside.add_column(heading, justify="left" if heading == "case" else "right")
    for each in found["peers"]:
        beside.add_row(
            str(each["case"]), *(_cell(each, name) for name in columns), str(each["difference"])
        )
    console.print(beside)


def _cell(row: Row, name: str) -> str:
    ms: dict[str, float] = row["ms"]  # type: ignore[assignment]
    times: dict[str, float] = row["times_ours"]  # type: ignore[assignment]
    if name not in ms:
        return "-"
    return f"{ms[name]:.3g}" + (f" ({times[name]:.2g})" if name in times else "")


def _noise(shape: tuple[int, ...]) -> Array:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="time for each kind of hop")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each long case")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        found = measure(given.seconds, given.repeats, Path(folder))
    show(found)
    weights = {"spotter": spotter().weights, "flower": flower().weights}
    versions = {name: version(name) for name in ("numpy", *PEERS)}
    print(json.dumps({"bench": "sweep", "threads": 1, "weights": weights, **versions, **found}))


if __name__ == "__main__":
    main()
