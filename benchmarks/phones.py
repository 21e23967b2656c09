"""Phone errors of a keyword model's trunk, greedy, by corpus and split; the last line is JSON.

Readers of the validation and test parts, whom the trunk never heard. Needs the data folder
(SWEEPNET_DATA, default ../shared/data) and flite for the true phones.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

import sweepnet_service
from cnn_core.layers import Sequential
from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.detectors.keyword.assembly import taken_apart
from sweepnet_service.detectors.keyword.trunks.measure import PhoneErrors, phone_errors
from sweepnet_service.detectors.keyword.trunks.speech import check_speech, read_speech
from sweepnet_service.progress import ignored

MODEL = Path(sweepnet_service.__file__).parent / "models" / "welcome.safetensors"


def errors_of(model: Path, data: Path) -> dict[str, PhoneErrors]:
    """The errors of a model's trunk by "corpus, split"."""
    detector = KeywordDetector.load(model)
    parts = taken_apart(detector.net)
    if parts is None:
        raise SystemExit("this model has no phone trunk")
    trunk, output = parts
    speech = read_speech(data)
    check_speech(speech)
    with tempfile.TemporaryDirectory() as folder:
        net, cache = Sequential((*trunk.layers, output)), Path(folder) / "phones.json"
        return phone_errors(net, detector.features, speech.recordings, cache, ignored)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("SWEEPNET_DATA", "../shared/data"))
    )
    options = parser.parse_args()
    found = errors_of(options.model, options.data)
    table = Table("corpus, split", "sentences", "phones", "phone errors", box=None)
    for name, each in found.items():
        table.add_row(name, str(each.sentences), str(each.phones), f"{each.percent:.1f} %")
    Console().print(table)
    rates = {name.replace(",", ""): round(each.percent, 1) for name, each in found.items()}
    print(json.dumps({"bench": "phones", "phone_error_rate_percent": rates}))


if __name__ == "__main__":
    main()
