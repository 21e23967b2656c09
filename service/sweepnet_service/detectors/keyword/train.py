"""`sweepnet train keyword`: recordings and synthetic speech of words -> a model and its card.

The phone trunk is taken from another keyword's model or trained once (hours of speech needed); a
word's head is then a matter of minutes. Every stage leaves its result in `work_dir` and is not done
again, so a run that was stopped goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np

from cnn_core.fit.digest import digest
from cnn_core.layers import Conv1d, Sequential
from sweepnet_service.detectors.keyword import card, phones, splice
from sweepnet_service.detectors.keyword.assembly import Pieces, assemble, path_steps
from sweepnet_service.detectors.keyword.augment import Augment
from sweepnet_service.detectors.keyword.bank import Bank
from sweepnet_service.detectors.keyword.claim import check_claim, claim
from sweepnet_service.detectors.keyword.config import TrainConfig, arranged, check
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.finishing import finished
from sweepnet_service.detectors.keyword.gathering import Checked, checked, folder_of, gather
from sweepnet_service.detectors.keyword.head import Examples, kept_head
from sweepnet_service.detectors.keyword.held_out import HeldOut
from sweepnet_service.detectors.keyword.intake import Dataset
from sweepnet_service.detectors.keyword.joined import joined
from sweepnet_service.detectors.keyword.material import Maker, Material, examples, with_mined
from sweepnet_service.detectors.keyword.measures import key_of
from sweepnet_service.detectors.keyword.mining import mined
from sweepnet_service.detectors.keyword.prepare import Rows, kept_bank, speech_for_trunk
from sweepnet_service.detectors.keyword.rooms import rooms_for
from sweepnet_service.detectors.keyword.speaking import ESPEAK, FLITE
from sweepnet_service.detectors.keyword.spectral import Spectral
from sweepnet_service.detectors.keyword.spelled import (
    OF_READING,
    reading_of,
    scored_by,
    weight_of,
    with_reading,
)
from sweepnet_service.detectors.keyword.together import learnt_together
from sweepnet_service.detectors.keyword.trunk_source import background, front_of, trunk_of
from sweepnet_service.detectors.keyword.trunks.reading import Reading
from sweepnet_service.detectors.keyword.tuning import untuned
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Progress, Report, timed

__all__ = ["TrainConfig", "train"]

DECIDING = (
    *("keyword", "data", "folder", "trunk", "train_trunk", "synthesize", "near_words"),
    *("pronunciations", "real_segments", "splice", "trunk_copies", "seed"),
)
"""Settings that the stages kept in the work folder depend on."""
NOISE_DB = (0.0, 25.0)
"""How far noise and babble lie below speech."""


@dataclass(frozen=True)
class Hearing:
    """What all keywords of a training share: the trunk, its phones, how examples are changed."""

    trunk: Sequential
    phones: Conv1d
    spectral: Spectral
    augment: Augment
    reading: Reading | None = None


def train(config: TrainConfig, progress: Report) -> Path:
    """Train, tune and measure; returns the path of the model file, its card beside it."""
    config, progress = arranged(config), timed(progress)
    begin(config)
    data = checked(config, progress)
    # Only now: what refuses a data set is mended, and the folder then belongs to what it became.
    for place, settings in claims(config):
        claim(place, settings)
    hearing = hearing_of(config, data.own, progress)
    card.save(added(config, detector_of(config, hearing, data, progress)), config.out)
    progress(Progress("done", 1, 1, 0.0, str(config.out)))
    return config.out


def begin(config: TrainConfig) -> None:
    """Raises for an arranged configuration that cannot work, or whose work folders belong to other
    settings or recordings.
    """
    check(config)
    for place, settings in claims(config):
        check_claim(place, settings)


def claims(config: TrainConfig) -> list[tuple[Path, dict[str, str]]]:
    """Each keyword's work folder, and what it belongs to."""
    own = folder_of(config)
    parts = map(config.for_keyword, config.keywords)
    return [(part.work_dir, deciding(part, own)) for part in parts]


def detector_of(
    config: TrainConfig, hearing: Hearing, data: Checked, report: Report
) -> KeywordDetector:
    """The detector of all keywords: learnt with the trunk, or a head each on the trunk as it is."""
    if config.tune_trunk:
        return learnt_together(config, data, maker_of(config, hearing, report))
    parts = map(config.for_keyword, config.keywords)
    made = [with_reading(learnt(part, hearing, data, report), hearing.reading) for part in parts]
    return made[0] if len(made) == 1 else joined(made)


def added(config: TrainConfig, made: KeywordDetector) -> KeywordDetector:
    """The detector beside the words of the model that it is to be added to."""
    if config.add_to is None:
        return made
    known = KeywordDetector.load(config.add_to)
    return joined([known, replace(made, decision=known.decision)])


def deciding(config: TrainConfig, own: Dataset | None) -> dict[str, str]:
    """The settings that kept stages depend on, which trunk and which recordings there were."""
    named = {name: str(getattr(config, name)) for name in DECIDING}
    if config.trunk is not None:
        version = hashlib.sha256(config.trunk.read_bytes()).hexdigest()[:16]
        named["trunk"] = f"{config.trunk.name}, version {version}"
    if config.features:
        named["features"] = config.features
    if own is None:
        return named
    rows = [*own.recordings, *own.noise]
    version = digest([(*key_of(row), row.label, row.split, row.word_s) for row in rows])
    return {**named, "recordings": f"{len(rows)}, version {version}"}


def hearing_of(config: TrainConfig, own: Dataset | None, report: Report) -> Hearing:
    """The trunk, taken or trained, and the noise and rooms that speech is heard in."""
    front = front_of(config)
    noise = background(config, own, front.log_mel, report)
    spectral = Spectral(noise, front.log_mel, front, signal_to_noise_db=NOISE_DB)
    trunk, output = trunk_of(config, spectral, report)
    augment = Augment(rooms_for(config.data, config.seed))
    return Hearing(trunk, output, spectral, augment, reading_of(config))


def learnt(config: TrainConfig, hearing: Hearing, data: Checked, report: Report) -> KeywordDetector:
    """The detector of one keyword."""
    weight = weight_of(config, hearing.reading, spellings_of(config))
    config = replace(config, path_weight=weight)
    if config.phones_only:
        return read_off(config, hearing, data, report)
    material = gather(config, data, report)
    maker = maker_of(config, hearing, report)
    if not (material.positive or material.weak or material.synthetic_positive):
        raise InvalidInput(
            "data", f"there is no recording of {config.keyword!r} and none was synthesised"
        )

    @cache
    def known() -> Examples:
        return examples(maker, material, config.real_segments, splices(config, hearing, report))

    detector = headed(config, hearing, heads_of(config, known, report))
    if config.mine is not None:
        found = mined(detector, config.keyword, config.mine, config.work_dir, report)
        if pieces := found.recordings:
            inside = replace(config, work_dir=found.folder)
            more = partial(with_mined, maker=maker_of(inside, hearing, report), mined=pieces)
            heads = heads_of(inside, lambda: more(known()), report)
            detector = headed(config, hearing, heads)
    return finished(config, material, data.own, detector, report)


def read_off(
    config: TrainConfig, hearing: Hearing, data: Checked, report: Report
) -> KeywordDetector:
    """The detector of one keyword by its phones alone: scores as other words of as many phones have
    them where the trunk tells and no recordings do, else as usual.
    """
    detector, reading = headed(config, hearing, ()), hearing.reading
    if reading is None or data.own is not None or config.data is not None:
        material = gather(replace(config, synthesize=0), data, report)
        return finished(config, material, data.own, detector, report)
    length = phones.mean_length(spellings_of(config))
    detector = scored_by(reading, detector, length, config.path_weight)
    told = replace(config, notes=(*config.notes, OF_READING))
    return replace(detector, card=card.make(told, Material(), detector, None, HeldOut()))


def maker_of(config: TrainConfig, hearing: Hearing, report: Report) -> Maker:
    """What makes features and activations of recordings, kept in the work folder."""
    return Maker(
        hearing.trunk, hearing.spectral, hearing.augment, config.work_dir, config.seed, report
    )


def heads_of(
    config: TrainConfig, known: Callable[[], Examples], report: Report
) -> tuple[Sequential, ...]:
    """The heads of a keyword, kept in the work folder once they are trained on what is `known`."""
    known = cache(known)
    return tuple(
        kept_head(
            config.work_dir / f"head-{number}.safetensors",
            known,
            replace(config.head_settings, seed=config.seed).of_mean(number),
            report,
        )
        for number in range(config.heads)
    )


def headed(config: TrainConfig, hearing: Hearing, heads: tuple[Sequential, ...]) -> KeywordDetector:
    """The detector of these heads, still to be tuned."""
    spellings = spellings_of(config)
    steps = path_steps(spellings, heads)
    pieces = Pieces(hearing.trunk, hearing.phones, heads, spellings, config.path_weight, steps)
    return untuned(assemble(pieces), config.keyword, hearing.spectral.feeds)


def splices(config: TrainConfig, hearing: Hearing, report: Report) -> Bank | None:
    """Words put together from real speech; None where there is none or the spelling is unknown."""
    spellings = spellings_of(config)
    if config.data is None or not config.splice or not spellings:
        return None
    front = hearing.spectral.feeds
    speech = speech_for_trunk(config.data, config.work_dir, 1, config.seed, front.log_mel, report)
    net = Sequential((*hearing.trunk.layers, hearing.phones))
    report(Progress("splicing", 0, config.splice))
    known = splice.aligned(net, speech, spellings, front)
    rng = np.random.default_rng((config.seed, 4))

    def rows() -> Rows:
        return splice.spliced(spellings, known, config.splice, rng)

    return kept_bank(config.work_dir / "spliced", rows, config.splice, report)


def spellings_of(config: TrainConfig) -> tuple[tuple[int, ...], ...]:
    """The word's pronunciations as phone numbers; none where no program knows them and heads can do
    without.
    """
    if config.pronunciations:
        return tuple(phones.numbers(text) for text in config.pronunciations)
    if not config.phones_only and not any(map(shutil.which, (FLITE, ESPEAK))):
        return ()
    return phones.spellings_of(config.keyword)
