"""The card of a phone trunk: what it learnt from, its phone errors, its cost; dict and Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cnn_core.tree import count_weights
from sweepnet_service.detectors.keyword.card import listed, plain
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.trunks.config import TrunkConfig
from sweepnet_service.detectors.keyword.trunks.measure import Cost, PhoneErrors
from sweepnet_service.detectors.keyword.trunks.reading import Reading

SPLITS = ("train", "validation", "test")
OF_PHONES = (
    "The true phones are what flite says for the texts, word for word as a dictionary has them: "
    "part of the errors are readers who say it otherwise.",
    "Scores are a softmax over phones and silence, not calibrated; words that are trained on the "
    "trunk are.",
)
OF_COST = "The time of a stream is that of the machine which trained; multiply-adds hold anywhere."


def make(
    config: TrunkConfig,
    recordings: Mapping[str, Mapping[str, int]],
    errors: Mapping[str, PhoneErrors],
    cost: Cost,
    reading: Reading | None,
) -> dict[str, Any]:
    """The card as JSON; `recordings` are counted by split and corpus."""
    return {
        "name": config.out.stem,
        "data": {
            **{split: dict(sorted(found.items())) for split, found in recordings.items()},
            "synthetic_sentences": config.synthesize,
        },
        "phone_errors": {name: found.to_dict() for name, found in errors.items()},
        "cost": dict(cost.to_dict()),
        "reading": reading.to_dict() if reading else None,
        "settings": {
            **asdict(config.settings),
            "copies": config.trunk_copies,
            "start_from": config.start_from.name if config.start_from else "random weights",
        },
        "cautions": [*OF_PHONES, OF_COST, *config.notes],
    }


def save(detector: KeywordDetector, out: Path) -> None:
    """The model file, and its card beside it."""
    detector.save(out)
    out.with_suffix(".md").write_text(as_text(detector))


def as_text(detector: KeywordDetector) -> str:
    """The card as Markdown."""
    card = detector.card
    lines = [
        f"# {card['name']}: phone trunk",
        "",
        f"{count_weights(detector.net):,} weights; {len(detector.labels)} phones, a score of each "
        f"every {1000 * detector.hop_s:.0f} ms from a window of {detector.window_s:.2f} s.",
        "",
        "## Phone errors",
        "",
        *error_lines(card["phone_errors"]),
        "## Cost",
        "",
        f"{card['cost']['multiply_adds_per_s'] / 1e6:.1f} million multiply-adds for a second of "
        f"audio; {card['cost']['stream_ms_per_s']:.1f} ms on one thread where 64 live streams are "
        f"heard together in hops of 30 ms, so about {card['cost']['streams_a_core']} a core.",
        "",
        *reading_lines(card["reading"]),
        "## Learnt from",
        "",
        *(f"- {split}: {listed(card['data'][split])}" for split in SPLITS),
        f"- sentences by espeak-ng and flite: {card['data']['synthetic_sentences']}",
        "",
        "## Settings",
        "",
        *(f"- {name}: {plain(value)}" for name, value in card["settings"].items()),
        "",
        "## Cautions",
        "",
        *(f"- {caution}" for caution in card["cautions"]),
    ]
    return "\n".join(lines) + "\n"


def error_lines(errors: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Phone errors as a table; nothing was measured where there was no held-out speech."""
    if not errors:
        return ["Not measured: there was no validation or test speech with its text.", ""]
    return [
        "Edits per phone, greedy, no language model, on readers that it never heard.",
        "",
        "| speech | sentences | phones | errors |",
        "|---|---|---|---|",
        *(
            f"| {name} | {each['sentences']:g} | {each['phones']:g} | {each['percent']:.1f} % |"
            for name, each in errors.items()
        ),
        "",
    ]


def reading_lines(reading: Mapping[str, Any] | None) -> list[str]:
    """How words do that are read off the phones alone."""
    if reading is None:
        return []
    rates = reading["rates"]
    return [
        "## Words read off the phones alone",
        "",
        f"{reading['words']} words and phrases of validation sentences ({reading['hours']:.2f} h, "
        "voices that it never heard); missed at so many false alarms an hour for each word:",
        "",
        f"| phones | words | said | {' | '.join(f'{rate:g} an hour' for rate in rates)} |",
        "|---" * (3 + len(rates)) + "|",
        *(
            f"| {' to '.join(map(str, group['phones']))} | {group['words']} | {group['said']} | "
            f"{' | '.join(missed_at(group['points'], rate) for rate in rates)} |"
            for group in reading["groups"]
        ),
        "",
    ]


def missed_at(points: Sequence[Mapping[str, float]], rate: float) -> str:
    """The misses at a rate; "-" where there was too little speech to tell."""
    found = (each for each in points if each["false_alarms_per_hour"] == rate)
    return next((f"{100 * each['miss_rate']:.0f} %" for each in found), "-")
