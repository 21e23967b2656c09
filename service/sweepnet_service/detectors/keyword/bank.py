"""Features of many recordings on disk: one array of frames, and where each recording lies in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnn_core.arrays import Array, Integers
from sweepnet_service.detectors.keyword.augment import Augment, set_level
from sweepnet_service.detectors.keyword.dataset import Recording, Spoken, relative_word
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.detectors.keyword.frontend import FrontEnd
from sweepnet_service.detectors.keyword.parallel import in_order


@dataclass(frozen=True)
class Bank:
    """`frames` (F, bands) float16, mapped from disk; recording i is [starts[i], starts[i + 1]).

    `words` (n, 2): where the keyword begins and ends, in frames of the recording; NaN if unknown.
    """

    frames: Array
    starts: Integers
    words: Array

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Integers:
        return np.diff(self.starts)

    def __getitem__(self, index: int) -> Array:
        return self.frames[self.starts[index] : self.starts[index + 1]]


def augmented(
    spoken: Iterable[Spoken],
    augment: Augment,
    seed: int,
    features: LogMel,
    workers: int | None = None,
) -> Iterable[tuple[Array, tuple[float, float]]]:
    """Features and word place of each recording, changed by `augment`, each with its own seed.

    All cores share the work (`workers`: so many); what comes out is the same for any number.
    """

    def changed(numbered: tuple[int, Spoken]) -> tuple[Array, tuple[float, float]]:
        index, (recording, samples) = numbered
        heard, stretch = augment(samples, np.random.default_rng((seed, index)))
        return features.frames(heard), word_frames(recording, stretch, features)

    return in_order(changed, enumerate(spoken), workers)


def plain(
    spoken: Iterable[Spoken], features: FrontEnd, level_db: float | None = None
) -> Iterable[tuple[Array, tuple[float, float]]]:
    """Features and word place of each recording as it is, or set to a level."""
    for recording, samples in spoken:
        heard = samples if level_db is None else set_level(samples, level_db)
        yield features.frames(heard), word_frames(recording, 1.0, features)


def word_frames(recording: Recording, stretch: float, features: FrontEnd) -> tuple[float, float]:
    """Where the keyword begins and ends, in frames; NaN where the times are not known."""
    start_s, end_s = relative_word(recording) or (np.nan, np.nan)
    return start_s * stretch / features.hop_s, end_s * stretch / features.hop_s


def write_bank(
    path: Path,
    rows: Iterable[tuple[Array, tuple[float, float]]],
    report: Callable[[int], None] = lambda done: None,
) -> Bank:
    """The bank of `rows` at `path` (a folder, made whole or not at all)."""
    partial = path.with_name(path.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    lengths, words, bands = [], [], 0
    with (partial / "frames.f16").open("wb") as file:
        for done, (frames, word) in enumerate(rows, 1):
            file.write(frames.astype(np.float16).tobytes())
            lengths.append(len(frames))
            words.append(word)
            bands = frames.shape[1]
            report(done)
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    np.savez(partial / "index.npz", starts=starts, words=np.reshape(words, (-1, 2)), bands=bands)
    os.replace(partial, path)
    return open_bank(path)


def open_bank(path: Path) -> Bank:
    """The bank that `write_bank` left at `path`."""
    index = np.load(path / "index.npz")
    shape = (int(index["starts"][-1]), int(index["bands"]))
    empty = shape[0] == 0
    frames = (
        np.empty(shape, np.float16)
        if empty
        else np.memmap(path / "frames.f16", np.float16, "r", shape=shape)
    )
    return Bank(frames, index["starts"], index["words"])
