"""The speech for the phone trunk, ready to learn from: augmented features, kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.augment import LEVEL_DB, Augment, set_level
from sweepnet_service.detectors.keyword.bank import Bank, augmented, open_bank, plain, write_bank
from sweepnet_service.detectors.keyword.dataset import (
    RATE_HZ,
    Recording,
    may_ship,
    read_continuous,
    read_noise,
    read_rooms,
    read_samples,
)
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.detectors.keyword.phones import pronounce_all
from sweepnet_service.detectors.keyword.trunk import Transcribed
from sweepnet_service.progress import Report, paced

Rows = Iterable[tuple[Array, tuple[float, float]]]
UNKNOWN = (np.nan, np.nan)
HOLDS = {
    "positive": "recordings of the word",
    "weak": "recordings with the word somewhere",
    "negative": "other speech",
    "mined": "false alarms that were mined",
    "noise-only": "noise",
    "spliced": "words put together",
    "speech": "transcribed speech",
    "synthetic-positive": "synthetic words",
    "synthetic-negative": "synthetic speech",
}
"""What the banks of a work folder hold, in words."""
BABBLES, BABBLE_OF, BABBLE_S = 40, 60, 6


def speech_for_trunk(
    data: Path, work_dir: Path, copies: int, seed: int, features: LogMel, report: Report
) -> Transcribed:
    """All transcribed training speech of `data` in `copies` augmented copies, with its phones."""
    speech = [row for row in read_continuous(data) if may_ship(row) and row.text]
    phones = pronounce_all([row.text for row in speech], work_dir / "phones.json")
    augment = Augment(rooms=read_rooms(data))
    banks = [
        kept_bank(
            work_dir / f"speech-{copy}",
            lambda copy=copy: augmented(read_samples(speech), augment, seed + copy, features),  # type: ignore[misc]
            len(speech),
            report,
        )
        for copy in range(copies)
    ]
    labels = tuple(np.array(phones[row.text]) for row in speech)
    return Transcribed(tuple(banks), labels, tuple(row.speaker for row in speech))


def noise_frames(data: Path, work_dir: Path, seed: int, features: LogMel, report: Report) -> Array:
    """Frames of background to mix in: recorded and coloured noise, other readers alone and several
    at once; (F, bands).
    """
    speech = [row for row in read_continuous(data) if may_ship(row)]
    rng = np.random.default_rng(seed)
    readers = [speech[index] for index in sorted(rng.permutation(len(speech))[:200])]
    recorded = [row for row in read_noise(data) if row.split == "train"]

    def rows() -> Rows:
        yield from plain(read_samples(recorded), features, LEVEL_DB)
        for exponent in (0.0, 1.0, 2.0):
            noise = set_level(coloured(rng, 60 * features.rate_hz, exponent), LEVEL_DB)
            yield features.frames(noise), UNKNOWN
        yield from plain(read_samples(readers), features, LEVEL_DB)
        for several in babble(readers, rng):
            yield features.frames(set_level(several, LEVEL_DB)), UNKNOWN

    total = len(recorded) + 3 + len(readers) + BABBLES
    return kept_bank(work_dir / "background", rows, total, report).frames


def babble(recordings: Sequence[Recording], rng: np.random.Generator) -> list[Array]:
    """Several people talking at once, 6 s (n,) each time."""
    if not recordings:
        return []
    chosen = [recordings[int(index)] for index in rng.integers(0, len(recordings), BABBLE_OF)]
    # In order of file, so that each file is decoded once.
    chosen.sort(key=lambda row: (str(row.path), row.start_s))
    return at_once([samples for _, samples in read_samples(chosen)], rng)


def at_once(talk: Sequence[Array], rng: np.random.Generator) -> list[Array]:
    """Three to six of these (n,) at one level together, 6 s each time; none where all are empty."""
    voices = [set_level(samples, LEVEL_DB) for samples in talk if len(samples)]
    if not voices:
        return []
    drawn = (rng.permutation(len(voices))[: int(rng.integers(3, 7))] for _ in range(BABBLES))
    length = BABBLE_S * RATE_HZ
    return [
        np.sum([np.resize(voices[int(each)], length) for each in several], axis=0)
        for several in drawn
    ]


def coloured(rng: np.random.Generator, samples: int, exponent: float) -> Array:
    """Noise whose power falls with frequency ** exponent: white 0, pink 1, brown 2."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequency = np.maximum(np.arange(len(spectrum)), samples / 16_000 * 20)
    return np.fft.irfft(spectrum / frequency ** (exponent / 2), samples).astype(np.float32)


def kept_bank(path: Path, rows: Callable[[], Rows], total: int, report: Report) -> Bank:
    """The bank at `path`, made of `rows()` if it is not there yet."""
    if path.exists():
        return open_bank(path)
    return write_bank(path, rows(), paced(stage_of(path.name), total, report))


def stage_of(bank: str) -> str:
    """What the making of a bank is called: "positive-17" -> "features of recordings of the word,
    copy 17".
    """
    name, _, number = bank.rpartition("-")
    if not number.isdecimal():
        return f"features of {HOLDS.get(bank, bank)}"
    copy = f", copy {number}" if int(number) else ""
    return f"features of {HOLDS.get(name, name)}{copy}"
