"""What spotters of few recordings learn from: activations of the trunk, the word's by recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from cnn_core.arrays import Array, Integers
from cnn_core.fold import fold
from cnn_core.layers import Conv1d, Sequential
from sweepnet_service.detectors.keyword import synthesis
from sweepnet_service.detectors.keyword.activations import quiet, segments_round_words
from sweepnet_service.detectors.keyword.augment import Augment
from sweepnet_service.detectors.keyword.dataset import RATE_HZ, Spoken, read_samples
from sweepnet_service.detectors.keyword.head import Examples
from sweepnet_service.detectors.keyword.material import Maker, kept_clips
from sweepnet_service.detectors.keyword.near import near_words
from sweepnet_service.detectors.keyword.personal.config import PersonalConfig, other_recordings
from sweepnet_service.detectors.keyword.personal.decoded import word_logits
from sweepnet_service.detectors.keyword.prepare import BABBLE_OF
from sweepnet_service.detectors.keyword.rooms import rooms_for
from sweepnet_service.detectors.keyword.spectral import Spectral
from sweepnet_service.detectors.keyword.trunk_source import features_of, own_noise, taken_trunk
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Report

NOISE_DB = (0.0, 25.0)
PIECE_S, TALK_S = 10.0, 1.0
PARTS = 3
"""Of the other sound: to learn from, to choose thresholds on, to count false alarms in."""
SEGMENTS = 2
"""Of each changed copy of a recording."""


@dataclass(frozen=True)
class Lessons:
    """`words` (copies, recordings, 43, C) and `negative` streams as activations; `logits` of each
    recording's word by the phone network; other sound to choose thresholds on and to count in.
    """

    trunk: Sequential
    phones: Conv1d
    spectral: Spectral
    words: Array
    negative: Sequence[Array]
    logits: Sequence[Array]
    choose: Sequence[Spoken]
    count: Sequence[Spoken]

    def examples(self, kept: Integers) -> Examples:
        """What a head learns from that may hear only some of the recordings."""
        segments = self.words[:, kept]
        return Examples([(1.0, segments.reshape(-1, *segments.shape[2:]))], self.negative)


def lessons(config: PersonalConfig, spoken: Sequence[Spoken], report: Report) -> Lessons:
    """The lessons of a configuration, their stages kept in its work folder."""
    taken, phones = taken_trunk(config.trunk)
    trunk = fold(taken)
    assert isinstance(trunk, Sequential)
    front = features_of(config.trunk)
    learn, choose, count = other_sound(config, report)
    noise = own_noise((), (), config.seed, front.log_mel, talk_in(learn, config.seed))
    spectral = Spectral(noise, front.log_mel, front, signal_to_noise_db=NOISE_DB)
    augment = Augment(rooms_for(None, config.seed))
    maker = Maker(trunk, spectral, augment, config.work_dir, config.seed, report)
    rng = np.random.default_rng((config.seed, 1))
    other = maker.bank("negative", learn, 0, len(learn))
    negative = [maker.stream(other, rng), quiet(trunk, spectral, rng)]
    words = [
        segments_round_words(trunk, bank, spectral, other, rng)
        for copy in range(config.copies)
        for bank in [maker.bank("positive", spoken, copy, len(spoken))]
        for _ in range(SEGMENTS)
    ]
    net = Sequential((*trunk.layers, phones))
    return Lessons(
        trunk,
        phones,
        spectral,
        np.stack(words),
        negative,
        [word_logits(net, front, each) for each in spoken],
        choose,
        count,
    )


def talk_in(learn: Sequence[Spoken], seed: int) -> list[Array]:
    """Some of the sound to learn from that is long enough for a sentence, (n,) each: babble is made
    of it, and of nothing that thresholds are chosen on.
    """
    long = [samples for _, samples in learn if len(samples) >= TALK_S * RATE_HZ]
    order = np.random.default_rng((seed, 8)).permutation(len(long))[:BABBLE_OF]
    return [long[int(index)] for index in order]


def other_sound(config: PersonalConfig, report: Report) -> list[list[Spoken]]:
    """Sound without the word in three parts: the user's own in pieces, and synthetic speech."""
    own = [list(pieces(each)) for each in read_samples(other_recordings(config))]
    parts = divided(own)
    if config.synthesize:
        texts = (*near_words(config.keyword), *synthesis.COMMON)
        rng = np.random.default_rng((config.seed, 2))
        plan = synthesis.negatives(texts, config.synthesize, rng, config.keyword)
        clips = kept_clips(config.work_dir / "clips", plan, "synthetic speech", report)
        parts = [[*part, *clips[number::PARTS]] for number, part in enumerate(parts)]
    if not all(parts):
        raise InvalidInput(
            "other",
            f"holds {sum(map(len, parts))} pieces of ten seconds; expected {PARTS}, better fifty",
        )
    return parts


def divided(recordings: Sequence[Sequence[Spoken]]) -> list[list[Spoken]]:
    """Pieces of recordings in three parts, no recording in two of them: alarms would
    be counted in a voice and a room that were learnt. Of fewer recordings, each part is in a row.
    """
    if len(recordings) >= PARTS:
        longest = sorted(recordings, key=len, reverse=True)
        return [
            [piece for each in longest[number::PARTS] for piece in each] for number in range(PARTS)
        ]
    flat = [piece for each in recordings for piece in each]
    cuts = [round(number * len(flat) / PARTS) for number in range(PARTS + 1)]
    return [flat[first:past] for first, past in pairwise(cuts)]


def pieces(spoken: Spoken) -> Iterator[Spoken]:
    """A recording in pieces of ten seconds."""
    recording, samples = spoken
    length = round(PIECE_S * RATE_HZ)
    for first in range(0, len(samples), length):
        part = samples[first : first + length]
        start_s = recording.start_s + first / RATE_HZ
        yield replace(recording, start_s=start_s, end_s=start_s + len(part) / RATE_HZ), part
