"""What can be told of a recording by its samples alone: length, level, clipping, voice, content.

Kept in a CSV file, so that a rerun opens only what is new or has changed.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import groupby
from pathlib import Path

import numpy as np

from cnn_core.arrays import Array
from cnn_core.modelfile import write_whole
from sweepnet_service.detectors.keyword.dataset import (
    LONGEST_FILE_S,
    Recording,
    read_samples,
)
from sweepnet_service.detectors.keyword.intake import seconds_of
from sweepnet_service.detectors.keyword.parallel import in_order
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Report, paced

BLOCK = 400
FULL_SCALE = 0.985
SILENCE_DB = -120.0
FRAME, LAGS = 640, np.arange(40, 231)
LOUDEST, LOUD = 200, 300.0
"""At most so many frames of 40 ms, none softer than a 300th of the loudest."""
SMALLEST = 1e-20


@dataclass(frozen=True)
class Measure:
    """Level of the loudest blocks of 25 ms in dB full scale, how far above the softest they lie,
    the share of samples at full scale, a hash of the content ("" for silence); `problem` is why it
    cannot be read; `voiced` how periodic it gets at a voice's pitch, 0 to 1.
    """

    seconds: float = 0.0
    level_db: float = SILENCE_DB
    spread_db: float = 0.0
    clipped: float = 0.0
    content: str = ""
    problem: str = ""
    voiced: float = 0.0


Key = tuple[str, str, str, str, str]
KEYS = ("file", "start_s", "end_s", "bytes", "changed_ns")


def measured(recordings: Sequence[Recording], kept: Path, report: Report) -> list[Measure]:
    """The measure of each recording, on all cores; those in the file `kept` are not taken again."""
    keys = [key_of(row) for row in recordings]
    known = read_kept(kept)
    missing = [row for row, key in zip(recordings, keys, strict=True) if key not in known]
    if missing:
        files = [list(rows) for _, rows in groupby(missing, key=lambda row: row.path)]
        tell = paced("checking recordings", len(missing), report)
        done = 0
        for rows, found in zip(files, in_order(measured_file, files), strict=True):
            known |= {key_of(row): measure for row, measure in zip(rows, found, strict=True)}
            done += len(rows)
            tell(done)
        write_kept(kept, {key: known[key] for key in keys})
    return [known[key] for key in keys]


def measured_file(rows: Sequence[Recording]) -> list[Measure]:
    """The measures of recordings that lie in one file."""
    try:
        length_s = seconds_of(rows[0].path)
        if length_s > LONGEST_FILE_S:
            problem = (
                f"its file lasts {length_s / 3600:.1f} h; cut it into pieces of an hour at most"
            )
            return [Measure(seconds=length_s, problem=problem)] * len(rows)
        return [measure(samples) for _, samples in read_samples(rows)]
    except InvalidInput as error:
        return [Measure(problem=error.message)] * len(rows)


def measure(samples: Array) -> Measure:
    """What samples (n,) at 16 kHz tell."""
    blocks = samples[: len(samples) // BLOCK * BLOCK].reshape(-1, BLOCK)
    # Without the mean of each block, so that a constant offset is no sound.
    power_db = 10 * np.log10(np.maximum(np.var(blocks, axis=1), 1e-12)) if len(blocks) else []
    loud, soft = np.percentile(power_db, (95, 10)) if len(blocks) else (SILENCE_DB, SILENCE_DB)
    # Silence is the same everywhere, and no sign of a copy.
    audible = loud > SILENCE_DB
    whole = np.round(np.clip(samples, -1, 1) * 32_767).astype("<i2")
    return Measure(
        seconds=len(samples) / 16_000,
        level_db=float(loud),
        spread_db=float(loud - soft),
        clipped=float(np.mean(np.abs(samples) >= FULL_SCALE)) if len(samples) else 0.0,
        content=hashlib.sha256(whole.tobytes()).hexdigest()[:32] if audible else "",
        voiced=voicing(samples),
    )


def voicing(samples: Array) -> float:
    """The highest normalised correlation (Talkin 1995) of the loudest 40 ms with what comes 2.5 to
    14.4 ms later, a voice's pitch of 70 to 400 Hz: 1 for a vowel, about 0.2 for noise.
    """
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    if not frames.size:
        return 0.0
    power = np.var(frames, axis=1)
    loudest = np.argsort(-power)[:LOUDEST]
    frames = frames[loudest[power[loudest] >= power.max() / LOUD]]
    frames -= np.mean(frames, axis=1, keepdims=True)
    spectrum = np.fft.rfft(frames, 2 * FRAME)
    products = np.fft.irfft(np.abs(spectrum) ** 2)[:, LAGS]
    energy = np.cumsum(np.pad(frames**2, ((0, 0), (1, 0))), axis=1)
    both = energy[:, FRAME - LAGS] * (energy[:, -1:] - energy[:, LAGS])
    return float(np.max(products / np.sqrt(np.maximum(both, SMALLEST))))


def key_of(row: Recording) -> Key:
    """What a measure holds for: a part of a file as it was."""
    try:
        state = row.path.stat()
        version = (str(state.st_size), str(state.st_mtime_ns))
    except OSError:
        version = ("", "")
    return (str(row.path), str(row.start_s), str(row.end_s), *version)


def read_kept(path: Path) -> dict[Key, Measure]:
    """The measures in a file of `write_kept`; none where it is missing or damaged."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {
                (row[KEYS[0]], row[KEYS[1]], row[KEYS[2]], row[KEYS[3]], row[KEYS[4]]): _read(row)
                for row in csv.DictReader(file)
            }
    except (OSError, KeyError, ValueError, TypeError):
        return {}


def _read(row: dict[str, str]) -> Measure:
    return Measure(
        seconds=float(row["seconds"]),
        level_db=float(row["level_db"]),
        spread_db=float(row["spread_db"]),
        clipped=float(row["clipped"]),
        content=row["content"],
        problem=row["problem"],
        voiced=float(row["voiced"]),
    )


def write_kept(path: Path, known: dict[Key, Measure]) -> None:
    """The measures as a table."""
    names = (*KEYS, *(field.name for field in fields(Measure)))
    write_table(path, names, [(*key, *asdict(found).values()) for key, found in known.items()])


def write_table(path: Path, names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A CSV file with these columns, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    write_whole(path, text.getvalue().encode())
