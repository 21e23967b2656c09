"""The programs that speak, espeak-ng and flite: text -> samples at 16 kHz, and their phones.

Both are asked which voices they have; of espeak-ng's variants those are taken that sound human.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import soxr

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.dataset import RATE_HZ, read_mono
from sweepnet_service.errors import FailedPrecondition

ESPEAK, FLITE = "espeak-ng", "flite"
ACCENTS = (
    *("en-us", "en-us", "en-us-nyc", "en-gb", "en-gb-x-rp"),
    *("en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029"),
)
VARIANTS = (
    *("f1", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"),
    *("Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Hugo", "Lee"),
    *("Michael", "Mike", "Mr", "Nguyen", "adam", "anika", "antonio", "aunty", "belinda"),
    *("benjamin", "boris", "caleb", "david", "ed", "edward", "grandma", "grandpa", "linda"),
    *("john", "max", "michel", "paul", "rob", "robert", "steph", "steph2", "travis", "victor"),
    *("zac", "klatt2", "klatt4"),
)
VARIANT_FOLDER = "!v/"
LIMITED = ("kal", "_time")
"""Ends of names of flite's voices that speak at 8 kHz, or tell only the time."""
PAUSE = "pau"


def engines() -> tuple[str, ...]:
    """The programs that are installed. Raises FailedPrecondition with what to install for none."""
    found = tuple(name for name in (ESPEAK, FLITE) if shutil.which(name))
    if not found:
        raise FailedPrecondition(
            "synthesize",
            "needs espeak-ng or flite; apt-get install espeak-ng flite, or set it to 0 and give "
            "recordings",
        )
    return found


@cache
def espeak_accents() -> tuple[str, ...]:
    """The English voices of espeak-ng that need no further data, the usual one twice."""
    rows = [line.split() for line in run([program(ESPEAK), "--voices=en"]).stdout.splitlines()[1:]]
    known = {row[1] for row in rows if len(row) > 4 and not row[4].startswith("mb/")}
    return tuple(name for name in ACCENTS if name in known) or ("en",)


@cache
def espeak_variants() -> tuple[str, ...]:
    """The ways espeak-ng changes a voice, of those that sound human."""
    listed = run([program(ESPEAK), "--voices=variant"]).stdout.split()
    known = {
        part.removeprefix(VARIANT_FOLDER) for part in listed if part.startswith(VARIANT_FOLDER)
    }
    return tuple(name for name in VARIANTS if name in known)


@cache
def flite_voices() -> tuple[str, ...]:
    """The voices of flite that speak any text at 16 kHz."""
    listed = run([program(FLITE), "-lv"]).stdout.partition(":")[2].split()
    return tuple(name for name in listed if not name.endswith(LIMITED)) or tuple(listed)


def espeak_settings(rng: np.random.Generator) -> tuple[str, ...]:
    """A voice with speed (words a minute) and pitch, as arguments of espeak-ng."""
    accent, variant = drawn(espeak_accents(), rng), drawn(("", *espeak_variants()), rng)
    numbers = {"-s": (120, 210), "-p": (25, 75)}
    chosen = [(flag, str(rng.integers(low, high))) for flag, (low, high) in numbers.items()]
    voice = f"{accent}+{variant}" if variant else accent
    return ("-v", voice, *(part for pair in chosen for part in pair))


def espeak_samples(text: str, settings: Sequence[str]) -> Array:
    """Trimmed samples, float32 (n,) at 16 kHz; [[phones]] in the text are spoken as such."""
    return spoken_by([program(ESPEAK), *settings, "-w", "{file}", "--", text])[0]


def espeak_phones(text: str, settings: Sequence[str]) -> list[list[str]]:
    """The phones of each word in espeak-ng's own spelling, stress before a vowel."""
    command = [program(ESPEAK), "-v", settings[1], "-q", "-x", "--sep=_", "--", text]
    return [word.split("_") for word in run(command).stdout.split()]


def flite_settings(rng: np.random.Generator) -> tuple[str, ...]:
    """A voice and how slowly it speaks, as arguments of flite."""
    stretch = f"duration_stretch={rng.uniform(0.75, 1.3):.2f}"
    return ("-voice", drawn(flite_voices(), rng), "--setf", stretch)


def flite_samples(text: str, settings: Sequence[str]) -> tuple[Array, list[float]]:
    """Trimmed samples, and the end of each phone in seconds of them."""
    command = [program(FLITE), *settings, "-t", text, "-o", "{file}", "-psdur"]
    samples, output, cut_s = spoken_by(command)
    pairs = [part.split(":") for part in output.split() if ":" in part]
    return samples, [float(end) - cut_s for phone, end in pairs if phone != PAUSE]


def flite_said(phones: Sequence[str], settings: Sequence[str]) -> Array:
    """Trimmed samples of phones."""
    return spoken_by([program(FLITE), *settings, "-p", " ".join(phones), "-o", "{file}"])[0]


def flite_phones(text: str) -> list[str]:
    """The phones that flite says for a text."""
    if not text.strip():
        return []
    found = run([program(FLITE), "-ps", "-t", text, "none"]).stdout.split()
    return [phone for phone in found if phone != PAUSE]


def spoken_by(command: Sequence[str]) -> tuple[Array, str, float]:
    """What a program speaks: samples without silent edges, its output, seconds cut in front."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoken.wav"
        arguments = [str(path) if part == "{file}" else part for part in command]
        done = run(arguments)
        if done.returncode or not path.exists():
            raise FailedPrecondition(command[0], f"could not speak: {done.stderr.strip()[:200]}")
        samples, rate_hz = read_mono(path)
    at_rate = np.asarray(soxr.resample(samples, rate_hz, RATE_HZ), np.float32)
    first, past = loud_part(at_rate)
    return at_rate[first:past], done.stdout, first / RATE_HZ


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """The ended program; it gets no input of ours, so none can wait for it, and no Ctrl-C, which
    would look like a failure of its own.
    """
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )


def loud_part(samples: Array, below_peak_db: float = 45.0) -> tuple[int, int]:
    """From the first to past the last sample within 45 dB of the loudest."""
    limit = np.max(np.abs(samples), initial=0) * 10 ** (-below_peak_db / 20)
    loud = np.flatnonzero(np.abs(samples) > limit)
    return (int(loud[0]), int(loud[-1]) + 1) if loud.size else (0, len(samples))


def program(name: str) -> str:
    """The path of a program. Raises FailedPrecondition with what to install."""
    path = shutil.which(name)
    if path is None:
        raise FailedPrecondition(name, f"the program is not installed; apt-get install {name}")
    return path


def drawn(choices: Sequence[str], rng: np.random.Generator) -> str:
    """One of them."""
    return choices[int(rng.integers(len(choices)))]
