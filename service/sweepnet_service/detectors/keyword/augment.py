"""What can happen to speech on its way: speed, tempo, room, clipping, telephone, codec, level.

Samples -> samples, all at 16 kHz, float32 (n,). Every choice comes from the generator given.

Kept libraries do the work where one fits: soxr for speed (pitch and formants go along),
python-stretch (MIT; Signalsmith Stretch) for tempo alone, scipy for rooms, soundfile for codecs.
audiomentations has most of this, but brings librosa, Numba and scikit-learn, and tells nothing of
where a word went when time was stretched; pedalboard is under the GPL. Speed and tempo together
change pitch alone; formants alone are changed on the mel axis, and noise and babble are added, by
`Spectral`, afresh whenever an example is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr
from scipy.signal import butter, oaconvolve, sosfilt

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.codec import coded
from sweepnet_service.errors import FailedPrecondition

RATE_HZ = 16_000
LEVEL_DB = -20.0
SHORTEST_STRETCHED = 4_000


@dataclass(frozen=True)
class Augment:
    """How often and how strongly; `rooms` are impulse responses."""

    rooms: Sequence[Array] = ()
    speed: tuple[float, float] = (0.85, 1.15)
    tempo: tuple[float, float] = (0.85, 1.2)
    tempo_share: float = 0.3
    room_share: float = 0.25
    clipping_share: float = 0.1
    telephone_share: float = 0.2
    codec_share: float = 0.15

    def __call__(self, samples: Array, rng: np.random.Generator) -> tuple[Array, float]:
        """The changed samples at -20 dB full scale, and by how much time was stretched."""
        changed = change_speed(samples, rng.uniform(*self.speed))
        if rng.random() < self.tempo_share:
            changed = change_tempo(changed, rng.uniform(*self.tempo))
        if self.rooms and rng.random() < self.room_share:
            changed = in_room(changed, self.rooms[int(rng.integers(len(self.rooms)))])
        if rng.random() < self.clipping_share:
            changed = clipped(changed, rng)
        channel = rng.random()
        if channel < self.telephone_share:
            changed = telephone(changed, rng)
        elif channel < self.telephone_share + self.codec_share:
            changed = coded(changed, rng)
        return set_level(changed, LEVEL_DB), len(changed) / max(1, len(samples))


def change_speed(samples: Array, speed: float) -> Array:
    """Played faster (> 1) or slower: pitch and formants go along."""
    return np.asarray(soxr.resample(samples, RATE_HZ * speed, RATE_HZ, quality="MQ"))


def change_tempo(samples: Array, tempo: float) -> Array:
    """Spoken faster (> 1) or slower in the same voice."""
    try:
        import python_stretch
    except ImportError as error:
        raise FailedPrecondition(
            "train", "the package python-stretch is not installed; pip install 'sweepnet[train]'"
        ) from error
    if len(samples) < SHORTEST_STRETCHED:
        return samples
    stretch = python_stretch.Signalsmith.Stretch()
    stretch.preset(1, RATE_HZ)
    stretch.timeFactor = tempo
    stretched = stretch.process(np.ascontiguousarray(samples[None], np.float32))
    return np.asarray(stretched, np.float32).reshape(-1)


def in_room(samples: Array, response: Array) -> Array:
    """As heard in the room of an impulse response, cut to the same length."""
    direct = int(np.argmax(np.abs(response)))
    return oaconvolve(samples, response)[direct : direct + len(samples)].astype(np.float32)


def clipped(samples: Array, rng: np.random.Generator) -> Array:
    """Recorded too loud: cut off 3 to 15 dB below the peak."""
    limit = np.max(np.abs(samples), initial=0) * 10 ** (-rng.uniform(3, 15) / 20)
    return np.clip(samples, -limit, limit)


def telephone(samples: Array, rng: np.random.Generator) -> Array:
    """Through a telephone: about 300-3400 Hz at 8 kHz, mu-law in 8 bits (ITU-T G.711)."""
    low_hz, high_hz = rng.uniform(150, 350), rng.uniform(3200, 3800)
    narrow = soxr.resample(samples, RATE_HZ, RATE_HZ // 2)
    band = butter(3, (low_hz, high_hz), "bandpass", fs=RATE_HZ // 2, output="sos")
    loud = set_level(sosfilt(band, narrow), rng.uniform(-30, -14))
    back = soxr.resample(mu_law(np.clip(loud, -1, 1)), RATE_HZ // 2, RATE_HZ)
    missing = max(0, len(samples) - len(back))
    padded: Array = np.pad(back, (0, missing))
    return np.asarray(padded[: len(samples)], dtype=np.float32)


def mu_law(samples: Array, mu: float = 255.0) -> Array:
    """Compressed to 8 bits and expanded again."""
    code = np.sign(samples) * np.log1p(mu * np.abs(samples)) / np.log1p(mu)
    rounded = np.round(code * 127) / 127
    return np.asarray(np.sign(rounded) * np.expm1(np.abs(rounded) * np.log1p(mu)) / mu)


def set_level(samples: Array, level_db: float) -> Array:
    """Scaled so that the louder part has this RMS in dB full scale; silence stays."""
    power = loud_power(samples)
    if power <= 0:
        return samples.astype(np.float32)
    gain = float(np.sqrt(10 ** (level_db / 10) / power))
    return np.asarray(samples * gain, np.float32)


def loud_power(samples: Array, block: int = 400, below_peak_db: float = 30.0) -> float:
    """Mean power of the 25 ms blocks within 30 dB of the loudest: speech without its pauses."""
    whole = samples[: len(samples) // block * block].reshape(-1, block)
    if not whole.size:
        return float(np.mean(samples**2)) if samples.size else 0.0
    power = np.mean(whole**2, axis=1)
    return float(np.mean(power[power >= np.max(power) * 10 ** (-below_peak_db / 10)]))


def loud_span_s(
    samples: Array, block: int = 400, below_peak_db: float = 25.0
) -> tuple[float, float]:
    """From the first to the last 25 ms block within 25 dB of the loudest, in seconds."""
    whole = samples[: len(samples) // block * block].reshape(-1, block)
    if not whole.size:
        return 0.0, len(samples) / RATE_HZ
    power = np.mean(whole**2, axis=1)
    loud = np.flatnonzero(power >= np.max(power) * 10 ** (-below_peak_db / 10))
    return float(loud[0]) * block / RATE_HZ, float(loud[-1] + 1) * block / RATE_HZ
