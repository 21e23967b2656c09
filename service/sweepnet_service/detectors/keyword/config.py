"""What to train and from what, checked before any work is done."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from sweepnet_service.detectors.keyword import phones
from sweepnet_service.detectors.keyword.activations import SEGMENT_STEPS
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.finetune import TuneSettings
from sweepnet_service.detectors.keyword.head import HeadSettings
from sweepnet_service.detectors.keyword.intake import (
    Dataset,
    check_tells_words,
    listed,
    speech_folder,
)
from sweepnet_service.detectors.keyword.mining import speech_without
from sweepnet_service.detectors.keyword.paths import check_rooms
from sweepnet_service.detectors.keyword.speaking import engines
from sweepnet_service.detectors.keyword.trunk import TrunkSettings
from sweepnet_service.detectors.keyword.trunk_source import front_of, taken_trunk
from sweepnet_service.detectors.numbers import check_numbers
from sweepnet_service.errors import InvalidInput, shown

WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|[ '-])*")


@dataclass(frozen=True)
class TrainConfig:
    """What to train and from what.

    `data` is a data set of any form (see `intake`); `folder` another of the user's own beside the
    shipped models' data. `also` are further keywords, each with a head of its own on the same
    trunk. `trunk` is a keyword model to take the phone trunk from; without it, or with
    `train_trunk`, the trunk is trained too, which needs the shipped models' data, on `features`
    ("log-mel" or "pcen"; a trunk that is taken brings its own). `mine` is speech
    without the word, of which the model's own false alarms are learnt from too. `tune_trunk`: all
    keywords are learnt together with the trunk, by `tune_settings` in place of `head_settings`.
    `phones_only`: each word is read off the trunk's phones, without heads; that takes seconds and
    no recordings. `path_weight` is the weight of the phones beside heads, 0: what the trunk's file
    tells of words with as many phones. `add_to`: a keyword model that gets the words besides its
    own. `notes` go into the card.
    """

    keyword: str
    out: Path
    work_dir: Path
    data: Path | None = None
    folder: Path | None = None
    trunk: Path | None = None
    mine: Path | None = None
    add_to: Path | None = None
    also: tuple[str, ...] = ()
    synthesize: int = 1_200
    real_segments: int = 1_200
    splice: int = 0
    near_words: tuple[str, ...] = ()
    pronunciations: tuple[str, ...] = ()
    train_trunk: bool = False
    features: str = ""
    trunk_copies: int = 4
    trunk_settings: TrunkSettings = field(default_factory=TrunkSettings)
    head_settings: HeadSettings = field(default_factory=HeadSettings)
    tune_trunk: bool = False
    tune_settings: TuneSettings = field(default_factory=TuneSettings)
    heads: int = 2
    path_weight: float = 0.0
    phones_only: bool = False
    notes: tuple[str, ...] = ()
    seed: int = 1

    @property
    def keywords(self) -> tuple[str, ...]:
        return (self.keyword, *self.also)

    def for_keyword(self, keyword: str) -> TrainConfig:
        """The training of one of the keywords; those after the first keep their stages apart."""
        if keyword == self.keyword:
            return replace(self, also=())
        place = self.work_dir / re.sub(r"\W+", "-", keyword)
        return replace(self, keyword=keyword, also=(), work_dir=place, near_words=())


def arranged(config: TrainConfig) -> TrainConfig:
    """The same with the shipped models' data as `data`, and any other data set as `folder`."""
    if config.data is None:
        return config
    shipped = speech_folder(config.data)
    if shipped is not None:
        return replace(config, data=shipped)
    if config.folder is None:
        return replace(config, data=None, folder=config.data)
    raise InvalidInput(
        "data",
        f"{config.data} holds no continuous/manifest.csv, and `folder` is given too; give one data "
        "set of your own, or the shipped models' data as `data` beside it",
    )


def check(config: TrainConfig) -> None:
    """Raises for an arranged configuration that cannot work."""
    check_numbers(config)
    check_listening(config)
    check_added(config)
    trains_trunk = config.trunk is None or config.train_trunk
    if trains_trunk and config.data is None:
        raise InvalidInput("trunk", "is not given; training one needs `data` with spoken sentences")
    silent = config.data is None and config.folder is None and not config.synthesize
    if silent and not config.phones_only:
        raise InvalidInput("data", "is not given, nor `folder`, nor is anything to be synthesised")
    if not trains_trunk and config.trunk is not None:
        taken_trunk(config.trunk)
    front_of(config)
    check_heads(config)
    check_tuning(config)
    for text in config.pronunciations:
        phones.numbers(text)
    if config.synthesize and not config.phones_only:
        engines()


def check_listening(config: TrainConfig) -> None:
    """Raises InvalidInput for words that are none, and for places that hold nothing to hear."""
    check_words(config)
    check_data(config)
    check_mined(config)


def check_data(config: TrainConfig) -> None:
    """Raises InvalidInput for data that is not the shipped models', or that lacks its rooms."""
    if config.data is None:
        return
    if not (config.data / "continuous" / "manifest.csv").exists():
        raise InvalidInput("data", f"{config.data} holds no continuous/manifest.csv")
    check_rooms(config.data)


def check_mined(config: TrainConfig) -> None:
    """Raises InvalidInput for speech to mine that is not there or cannot be mined, or where no head
    could learn from it.
    """
    if config.mine is None:
        return
    if not config.mine.exists():
        raise InvalidInput("mine", f"no file or folder named {config.mine}")
    if config.phones_only:
        raise InvalidInput("mine", "is what heads learn from; leave it or phones_only out")
    for keyword in config.keywords:
        speech_without(config.mine, keyword)


def check_added(config: TrainConfig) -> None:
    """Raises InvalidInput for a model to add to that is none, that has such a word already, or
    that hears with other features than the words' trunk.
    """
    if config.add_to is None:
        return
    known = KeywordDetector.load(config.add_to)
    labels = {label.lower() for label in known.labels}
    if twice := sorted({word.lower() for word in config.keywords} & labels):
        raise InvalidInput(
            "add_to",
            f"{config.add_to} finds {', '.join(map(shown, twice))} already; expected others",
        )
    if known.features.describe() != front_of(config).describe():
        raise InvalidInput(
            "add_to",
            f"{config.add_to} hears other features than the trunk, so that they cannot be one "
            "detector; take its own trunk (leave `trunk` out)",
        )


def check_heads(config: TrainConfig) -> None:
    """Raises InvalidInput for heads that see more than the segments they learn from."""
    settings = config.head_settings
    if settings.width > SEGMENT_STEPS:
        most = settings.widest - (settings.width - SEGMENT_STEPS + 1) // 2
        raise InvalidInput(
            "settings.head_settings.widest", f"got {settings.widest}; expected {most} at most"
        )


def check_tuning(config: TrainConfig) -> None:
    """Raises InvalidInput for what only heads on a frozen trunk can learn from."""
    for name in ("splice", "pronunciations", "phones_only"):
        if config.tune_trunk and (value := getattr(config, name)):
            raise InvalidInput(
                name,
                f"got {shown(value)} with tune_trunk, which hears no phones; leave one of them out",
            )


def check_words(config: TrainConfig) -> None:
    """Raises InvalidInput for a keyword or near word that cannot be one, or is there twice."""
    for word in (*config.keywords, *config.near_words):
        if not WORD.fullmatch(word):
            raise InvalidInput(
                "keyword", f"got {shown(word)}; expected a word or phrase of letters, ' and -"
            )
    if len({word.lower() for word in config.keywords}) < len(config.keywords):
        raise InvalidInput("keyword", f"got {config.keywords}; expected each of them once")
    if config.also and config.pronunciations:
        raise InvalidInput("pronunciations", "are for one keyword; got several keywords")


def check_classes(data: Dataset, config: TrainConfig) -> None:
    """Raises InvalidInput where a user's data set lacks the word or what is not the word."""
    check_tells_words(data, config.keywords)
    train = data.part("train")
    for keyword in config.keywords:
        if not (train.placed(keyword) or train.weak(keyword)):
            labels = sorted({row.label for row in train.recordings if row.label})
            raise InvalidInput(
                str(data.where),
                f"no recording to train on holds {keyword!r} (labels: {listed(labels) or 'none'}); "
                "put some into positive/, or label them so in the manifest or in label tracks",
            )
        other = train.negative(keyword) or config.synthesize or config.data
        if not other:
            raise InvalidInput(
                str(data.where),
                f"all recordings to train on hold {keyword!r}; put others into negative/ (speech "
                "without the word, and what else is heard where it will listen), or let "
                "--synthesize speak some",
            )
