"""Recordings to be played within a page: samples -> a data URI of FLAC, bounded in size."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import numpy as np
import soundfile
import soxr

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.conditions import CLEAN
from sweepnet_service.detectors.keyword.dataset import RATE_HZ, Recording
from sweepnet_service.errors import InvalidInput

LONGEST_S = 6.0
ROUND_S = 1.5
"""How much is kept before and after what is to be heard."""

Sound = Callable[[Recording, str], Array]
"""The samples (n,) at 16 kHz of a recording in a condition."""


def clean(recording: Recording, condition: str = CLEAN) -> Array:
    """The recording as it is; only its own part of the file is decoded.

    Raises InvalidInput for another condition, which this cannot make.
    """
    if condition != CLEAN:
        raise InvalidInput("condition", f"got {condition!r}; only {CLEAN!r} can be heard here")
    with soundfile.SoundFile(recording.path) as file:
        rate_hz = file.samplerate
        first = round(recording.start_s * rate_hz)
        past = file.frames if recording.end_s is None else round(recording.end_s * rate_hz)
        file.seek(first)
        mono = file.read(past - first, dtype="float32", always_2d=True).mean(axis=1)
    return np.asarray(soxr.resample(mono, rate_hz, RATE_HZ) if rate_hz != RATE_HZ else mono)


def data_uri(
    sound: Sound, recording: Recording, condition: str, start_s: float, end_s: float
) -> str | None:
    """From 1.5 s before to 1.5 s after a stretch, 6 s at most; None where it cannot be read."""
    try:
        samples = sound(recording, condition)
    except (soundfile.LibsndfileError, InvalidInput, OSError):
        return None
    part = round_it(samples, start_s, end_s)
    if not len(part):
        return None
    file = io.BytesIO()
    soundfile.write(file, np.clip(part, -1, 1), RATE_HZ, format="FLAC", subtype="PCM_16")
    return "data:audio/flac;base64," + base64.b64encode(file.getvalue()).decode()


def round_it(samples: Array, start_s: float, end_s: float) -> Array:
    """The part of samples (n,) round a stretch of time."""
    first = max(0.0, start_s - ROUND_S)
    past = min(end_s + ROUND_S, first + LONGEST_S)
    return samples[round(first * RATE_HZ) : round(past * RATE_HZ)]
