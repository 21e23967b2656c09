"""Writes ATTRIBUTION.md: who made what the shipped models learnt from, read off the manifests."""

from __future__ import annotations

import csv
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from sweepnet_service.detectors.image.config import UNCLEAR_SOURCES

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("SWEEPNET_DATA") or ROOT.parent / "shared" / "data")
Row = dict[str, str]

HEAD = """# Attribution

The shipped models learnt from the works below; each is used under the licence named with it.
No recording and no photo of them is part of this repository or of its packages.
`scripts/attribution.py` writes this page from the manifests of the data.

## What the demo shows

- Telephone prompts: spoken by Allison Smith, Debian's package asterisk-core-sounds-en-wav, CC BY-SA 3.0. Fetched when the demo runs; no model learnt from that voice.
- `flower.jpg` by vultilion and `china.jpg` by danielbuechele, both CC BY 2.0, as scikit-learn ships them. Fetched when the demo runs; no model learnt from them.

## The model `welcome`: speech

| corpus | by | licence | taken from |
|---|---|---|---|
| LibriSpeech | Vassil Panayotov, Guoguo Chen, Daniel Povey, Sanjeev Khudanpur; readers of LibriVox | CC BY 4.0 | zhangrui0712/Voice-Age, resemble-ai/Resemblyzer, Jenny-Smolensky/LibriSpeechFilesParser, Walleclipse/Deep_Speaker-speaker_recognition_system |
| speechocean762 | Junbo Zhang and others, 2021 (arXiv:2104.01378) | "free download for both commercial and non-commercial purposes" | jimbozhang/speechocean762 |
| speech-to-intent | Picovoice | Apache-2.0 | Picovoice/speech-to-intent-benchmark |
| wake words and phrases | Picovoice | Apache-2.0 | Picovoice/wake-word-benchmark |
| AMI meetings | the AMI consortium | CC BY 4.0 | pyannote/pyannote-audio |
| VCTK | Junichi Yamagishi, Christophe Veaux, Kirsten MacDonald; University of Edinburgh | CC BY 4.0 | auspicious3000/autovc |
| LJSpeech | Keith Ito, Linda Johnson | public domain | mozilla/TTS |
| Speech Commands | Pete Warden; Google | CC BY 4.0 | manashmandal/DeadSimpleSpeechRecognizer, vinsis/speech-commands-recognition |
| Free Spoken Digit Dataset | Zohar Jackson and others | CC BY-SA 4.0 | Jakobovski/free-spoken-digit-dataset |
| custom speech commands | Shawn Hymel | CC BY 4.0 | ShawnHymel/custom-speech-commands-dataset |
| Precise community data | el-tocino, krisgesling | public domain | MycroftAI/Precise-Community-Data |
| "welcome" | Ashley Hindle, 2015 | MIT | ashleyhindle/myconferenceisonfire |

Synthetic speech is made by the programs espeak-ng and flite.

## The model `welcome`: background noise and rooms

"""  # noqa: E501

ROOMS = """
Room responses: OpenAIR (University of York), through burnson/Reverb.js: SpokaneWomansClub (CC BY), SportsCentreUniversityOfYork (CC BY-SA), UndergroundCarPark (CC BY-SA 3.0); Basement, DomesticLivingRoom, EmptyApartmentBedroom, PurnodesRailroadTunnel and SaintLawrenceChurchMolenbeekWersbeekBelgium (public domain).
Kitchen: GoogleChromeLabs/web-audio-samples (Apache-2.0).

## The model `flower`

- Boxes: Roboflow, project mikolich/flowers-tpe75-ouu36, version 2, CC BY 4.0 (through dnedits/Flowers_Detection).
- Photos without flowers: marcusklasson/GroceryStoreDataset (MIT), alexeygrigorev/clothing-dataset-small (CC0), pierotofy/drone_dataset_brighton_beach (BSD-2-Clause), udacity/CarND-Advanced-Lane-Lines (MIT).
"""  # noqa: E501


def read(path: str) -> list[Row]:
    with (DATA / path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def grouped(pairs: Iterable[tuple[str, str]]) -> str:
    """`name: number, number; name: number` in alphabetical order."""
    works: dict[str, set[str]] = defaultdict(set)
    for name, work in pairs:
        works[name].add(work)
    parts = (f"{name}: {', '.join(sorted(works[name]))}" for name in sorted(works, key=str.lower))
    return ";\n".join(parts) + ".\n"


def noise() -> str:
    rows = [row for row in read("speech/noise/manifest.csv") if row["split"] == "train"]
    credited = [row for row in rows if "BY" in row["licence"]]
    free = {(row["source_repo"], row["licence"]) for row in rows if row not in credited}
    lines = [
        "Freesound recordings under CC BY (3.0 where ESC-10 names a version), author: number of"
    ]
    lines += ["the sound; chosen and cut by karolpiczak/ESC-10 and rafaelmardojai/blanket.", ""]
    lines += [grouped((row["author"], _number(row["source_url"])) for row in credited)]
    lines += ["Free of conditions:"]
    lines += [f"- {repo} ({licence})" for repo, licence in sorted(free)]
    return "\n".join(lines) + "\n"


def _number(url: str) -> str:
    numbers = re.findall(r"\d+", url)
    return numbers[-1] if numbers else url


def negatives() -> str:
    rows = [row for row in read("images/MANIFEST.csv") if row["set"] == "negatives"]
    flickr = [
        row
        for row in rows
        if "COCO annotation" in row["licence"] and row["source_repo"] not in UNCLEAR_SOURCES
    ]
    kinds = {row["licence"].split(" (")[0] for row in flickr}
    lines = ["- Flickr photos as COCO lists them, by the number of the photo:"]
    for kind in sorted(kinds):
        numbers = [_photo(row["note"]) for row in flickr if row["licence"].startswith(kind + " (")]
        lines.append(f"  - {kind}: {', '.join(sorted(numbers))}")
    return "\n".join(lines) + "\n"


def _photo(url: str) -> str:
    return url.rsplit("/", 1)[-1].split("_")[0]


def photographers() -> str:
    rows = read("images/ATTRIBUTION_flickr.csv")
    licences = {row["licence"] for row in rows}
    if licences != {"CC BY 2.0"}:
        raise SystemExit(f"ATTRIBUTION_flickr.csv: got licences {licences}; expected CC BY 2.0")
    pairs = []
    for row in rows:
        user, number = row["url"].rstrip("/").split("/")[-2:]
        name = row["photographer"].strip()
        pairs.append((name if name == user else f"{name} ({user})", number))
    return grouped(pairs)


def main() -> int:
    photos = [
        "",
        "Photos of flowers: the TensorFlow set flower_photos, through Oldpel/flower_photos, each",
        "CC BY 2.0, cropped and scaled. Photographer (user): number of the photo; the photo is at",
        "flickr.com/photos/USER/NUMBER.",
        "",
    ]
    text = HEAD + noise() + ROOMS + negatives() + "\n".join(photos) + "\n" + photographers()
    (ROOT / "ATTRIBUTION.md").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
