"""Synthetic speech of a keyword and of what is nearly it: -> clips at 16 kHz with the word's place.

espeak-ng and flite speak, or the one of them that is there; words and near words in the same voices
and the same carrier sentences, so that neither tells them apart. English only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.accents import accented
from sweepnet_service.detectors.keyword.dataset import RATE_HZ
from sweepnet_service.detectors.keyword.near import changed
from sweepnet_service.detectors.keyword.parallel import in_order
from sweepnet_service.detectors.keyword.speaking import (
    ESPEAK,
    FLITE,
    drawn,
    engines,
    espeak_phones,
    espeak_samples,
    espeak_settings,
    flite_phones,
    flite_said,
    flite_samples,
    flite_settings,
)

FLITE_EACH = 5
"""With both programs every fifth clip is flite's, which has few voices."""
CARRIERS = (
    *("{}", "{} to the show", "you are {}", "and {} back", "a warm {} to you all", "{} home"),
    *("{} everyone", "please say {} again", "the word is {}", "hello and {}", "he said {} to me"),
    *("it was a royal {}", "{} to our new house", "thank you and {}", "most {} of all"),
    *("is this {} here", "{} aboard", "we {} the idea", "they {} him at the door", "not {} here"),
    *("good morning {} to the office", "{} to the city", "{} my friends", "oh {}", "so {} in"),
    *("your call is {}", "make them feel {}", "{} and thank you for calling", "{} please listen"),
    *("{} to the system", "with {} news", "a {} change", "i bid you {}", "{} one and all"),
    *("hey {}", "okay {} turn on the light", "{} what time is it", "{} play some music"),
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
COMMON = (
    *("hello", "goodbye", "thank you", "yes", "no", "please", "message", "number", "today"),
    *("morning", "computer", "window", "weather", "call", "calling", "people", "welfare"),
)


@dataclass(frozen=True)
class Clip:
    """Synthetic speech, float32 (n,) at 16 kHz; where its word lies, None if it holds none."""

    samples: Array
    text: str
    voice: str
    word_s: tuple[float, float] | None = None


@dataclass(frozen=True)
class Plan:
    """`count` clips to be spoken: number -> clip, the same whenever it is asked for."""

    speak: Callable[[int], Clip]
    count: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Clip]:
        """All clips in order, spoken on all cores."""
        return in_order(self.speak, range(self.count))


def positives(word: str, count: int, rng: np.random.Generator) -> Plan:
    """The word alone (half) and in sentences."""
    seed, programs = int(rng.integers(2**32)), engines()

    def speak(number: int) -> Clip:
        own = np.random.default_rng((seed, number))
        carrier = "{}" if number % 2 else drawn(CARRIERS, own)
        speaker = flite if engine(programs, number) == FLITE else espeak
        return speaker(carrier, word, own)

    return Plan(speak, count)


def foreign(word: str, count: int, rng: np.random.Generator) -> Plan:
    """The word alone as speakers of other languages say it."""
    seed, programs = int(rng.integers(2**32)), engines()

    def speak(number: int) -> Clip:
        own = np.random.default_rng((seed, number))
        by_flite = engine(programs, number) == FLITE
        return (flite_foreign if by_flite else espeak_foreign)(word, own)

    return Plan(speak, count)


def negatives(
    words: Sequence[str], count: int, rng: np.random.Generator, keyword: str = ""
) -> Plan:
    """Of four clips two with other words, alone and in the same carriers, one sentence without the
    keyword, and the keyword with other phones.
    """
    seed, programs = int(rng.integers(2**32)), engines()
    words = [text for text in words if text != keyword] or ["something"]
    talk = talk_without(keyword)

    def speak(number: int) -> Clip:
        own = np.random.default_rng((seed, number))
        carrier = "{}" if number // 4 % 2 else drawn(CARRIERS, own)
        by_flite = engine(programs, number) == FLITE
        if keyword and number % 4 == 3:
            return (flite_near if by_flite else espeak_near)(keyword, carrier, own)
        text = drawn(talk, own) if number % 4 == 2 else carrier.format(drawn(words, own))
        return flite_text(text, own) if by_flite else espeak_text(text, own)

    return Plan(speak, count)


def sentences(count: int, rng: np.random.Generator, keyword: str = "") -> Plan:
    """Sentences of everyday talk without the keyword."""
    seed, programs = int(rng.integers(2**32)), engines() if count else ()
    talk = talk_without(keyword)

    def speak(number: int) -> Clip:
        own = np.random.default_rng((seed, number))
        by_flite = engine(programs, number) == FLITE
        return (flite_text if by_flite else espeak_text)(drawn(talk, own), own)

    return Plan(speak, count)


def talk_without(keyword: str) -> list[str]:
    """The sentences that do not hold the keyword."""
    return [text for text in TALK if not keyword or keyword not in text]


def engine(programs: Sequence[str], number: int) -> str:
    """Which program speaks a clip."""
    if len(programs) == 1:
        return programs[0]
    return FLITE if number % FLITE_EACH == FLITE_EACH - 1 else ESPEAK


def espeak(carrier: str, word: str, rng: np.random.Generator) -> Clip:
    """A sentence by espeak-ng; the word is placed by how long the words before it take."""
    settings = espeak_settings(rng)
    before, _, after = carrier.partition("{}")
    whole = espeak_samples(carrier.format(word), settings)
    seconds = len(whole) / RATE_HZ
    if not before and not after:
        return Clip(whole, word, settings[1], (0.0, seconds))
    start = spoken_s(before, settings)
    end = min(max(spoken_s(before + word, settings), start + 0.2), seconds)
    return Clip(whole, carrier.format(word), settings[1], (min(start, end - 0.1), end))


def espeak_text(text: str, rng: np.random.Generator) -> Clip:
    """Any sentence by espeak-ng."""
    settings = espeak_settings(rng)
    return Clip(espeak_samples(text, settings), text, settings[1])


def espeak_near(word: str, carrier: str, rng: np.random.Generator) -> Clip:
    """The word with other phones, in a sentence, by espeak-ng."""
    settings = espeak_settings(rng)
    said = ["".join(changed(part, ESPEAK, rng)) for part in espeak_phones(word, settings)]
    text = carrier.format(f"[[{' '.join(said)}]]")
    return Clip(espeak_samples(text, settings), text, settings[1])


def espeak_foreign(word: str, rng: np.random.Generator) -> Clip:
    """The word alone in another accent, by espeak-ng."""
    settings = espeak_settings(rng)
    said = ["".join(accented(part, ESPEAK, rng)) for part in espeak_phones(word, settings)]
    samples = espeak_samples(f"[[{' '.join(said)}]]", settings)
    return Clip(samples, word, settings[1], (0.0, len(samples) / RATE_HZ))


def flite_foreign(word: str, rng: np.random.Generator) -> Clip:
    """The word alone in another accent, by flite."""
    settings = flite_settings(rng)
    samples = flite_said(accented(flite_phones(word), FLITE, rng), settings)
    return Clip(samples, word, f"flite-{settings[1]}", (0.0, len(samples) / RATE_HZ))


def spoken_s(text: str, settings: Sequence[str]) -> float:
    """Seconds that espeak-ng takes for the text, without silence at its edges."""
    return len(espeak_samples(text, settings)) / RATE_HZ if text.strip() else 0.0


def flite(carrier: str, word: str, rng: np.random.Generator) -> Clip:
    """A sentence by flite; the word is placed by the times of its phones."""
    settings, text = flite_settings(rng), carrier.format(word)
    samples, ends_s = flite_samples(text, settings)
    skipped, inside = len(flite_phones(carrier.partition("{}")[0])), len(flite_phones(word))
    if skipped + inside > len(ends_s):
        return Clip(samples, text, f"flite-{settings[1]}", (0.0, len(samples) / RATE_HZ))
    start = ends_s[skipped - 1] if skipped else 0.0
    return Clip(samples, text, f"flite-{settings[1]}", (start, ends_s[skipped + inside - 1]))


def flite_text(text: str, rng: np.random.Generator) -> Clip:
    """Any sentence by flite."""
    settings = flite_settings(rng)
    return Clip(flite_samples(text, settings)[0], text, f"flite-{settings[1]}")


def flite_near(word: str, carrier: str, rng: np.random.Generator) -> Clip:
    """The word with other phones by flite, which says phones only alone."""
    settings = flite_settings(rng)
    said = changed(flite_phones(word), FLITE, rng)
    return Clip(flite_said(said, settings), f"[[{' '.join(said)}]]", f"flite-{settings[1]}")
