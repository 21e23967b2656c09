"""`sweepnet train keyword`: recordings and synthetic speech of a word -> a model and its card.

The phone trunk is trained once (hours of speech needed) or taken from another keyword's model;
the word's head is then a matter of minutes. Every stage leaves its result in `work_dir` and is
not done again, so a run that was stopped goes on where it stopped.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from cnn_core import modelfile
from cnn_core.arrays import Array
from cnn_core.errors import CoreError
from cnn_core.layers import Conv1d, Sequential
from sweepnet_service.detectors.keyword import card, phones, splice, synthesis
from sweepnet_service.detectors.keyword.assembly import Pieces, assemble, taken_apart
from sweepnet_service.detectors.keyword.augment import Augment, loud_span_s
from sweepnet_service.detectors.keyword.bank import Bank
from sweepnet_service.detectors.keyword.claim import claim
from sweepnet_service.detectors.keyword.dataset import (
    Recording,
    Spoken,
    read_rooms,
    read_samples,
)
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.evaluate import (
    Heard,
    hear,
    hear_samples,
    measured_on,
)
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.detectors.keyword.head import HeadSettings, train_head
from sweepnet_service.detectors.keyword.intake import Dataset, listed, read_dataset
from sweepnet_service.detectors.keyword.material import (
    Material,
    as_recording,
    examples,
    material_of,
    with_synthetic,
)
from sweepnet_service.detectors.keyword.near import near_words
from sweepnet_service.detectors.keyword.prepare import (
    Rows,
    coloured,
    kept_bank,
    noise_frames,
    speech_for_trunk,
)
from sweepnet_service.detectors.keyword.speaking import FLITE, engines
from sweepnet_service.detectors.keyword.spectral import Spectral
from sweepnet_service.detectors.keyword.trunk import (
    TrunkSettings,
    train_trunk,
    without_output,
)
from sweepnet_service.detectors.keyword.tuning import tested, tuned, untuned
from sweepnet_service.detectors.numbers import check_numbers
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Progress, Report

DECIDING = (
    *("keyword", "data", "folder", "synthesize", "near_words", "real_segments", "splice", "seed"),
)
"""Settings that the stages kept in the work folder depend on."""


@dataclass(frozen=True)
class TrainConfig:
    """What to train and from what.

    `data` is a folder with continuous/, keywords/ and noise/ (manifests); `folder` one with
    positive/ and negative/ (a user's own recordings). `trunk` is a keyword model to take the phone
    trunk from; without it the trunk is trained too, which needs `data`. `notes` go into the card.
    """

    keyword: str
    out: Path
    work_dir: Path
    data: Path | None = None
    folder: Path | None = None
    trunk: Path | None = None
    synthesize: int = 1_200
    real_segments: int = 1_200
    splice: int = 0
    near_words: tuple[str, ...] = ()
    pronunciations: tuple[str, ...] = ()
    trunk_copies: int = 4
    trunk_settings: TrunkSettings = field(default_factory=TrunkSettings)
    head_settings: HeadSettings = field(default_factory=HeadSettings)
    heads: int = 2
    path_weight: float = 3.0
    notes: tuple[str, ...] = ()
    seed: int = 1


def train(config: TrainConfig, progress: Report) -> Path:
    """Train, tune and measure; returns the path of the model file, its card beside it."""
    config = with_speech_folder(config)
    check(config)
    claim(config.work_dir, {name: str(getattr(config, name)) for name in DECIDING})
    features = LogMel()
    spectral = Spectral(background(config, features, progress), features)
    trunk, output = trunk_of(config, spectral, progress)
    material = gather(config, progress)
    rooms = read_rooms(config.data) if config.data else []
    known = examples(
        trunk,
        material,
        Augment(rooms),
        spectral,
        config.work_dir,
        config.seed,
        config.real_segments,
        splices(config, trunk, output, features, progress),
        progress,
    )
    if not known.positive:
        raise InvalidInput("positive", "there is no recording of the word and none was synthesised")
    heads = tuple(
        train_head(known, replace(config.head_settings, seed=config.seed + number), progress)
        for number in range(config.heads)
    )
    net = assemble(Pieces(trunk, output, heads, spellings_of(config), config.path_weight))
    detector = finished(config, material, untuned(net, config.keyword, features), progress)
    detector.save(config.out)
    config.out.with_suffix(".md").write_text(card.as_text(detector.card))
    progress(Progress("done", 1, 1, 0.0, str(config.out)))
    return config.out


def with_speech_folder(config: TrainConfig) -> TrainConfig:
    """`data` may also be the folder that holds speech/."""
    if config.data is not None and (config.data / "speech" / "continuous").is_dir():
        return replace(config, data=config.data / "speech")
    return config


def check(config: TrainConfig) -> None:
    """Raises for a configuration that cannot work, before any work is done."""
    check_numbers(config)
    for word in (config.keyword, *config.near_words):
        if not re.fullmatch(r"[^\W\d_](?:[^\W\d_]|[ '-])*", word):
            raise InvalidInput(
                "keyword", f"got {word[:80]!r}; expected a word or phrase of letters, ' and -"
            )
    if config.trunk is None and config.data is None:
        raise InvalidInput("trunk", "is not given; training one needs `data` with spoken sentences")
    if config.data is None and config.folder is None and not config.synthesize:
        raise InvalidInput("data", "is not given, nor `folder`, nor is anything to be synthesised")
    if config.data is not None and not (config.data / "continuous" / "manifest.csv").exists():
        raise InvalidInput(
            "data",
            f"{config.data} holds no continuous/manifest.csv; for recordings of your own give "
            "a folder with positive/ and negative/ as `folder`",
        )
    if config.folder is not None:
        require_word(read_dataset(config.folder), config.keyword)
    if config.trunk is not None:
        taken_trunk(config.trunk)
    for text in config.pronunciations:
        phones.numbers(text)
    if config.synthesize:
        engines()


def background(config: TrainConfig, features: LogMel, report: Report) -> Array:
    """Frames of noise to mix in: recorded where there is `data`, else coloured noise."""
    if config.data is not None:
        return noise_frames(config.data, config.work_dir, config.seed, features, report)
    rng = np.random.default_rng(config.seed)
    noise = [coloured(rng, 60 * features.rate_hz, exponent) for exponent in (0.0, 1.0, 2.0)]
    return np.concatenate([features.frames(0.1 * part / part.std()) for part in noise])


def trunk_of(config: TrainConfig, spectral: Spectral, report: Report) -> tuple[Sequential, Conv1d]:
    """The phone trunk and its output layer: taken from a model, or trained."""
    if config.trunk is not None:
        return taken_trunk(config.trunk)
    assert config.data is not None
    speech = speech_for_trunk(
        config.data,
        config.work_dir,
        config.trunk_copies,
        config.seed,
        spectral.features,
        report,
    )
    path = config.work_dir / "trunk.safetensors"
    net = train_trunk(speech, spectral, config.trunk_settings, path, report)
    output = net.layers[-1]
    assert isinstance(output, Conv1d)
    return without_output(net), output


def taken_trunk(path: Path) -> tuple[Sequential, Conv1d]:
    """The trunk and phone output inside a keyword model. Raises InvalidInput for another kind."""
    try:
        net = modelfile.load(path).net
    except CoreError as error:
        raise InvalidInput(str(path), f"is no keyword model ({error})") from error
    parts = taken_apart(net)
    if parts is None:
        raise InvalidInput(
            str(path), "holds no phone trunk; expected a keyword model such as welcome"
        )
    return parts


def gather(config: TrainConfig, report: Report) -> Material:
    """All material for the head: recordings and synthetic speech."""
    material = material_of(config.data, config.keyword) if config.data else Material()
    if config.folder is not None:
        own = read_dataset(config.folder).part("train")
        material = replace(
            material,
            positive=[*material.positive, *words_of(own, config.keyword)],
            speech=[*material.speech, *own.negative(config.keyword)],
            noise=[*material.noise, *own.noise],
        )
    if not config.synthesize:
        return material
    rng = np.random.default_rng((config.seed, 2))
    near = (*(config.near_words or near_words(config.keyword)), *synthesis.COMMON)
    return with_synthetic(
        material,
        synthesis.positives(config.keyword, config.synthesize, rng),
        synthesis.negatives(near, config.synthesize, rng, config.keyword),
        config.work_dir,
        report,
    )


def require_word(data: Dataset, keyword: str) -> None:
    """Raises InvalidInput where no recording to learn from holds the word."""
    own = data.part("train")
    if own.placed(keyword) or own.weak(keyword):
        return
    labels = sorted({row.label for row in data.recordings if row.label})
    raise InvalidInput(
        str(data.where),
        f"no recording holds {keyword!r} (labels: {listed(labels) or 'none'}); expected some in "
        "positive/, or labelled so by a CSV manifest or label tracks",
    )


def words_of(data: Dataset, keyword: str) -> list[Recording]:
    """Recordings of the word with its place; the louder part where nobody told."""
    return [*data.placed(keyword), *map(spoken_whole, data.weak(keyword))]


def spoken_whole(recording: Recording) -> Recording:
    """A user's recording of the word alone: the louder part is the word."""
    (_, samples), *_ = read_samples([recording])
    start_s, end_s = loud_span_s(samples)
    return replace(recording, word_s=(recording.start_s + start_s, recording.start_s + end_s))


def splices(
    config: TrainConfig, trunk: Sequential, output: Conv1d, features: LogMel, report: Report
) -> Bank | None:
    """Words put together from real speech; None where there is none or the spelling is unknown."""
    spellings = spellings_of(config)
    if config.data is None or not config.splice or not spellings:
        return None
    speech = speech_for_trunk(config.data, config.work_dir, 1, config.seed, features, report)
    net = Sequential((*trunk.layers, output))
    report(Progress("splicing", 0, config.splice))
    known = splice.aligned(net, speech, spellings, features)
    rng = np.random.default_rng((config.seed, 4))

    def rows() -> Rows:
        return splice.spliced(spellings, known, config.splice, rng)

    return kept_bank(config.work_dir / "spliced", rows, config.splice, report)


def spellings_of(config: TrainConfig) -> tuple[tuple[int, ...], ...]:
    """The word's pronunciations as phone numbers; none where flite is missing."""
    if config.pronunciations:
        return tuple(phones.numbers(text) for text in config.pronunciations)
    if shutil.which(FLITE) is None:
        return ()
    return (tuple(phones.NUMBERS[phone] for phone in phones.pronounce(config.keyword)),)


def finished(
    config: TrainConfig, material: Material, detector: KeywordDetector, report: Report
) -> KeywordDetector:
    """The detector with thresholds from validation recordings, and its card."""
    label = config.keyword
    report(Progress("tuning", 0, 2))
    words, speech = validation(config, detector)
    placed = hear_samples(detector, placed_words(material), label)
    detector = tuned(detector, label, words, speech, list(placed))
    report(Progress("tuning", 1, 2))
    figures = None
    if config.data is not None:
        detector, figures = tested(detector, label, config.data)
    made = card.make(config, material, detector, figures, words, speech)
    return replace(detector, card=made)


def validation(config: TrainConfig, detector: KeywordDetector) -> tuple[list[Heard], list[Heard]]:
    """Recordings that the head never saw: those of the validation split, fresh synthetic ones."""
    label = config.keyword
    rng = np.random.default_rng((config.seed, 3))
    words: list[Heard] = []
    speech: list[Heard] = []
    if config.data is not None:
        kept = measured_on(config.data, label, "validation")
        words += hear(detector, kept.words, label)
        speech += hear(detector, [*kept.speech, *kept.noise], label)
    if config.synthesize:
        near = (*(config.near_words or near_words(label)), *synthesis.COMMON)
        words += hear_clips(detector, synthesis.positives(label, 100, rng), label)
        if not speech:
            speech += hear_clips(detector, synthesis.negatives(near, 300, rng, label), label)
    if config.folder is not None:
        own = read_dataset(config.folder)
        held_out = own.part("validation")
        words += hear(detector, words_of(held_out, label), label)
        speech += hear(detector, held_out.negative(label), label)
        if not words:
            words += hear(detector, words_of(own, label), label)
        if not speech:
            speech += hear(detector, own.negative(label), label)
    return words, speech


def hear_clips(
    detector: KeywordDetector, clips: Iterable[synthesis.Clip], label: str
) -> Iterator[Heard]:
    """Synthetic clips through a detector."""
    spoken = ((as_recording(clip), clip.samples) for clip in clips)
    return hear_samples(detector, spoken, label)


def placed_words(material: Material, enough: int = 5, at_most: int = 200) -> Sequence[Spoken]:
    """Training recordings whose word's place is known, to learn where windows peak: real ones
    where there are enough, for the places of synthetic words are estimates.
    """
    real = list(read_samples(material.positive[:at_most]))
    return real if len(real) >= enough else [*real, *material.synthetic_positive[:at_most]]
