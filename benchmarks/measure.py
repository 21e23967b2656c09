"""Time and memory of the same work by several competitors, in turn, on one thread."""

from __future__ import annotations

import os
import statistics
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from cnn_core.arrays import Array

OURS, PEERS = "ours", ("torch", "onnxruntime")
LEAST_MB = 0.5
"""The kernel counts the pages of a process in batches: less than this is not told apart."""
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Case:
    """One thing to compute; every competitor is called without arguments and gives its result."""

    name: str
    runs: dict[str, Callable[[], Array]]
    warm_up: int = 2
    random: bool = False
    """Whether each run draws anew, so that outputs may differ."""


def seconds(case: Case, budget_s: float, fewest: int = 5) -> dict[str, list[float]]:
    """Seconds of each of `fewest` runs or more; competitors take turns, so that they meet the
    same machine."""
    for run in case.runs.values():
        for _ in range(case.warm_up):
            run()
    taken: dict[str, list[float]] = {name: [] for name in case.runs}
    order = list(case.runs)
    end_s = time.perf_counter() + budget_s
    while time.perf_counter() < end_s or len(taken[OURS]) < fewest:
        order = order[1:] + order[:1]
        for name in order:
            start_s = time.perf_counter()
            case.runs[name]()
            taken[name].append(time.perf_counter() - start_s)
    return taken


def difference(case: Case) -> float:
    """Largest deviation of a peer from ours; outputs larger than 1 are taken as 1."""
    ours = case.runs[OURS]()
    scale = max(1.0, float(np.abs(ours).max(initial=0.0)))
    peers = [run() for name, run in case.runs.items() if name != OURS]
    return max(float(np.abs(y - ours).max(initial=0.0)) for y in peers) / scale


def peak_mb(run: Callable[[], Array]) -> float:
    """Growth of the resident memory at its peak over one call, in a process of its own.

    The process is a copy of this one, made when everything is loaded, and calls once before (in
    their first call libraries load code): what grows is the output and what lies between.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            run()
            CLEAR.write_text("5")  # the peak so far is forgotten
            before = _resident_kb("VmRSS")
            run()
            os.write(writer, str(_resident_kb("VmHWM") - before).encode())
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        told = answer.read()
    os.waitpid(child, 0)
    if not told:
        raise RuntimeError("peak_mb: the measured call failed; what it raised stands above")
    return int(told) / 1024


def _resident_kb(entry: str) -> int:
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(entry))


def row(case: Case, budget_s: float, peaks_mb: dict[str, float]) -> dict[str, object]:
    """Medians in milliseconds, ratios (below 1: ours is faster), memory, the largest difference."""
    medians = {k: 1e3 * statistics.median(v) for k, v in seconds(case, budget_s).items()}
    best_ms = min(medians[name] for name in medians if name != OURS)
    numbers = {f"{name}_ms": value for name, value in medians.items()}
    numbers |= {f"ours_over_{k}": medians[OURS] / medians[k] for k in medians if k != OURS}
    numbers["speed_of_best_peer"] = best_ms / medians[OURS]
    numbers |= {f"{name}_peak_mb": value for name, value in peaks_mb.items()}
    rounded = {k: float(f"{v:.4g}") for k, v in numbers.items()}
    deviation = None if case.random else float(f"{difference(case):.1e}")
    return {"case": case.name, **rounded, "difference": deviation}


COLUMNS = {
    "ours ms": "ours_ms",
    "torch ms": "torch_ms",
    "onnxruntime ms": "onnxruntime_ms",
    "/ torch": "ours_over_torch",
    "/ onnxruntime": "ours_over_onnxruntime",
    "of the best": "speed_of_best_peer",
    "ours MB": "ours_peak_mb",
    "torch MB": "torch_peak_mb",
    "differs": "difference",
}


def show(rows: list[dict[str, object]]) -> None:
    """The rows as a table."""
    table = Table(
        title="one thread: median times, ratios (below 1: ours is faster), our speed as a share "
        "of the best peer's, peak memory of one call",
        box=None,
    )
    for heading in ("", *COLUMNS):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for each in rows:
        cells = [_short(key, each.get(key)) for key in COLUMNS.values()]
        table.add_row(str(each["case"]), *cells)
    Console(width=165).print(table)


def _short(key: str, value: object) -> str:
    if not isinstance(value, float):
        return "-"
    if key.endswith("_mb") and value < LEAST_MB:
        return f"<{LEAST_MB}"
    return f"{value:.3g}"
