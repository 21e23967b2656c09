"""Porcupine 1.9.5, the last release that runs without a key, as an engine of `sweepnet bench`."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import version

import pvporcupine

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.bench import Detection, down_to_silence, frames, pcm16

OPEN_FILES = "/proc/self/fd"


class Porcupine:
    """The built-in words, swept over sensitivities; all words are heard in one pass.

    Below a sensitivity that tells nothing none is asked: none told what a higher one did not
    (README.md).
    """

    name = f"Porcupine {version('pvporcupine')}"
    rate_hz = 16_000
    settings = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

    def __init__(self, words: Sequence[str]) -> None:
        self.words = [word for word in words if word in pvporcupine.KEYWORDS]

    def hear(self, samples: Array, settings: Sequence[float]) -> list[list[Detection]]:
        return down_to_silence(partial(self._hear, pcm16(samples)), settings)

    def _hear(self, pcm: Array, sensitivity: float) -> list[Detection]:
        # A new instance (0.6 ms) has no past; silence alone does not quite clear an old one.
        engine = pvporcupine.create(
            keywords=self.words, sensitivities=[sensitivity] * len(self.words)
        )
        size, found, told = engine.frame_length, [], ctypes.c_int()
        for index, frame in enumerate(frames(pcm, size), start=1):
            # What engine.process does, without turning each sample into a Python number.
            status = engine.process_func(
                engine._handle, frame.ctypes.data_as(ctypes.POINTER(ctypes.c_short)), told
            )
            if status is not engine.PicovoiceStatuses.SUCCESS:
                raise RuntimeError(f"Porcupine: frame {index} was refused ({status})")
            if told.value >= 0:
                found.append(Detection(self.words[told.value], index * size / self.rate_hz))
        engine.delete()
        close_keyword_files()
        return found


def close_keyword_files() -> None:
    """Porcupine 1.9.5 leaves its keyword files open: some thousand recordings would be the end."""
    for number in os.listdir(OPEN_FILES) if os.path.isdir(OPEN_FILES) else ():
        with suppress(FileNotFoundError):  # the listing's own
            if os.readlink(f"{OPEN_FILES}/{number}").endswith(".ppn"):
                os.close(int(number))
