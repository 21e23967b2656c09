"""Where a keyword's phone trunk comes from: another model, or a training; and its noise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cnn_core import modelfile
from cnn_core.arrays import Array
from cnn_core.errors import CoreError
from cnn_core.layers import Conv1d, Sequential
from sweepnet_service.detectors.keyword import synthesis
from sweepnet_service.detectors.keyword.assembly import taken_apart
from sweepnet_service.detectors.keyword.augment import LEVEL_DB, set_level
from sweepnet_service.detectors.keyword.dataset import Recording, read_samples
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.detectors.keyword.frontend import FRONT_ENDS, FrontEnd, front_end
from sweepnet_service.detectors.keyword.intake import Dataset
from sweepnet_service.detectors.keyword.prepare import (
    at_once,
    babble,
    coloured,
    noise_frames,
    speech_for_trunk,
)
from sweepnet_service.detectors.keyword.spectral import Spectral
from sweepnet_service.detectors.keyword.trunk import train_trunk, without_output
from sweepnet_service.errors import InvalidInput, shown
from sweepnet_service.progress import Report

if TYPE_CHECKING:
    from sweepnet_service.detectors.keyword.config import TrainConfig

NOISE_S = 60
SENTENCES = 24
"""How many sentences of programs babble is made of."""


def background(config: TrainConfig, own: Dataset | None, features: LogMel, report: Report) -> Array:
    """Frames of noise to mix in: recorded where there is `data`, else coloured noise; and the noise
    and babble that a user's own data set makes, or, where nobody talks in it, speech programs.
    """
    if config.data is not None:
        return noise_frames(config.data, config.work_dir, config.seed, features, report)
    train = own.part("train") if own is not None else None
    noise, talk = (train.noise, train.negative(config.keyword)) if train is not None else ((), ())
    spoken = () if talk or config.phones_only else programs_talk(config)
    return own_noise(noise, talk, config.seed, features, spoken)


def programs_talk(config: TrainConfig) -> list[Array]:
    """Sentences (n,) without the keyword, spoken by programs; none where nothing is synthesised."""
    count = min(config.synthesize, SENTENCES)
    rng = np.random.default_rng((config.seed, 8))
    return [clip.samples for clip in synthesis.sentences(count, rng, config.keyword)]


def own_noise(
    noise: Sequence[Recording],
    talk: Sequence[Recording],
    seed: int,
    features: LogMel,
    spoken: Sequence[Array] = (),
) -> Array:
    """Frames of coloured noise, of recorded `noise`, of babble from `talk` and from what is
    `spoken` (n,) by programs, (F, bands).
    """
    rng = np.random.default_rng(seed)
    length = NOISE_S * features.rate_hz
    parts = [coloured(rng, length, exponent) for exponent in (0.0, 1.0, 2.0)]
    parts += [samples for _, samples in read_samples(noise)]
    parts += [*babble(talk, rng), *at_once(spoken, rng)]
    return np.concatenate([features.frames(set_level(part, LEVEL_DB)) for part in parts])


def trunk_of(config: TrainConfig, spectral: Spectral, report: Report) -> tuple[Sequential, Conv1d]:
    """The phone trunk and its output layer: taken from a model, or trained."""
    if config.trunk is not None and not config.train_trunk:
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


def front_of(config: TrainConfig) -> FrontEnd:
    """What the trunk is fed by: as the model says that it is taken from, else as configured.

    Raises InvalidInput where the two differ or the name is unknown.
    """
    if config.features not in ("", *FRONT_ENDS):
        raise InvalidInput(
            "features", f"got {shown(config.features)}; expected {' or '.join(FRONT_ENDS)}"
        )
    if config.trunk is None or config.train_trunk:
        return FRONT_ENDS[config.features or "log-mel"]()
    taken = features_of(config.trunk)
    if config.features and not isinstance(taken, FRONT_ENDS[config.features]):
        raise InvalidInput(
            "features",
            f"got {config.features!r}, which the trunk of {config.trunk} was not trained on; leave "
            "it out, or train a trunk too (train_trunk)",
        )
    return taken


def features_of(path: Path) -> FrontEnd:
    """What the network of a keyword model is fed by. Raises InvalidInput for another kind."""
    try:
        described = modelfile.load(path).description.get("features")
    except CoreError as error:
        raise InvalidInput(str(path), f"is no keyword model ({error})") from error
    return front_end(described) if described else LogMel()


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
