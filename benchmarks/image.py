"""Pictures to boxes: ours beside PyTorch and ONNX Runtime with the same network, on one thread and
two; all places at once beside each cut out; a large picture in tiles beside SAHI's slices."""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import onnxruntime
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from benchmarks.measure import OURS, Case, difference, seconds
from benchmarks.twin import channels_last, channels_second, twin
from cnn_core.arrays import Array
from cnn_core.scan import scan
from sweepnet_service.detectors.image import DetectOptions, ImageDetector
from sweepnet_service.detectors.image.boxes import STRIDE_PX, Letterbox
from sweepnet_service.detectors.image.inputs import GREY, normalise
from sweepnet_service.detectors.image.network import TOTAL_STRIDE_PX
from sweepnet_service.detectors.image.pixels import Picture, letterboxed, read_picture
from sweepnet_service.detectors.image.sweep import Sweep
from sweepnet_service.store.library import SHIPPED

Row = dict[str, object]
Net = Callable[[Array], Array]
SIZES = ((640, 480), (4000, 3000))
THREADS = (1, 2)
FRAME_PX = 640


def photo(width_px: int, height_px: int) -> bytes:
    """A JPEG with soft shapes and some noise, as large as a photo's."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (height_px // 40, width_px // 40, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((width_px, height_px), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88)
    return file.getvalue()


def boxes_by(net: Net, detector: ImageDetector, content: bytes) -> Array:
    """Decode, letterbox, sweep, boxes: all but the network is ours."""
    picture = read_picture(content, enough_px=2 * detector.size_px)
    box = Letterbox.of(picture.width_px, picture.height_px, detector.size_px)
    answers = net(normalise(letterboxed(picture, box, GREY))[None])[0]
    swept = Sweep.of(answers, box, detector.layout, detector.voters)
    return swept.found(0.02, DetectOptions()).scores[:20]


def nets(detector: ImageDetector, threads: int) -> dict[str, Net]:
    """The same network by three programs."""
    module = twin(detector.net).eval()

    def by_torch(x: Array) -> Array:
        with torch.inference_mode():
            return channels_last(module(channels_second(x)))

    session = in_onnx_runtime(detector, threads)
    return {
        OURS: lambda x: scan(detector.net, x).scores,
        "torch": by_torch,
        "onnxruntime": lambda x: np.moveaxis(
            session.run(None, {"x": channels_second(x).numpy()})[0], 1, -1
        ),
    }


def in_onnx_runtime(detector: ImageDetector, threads: int) -> onnxruntime.InferenceSession:
    given = channels_second(np.zeros(detector.input_shape, np.float32))
    file, options = io.BytesIO(), onnxruntime.SessionOptions()
    torch.onnx.export(twin(detector.net).eval(), (given,), file, input_names=["x"], dynamo=False)
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        file.getvalue(), options, providers=["CPUExecutionProvider"]
    )


def pictures(detector: ImageDetector, budget_s: float) -> list[Row]:
    """Milliseconds a picture, from the file's bytes to the boxes."""
    rows: list[Row] = []
    for threads in THREADS:
        torch.set_num_threads(threads)
        by_name = nets(detector, threads)
        for width_px, height_px in SIZES:
            content = photo(width_px, height_px)
            case = Case(
                f"{width_px} x {height_px} px, {threads} thread{'s' * (threads > 1)}",
                {k: lambda n=n, c=content: boxes_by(n, detector, c) for k, n in by_name.items()},
            )
            with threadpool_limits(threads):
                medians = {k: statistics.median(v) for k, v in seconds(case, budget_s).items()}
            told = {f"{k}_ms": round(1e3 * v, 2) for k, v in medians.items()}
            rows.append({"case": case.name, **told, "difference": difference(case)})
    return rows


def dense(detector: ImageDetector, budget_s: float) -> list[Row]:
    """All places of a picture at once, and each cut out with all that it can see: one thread.

    A few windows are timed; their scores are those of the dense scan.
    """
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, FRAME_PX, FRAME_PX, 3)).astype(np.float32)
    with threadpool_limits(1):
        whole = scan(detector.net, x).scores[0]
        middle = FRAME_PX // STRIDE_PX // 2
        cells = [(middle + row, middle + column) for row in range(2) for column in range(2)]
        apart = max(float(np.abs(window(detector, x, at) - whole[at]).max()) for at in cells)
        case = Case("dense", {
            OURS: lambda: scan(detector.net, x).scores,
            "window": lambda: window(detector, x, cells[0]),
        })  # fmt: skip
        median = {k: statistics.median(v) for k, v in seconds(case, budget_s).items()}
    count = whole.shape[0] * whole.shape[1]
    return [
        {
            "case": f"{FRAME_PX} x {FRAME_PX} px, {count} places",
            "dense_ms": round(1e3 * median[OURS], 1),
            "a window_ms": round(1e3 * median["window"], 1),
            "all windows_s": round(count * median["window"], 1),
            "times": round(count * median["window"] / median[OURS]),
            "difference": apart,
        }
    ]


def window(detector: ImageDetector, x: Array, cell: tuple[int, int]) -> Array:
    """The answers at a cell from its window alone, cut so that strides fall as in the whole."""
    spans = [w.span(at) for w, at in zip(detector.net.windows, cell, strict=True)]
    starts = [int(low // TOTAL_STRIDE_PX) * TOTAL_STRIDE_PX for low, _ in spans]
    ends = [int(-(-high // TOTAL_STRIDE_PX)) * TOTAL_STRIDE_PX for _, high in spans]
    part = x[:, starts[0] : ends[0], starts[1] : ends[1]]
    at = tuple(c - start // STRIDE_PX for c, start in zip(cell, starts, strict=True))
    return np.asarray(scan(detector.net, part).scores[0][at])


def large(detector: ImageDetector) -> list[Row]:
    """A picture at its own pixels: our sweeps in tiles, and SAHI's slices, both 1 thread."""
    picture = read_picture(photo(3000, 2000))
    name = f"swept in tiles ({detector.size_px} px to 3000 px)"
    with threadpool_limits(1):
        rows = [timed(name, lambda: tiled(detector, picture))]
        try:
            from benchmarks.slices import OVERLAP, boxes_in_slices
        except ImportError as error:
            print(f"SAHI cannot be used here ({error}): its slices are left out")
            return rows
        name = f"SAHI's slices of {detector.size_px} px, {OVERLAP:.0%} over, and the whole"
        return [*rows, timed(name, lambda: boxes_in_slices(detector, picture))]


def tiled(detector: ImageDetector, picture: Picture) -> int:
    return len(detector.detect(picture, DetectOptions(tile=True)).boxes)


def timed(name: str, run: Callable[[], int]) -> Row:
    start_s = time.perf_counter()
    boxes = run()
    return {"case": name, "seconds": round(time.perf_counter() - start_s, 2), "boxes": boxes}


def show(title: str, rows: list[Row]) -> None:
    table = Table(title=title, box=None)
    for heading in rows[0]:
        table.add_column(heading, justify="left" if heading == "case" else "right")
    for row in rows:
        table.add_row(*(f"{v:.1e}" if k == "difference" else str(v) for k, v in row.items()))
    Console(width=120).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each case")
    chosen = parser.parse_args()
    detector = ImageDetector.load(SHIPPED / "flower.safetensors")
    found = {
        "pictures": pictures(detector, chosen.seconds),
        "dense": dense(detector, chosen.seconds),
        "large": large(detector),
    }
    show(f"decode, sweep at {detector.size_px} px and boxes", found["pictures"])
    show("every place, one thread", found["dense"])
    show("3000 x 2000 px at its own pixels, one thread", found["large"])
    versions = {name: version(name) for name in ("numpy", "torch", "onnxruntime")}
    print(json.dumps({**found, "versions": versions}))


if __name__ == "__main__":
    main()
