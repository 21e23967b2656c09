"""How far the words told lie from the true ones: error of start, end and middle, in seconds.

On recordings whose word is located (forced alignment, good to about 0.1 s, or the loud part of a
clip). Beside the deployed estimate, the word's median place after the start of the window that
scores highest, stands the window itself. Needs the data folder; the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import sweepnet_service
from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword import KeywordDetector, KeywordEvent
from sweepnet_service.detectors.keyword.dataset import RATE_HZ, relative_word
from sweepnet_service.detectors.keyword.evaluate import Heard, events, hear, measured_on

MODEL = Path(sweepnet_service.__file__).parent / "models" / "welcome.safetensors"
Span = tuple[float, float]


def told_s(detector: KeywordDetector, label: str, heard: Heard, word_s: Span) -> Span | None:
    """The event that overlaps the true word most; None where none does."""
    threshold = detector.default_thresholds[label]
    found = [span_s(event) for event in events(detector, label, heard, threshold)]
    overlapping = [span for span in found if shared_s(span, word_s) > 0]
    return max(overlapping, key=lambda span: shared_s(span, word_s), default=None)


def span_s(event: KeywordEvent) -> Span:
    return event.start / RATE_HZ, event.end / RATE_HZ


def shared_s(a: Span, b: Span) -> float:
    return min(a[1], b[1]) - max(a[0], b[0])


def window_s(detector: KeywordDetector, heard: Heard) -> Span:
    """The window that scores highest."""
    first, past = detector.window.span(int(heard.scores.argmax()))
    shift = detector.padding_samples
    return (first - shift) / RATE_HZ, (past - shift) / RATE_HZ


def quantiles(errors: Array) -> dict[str, float]:
    """Bias (median with its sign), then the median and the 90th percentile without it."""
    sizes = np.abs(errors)
    figures = np.median(errors), np.median(sizes), np.percentile(sizes, 90)
    return dict(zip(("bias_s", "median_s", "90_percent_s"), np.round(figures, 3), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--split", nargs="+", default=["validation", "test"])
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("SWEEPNET_DATA", "../shared/data"))
    )
    options = parser.parse_args()
    detector = KeywordDetector.load(options.model)
    label = detector.labels[0]
    columns = ("split", "estimate", "words", "edge", "bias", "median", "90 % below")
    table = Table(*columns, box=None)
    result: dict[str, dict[str, object]] = {}
    for split in options.split:
        words = measured_on(options.data / "speech", label, split).words
        heard = list(hear(detector, words, label))
        pairs = [
            (told, window_s(detector, each), true)
            for each in heard
            if (true := relative_word(each.recording))
            and (told := told_s(detector, label, each, true))
        ]
        result[split] = {"words": len(heard), "found": len(pairs)}
        for name, place in (("event", 0), ("window", 1)):
            errors = np.array([np.subtract(pair[place], pair[2]) for pair in pairs])
            edges = {"start": errors[:, 0], "end": errors[:, 1], "middle": errors.mean(axis=1)}
            for edge, values in edges.items():
                figures = quantiles(values)
                result[split][f"{name} {edge}"] = figures
                counts = f"{len(pairs)} of {len(heard)}"
                cells = (f"{value:.2f} s" for value in figures.values())
                table.add_row(split, name, counts, edge, *cells)
    Console().print(table)
    print(json.dumps({"bench": "extents", "model": options.model.name, **result}))


if __name__ == "__main__":
    main()
