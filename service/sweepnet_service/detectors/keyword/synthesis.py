"""Synthetic speech from espeak-ng and flite: sentences -> clips at 16 kHz with the word's place."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.dataset import RATE_HZ, read_mono
from sweepnet_service.errors import FailedPrecondition

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
FLITE_VOICES = ("slt", "slt", "rms", "awb", "kal16")
CARRIERS = (
    *("{}", "{} to the show", "you are {}", "and {} back", "a warm {} to you all", "{} home"),
    *("{} everyone", "please say {} again", "the word is {}", "hello and {}", "he said {} to me"),
    *("it was a royal {}", "{} to our new house", "thank you and {}", "most {} of all"),
    *("is this {} here", "{} aboard", "we {} the idea", "they {} him at the door", "not {} here"),
    *("good morning {} to the office", "{} to the city", "{} my friends", "oh {}", "so {} in"),
    *("your call is {}", "make them feel {}", "{} and thank you for calling", "{} please listen"),
    *("{} to the system", "with {} news", "a {} change", "i bid you {}", "{} one and all"),
)
TALK = (
    *("the weather will come back to what it was", "he is well known for his work"),
    *("please enter your password followed by the pound key", "we are all well", "well come on in"),
    *("press one for the next message", "the person you are calling is not available"),
    *("i will call him tomorrow", "what became of them", "thank you for calling goodbye"),
    *("all of our agents are busy", "to the start of the new week", "and back home again"),
    *("how are you today my friend", "everyone is here", "come to our new house", "hello there"),
    *("the number you have dialled is not in service", "your call is important to us"),
    *("you have no new messages", "please hold while i try that extension", "go to the office"),
    *("what can we do about it", "the wheel came off", "a well kept secret", "tell him i will"),
)


@dataclass(frozen=True)
class Clip:
    """Synthetic speech, float32 (n,) at 16 kHz; where its word lies, None if it holds none."""

    samples: Array
    text: str
    voice: str
    word_s: tuple[float, float] | None = None


def positives(word: str, count: int, rng: np.random.Generator) -> Iterator[Clip]:
    """The word alone (half) and in sentences, four fifths by espeak-ng, the rest by flite."""
    for number in range(count):
        carrier = "{}" if number % 2 else CARRIERS[int(rng.integers(len(CARRIERS)))]
        if number % 5 == 4:
            yield flite(carrier, word, rng)
        else:
            yield espeak(carrier, word, rng)


def negatives(words: Sequence[str], count: int, rng: np.random.Generator) -> Iterator[Clip]:
    """Other words alone, in the same carriers, and sentences without the word."""
    for number in range(count):
        word = words[int(rng.integers(len(words)))] if words else "something"
        carrier = "{}" if number % 2 else CARRIERS[int(rng.integers(len(CARRIERS)))]
        if number % 4 == 2 or not words:
            carrier = TALK[int(rng.integers(len(TALK)))]
        text = carrier.format(word)
        yield flite_text(text, rng)[0] if number % 5 == 4 else espeak_text(text, rng)


def espeak(carrier: str, word: str, rng: np.random.Generator) -> Clip:
    """A sentence by espeak-ng; the word is placed by how long the words before it take."""
    settings = espeak_settings(rng)
    before, _, after = carrier.partition("{}")
    whole = espeak_samples(carrier.format(word), settings)
    if not before and not after:
        return Clip(whole, word, settings[1], (0.0, len(whole) / RATE_HZ))
    start = spoken_s(before, settings)
    end = max(spoken_s(before + word, settings), start + 0.2)
    end = min(end, len(whole) / RATE_HZ)
    return Clip(whole, carrier.format(word), settings[1], (min(start, end - 0.1), end))


def espeak_text(text: str, rng: np.random.Generator) -> Clip:
    settings = espeak_settings(rng)
    return Clip(espeak_samples(text, settings), text, settings[1])


def spoken_s(text: str, settings: Sequence[str]) -> float:
    """Seconds that espeak-ng takes for the text, without silence at its edges."""
    return len(espeak_samples(text, settings)) / RATE_HZ if text.strip() else 0.0


def espeak_settings(rng: np.random.Generator) -> tuple[str, ...]:
    """A voice with speed (words a minute) and pitch, as arguments of espeak-ng."""
    accent = ACCENTS[int(rng.integers(len(ACCENTS)))]
    variant = VARIANTS[int(rng.integers(len(VARIANTS)))]
    numbers = {"-s": (120, 210), "-p": (25, 75)}
    drawn = [(flag, str(rng.integers(low, high))) for flag, (low, high) in numbers.items()]
    return ("-v", f"{accent}+{variant}", *(part for pair in drawn for part in pair))


def espeak_samples(text: str, settings: Sequence[str]) -> Array:
    """Trimmed samples, float32 (n,) at 16 kHz."""
    return spoken_by([program("espeak-ng"), *settings, "-w", "{file}", "--", text])[0]


def flite(carrier: str, word: str, rng: np.random.Generator) -> Clip:
    """A sentence by flite; the word is placed by the times of its phones."""
    before, _, _ = carrier.partition("{}")
    clip, phones_s = flite_text(carrier.format(word), rng)
    skipped, inside = flite_count(before), flite_count(word)
    if skipped + inside > len(phones_s):
        return Clip(clip.samples, clip.text, clip.voice, (0.0, len(clip.samples) / RATE_HZ))
    start = phones_s[skipped - 1] if skipped else 0.0
    return Clip(clip.samples, clip.text, clip.voice, (start, phones_s[skipped + inside - 1]))


def flite_text(text: str, rng: np.random.Generator) -> tuple[Clip, list[float]]:
    """A sentence by flite, and the end of each phone in seconds of the clip."""
    voice = FLITE_VOICES[int(rng.integers(len(FLITE_VOICES)))]
    stretch = f"duration_stretch={rng.uniform(0.75, 1.3):.2f}"
    command = [program("flite"), "-voice", voice, "--setf", stretch, "-t", text]
    samples, output, cut_s = spoken_by([*command, "-o", "{file}", "-psdur"])
    pairs = [part.split(":") for part in output.split() if ":" in part]
    ends_s = [float(end) - cut_s for phone, end in pairs if phone != "pau"]
    return Clip(samples, text, f"flite-{voice}"), ends_s


def flite_count(text: str) -> int:
    """How many phones flite says for a text."""
    if not text.strip():
        return 0
    command = [program("flite"), "-ps", "-t", text, "none"]
    phones = run(command).stdout.split()
    return sum(phone != "pau" for phone in phones)


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
    """The ended program; it gets no input of ours, so none can wait for it."""
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
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


def missing_programs() -> list[str]:
    """Which of the two speech programs are not installed."""
    return [name for name in ("espeak-ng", "flite") if shutil.which(name) is None]
