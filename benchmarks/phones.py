"""Phone error rate of a keyword model's trunk, greedy, by corpus and split; the last line is JSON.

Needs the data folder (SWEEPNET_DATA, default ../shared/data) and flite for the true phones.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import sweepnet_service
from cnn_core.layers import Sequential
from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.detectors.keyword.assembly import taken_apart
from sweepnet_service.detectors.keyword.dataset import Recording, read_continuous
from sweepnet_service.detectors.keyword.phones import pronounce_all
from sweepnet_service.detectors.keyword.prepare import feature_list
from sweepnet_service.detectors.keyword.trunk import phone_error_rate

MODEL = Path(sweepnet_service.__file__).parent / "models" / "welcome.safetensors"
CORPORA = ("librispeech", "speechocean762")
SPLITS = ("validation", "test")


def phone_net(detector: KeywordDetector) -> Sequential:
    """The trunk with its phone output: log-mel frames to phone logits."""
    parts = taken_apart(detector.net)
    if parts is None:
        raise SystemExit("this model has no phone trunk")
    trunk, output = parts
    return Sequential((*trunk.layers, output))


def error_rate(detector: KeywordDetector, recordings: list[Recording], cache: Path) -> float:
    """Edits per phone in percent, over all recordings."""
    spoken = pronounce_all((row.text for row in recordings), cache)
    labels = [np.array(spoken[row.text]) for row in recordings]
    frames = feature_list(recordings, detector.features)
    return phone_error_rate(phone_net(detector), frames, labels, detector.features)


def rows_of(recordings: Iterable[Recording], corpus: str, split: str) -> list[Recording]:
    return [r for r in recordings if r.corpus == corpus and r.split == split and r.text]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("SWEEPNET_DATA", "../shared/data"))
    )
    options = parser.parse_args()
    detector = KeywordDetector.load(options.model)
    everything = read_continuous(options.data / "speech")
    table = Table("corpus", "split", "sentences", "phone error rate", box=None)
    rates = {}
    with tempfile.TemporaryDirectory() as folder:
        for corpus in CORPORA:
            for split in SPLITS:
                chosen = rows_of(everything, corpus, split)
                rate = error_rate(detector, chosen, Path(folder) / f"{corpus}-{split}.json")
                rates[f"{corpus} {split}"] = round(rate, 1)
                table.add_row(corpus, split, str(len(chosen)), f"{rate:.1f} %")
    Console().print(table)
    print(json.dumps({"bench": "phones", "phone_error_rate_percent": rates}))


if __name__ == "__main__":
    main()
