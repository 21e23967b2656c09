"""`sweepnet train trunk`: speech with its text -> a phone trunk as a model file, and its card.

Every stage leaves its result in `work_dir`: a run that was stopped goes on there to the same bits,
one that ended goes on where more epochs are asked for.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from cnn_core.layers import Conv1d, Sequential
from cnn_core.modelfile import read_json, read_metadata
from sweepnet_service.detectors.keyword.claim import claim
from sweepnet_service.detectors.keyword.spectral import Spectral
from sweepnet_service.detectors.keyword.trunk import train_trunk
from sweepnet_service.detectors.keyword.trunk_source import taken_trunk
from sweepnet_service.detectors.keyword.trunks import card
from sweepnet_service.detectors.keyword.trunks.config import TrunkConfig, check, deciding
from sweepnet_service.detectors.keyword.trunks.detector import phone_detector
from sweepnet_service.detectors.keyword.trunks.measure import cost_of, phone_errors
from sweepnet_service.detectors.keyword.trunks.reading import fitted_reading
from sweepnet_service.detectors.keyword.trunks.speech import (
    Speech,
    background_of,
    check_speech,
    learnt_speech,
    read_speech,
)
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Progress, Report, timed

__all__ = ["TrunkConfig", "train"]
NOISE_DB = (3.0, 25.0)
PHONES, KEPT = "phones.json", "trunk.safetensors"


def train(config: TrunkConfig, progress: Report) -> Path:
    """Train and measure; returns the path of the model file, its card beside it."""
    report = timed(progress)
    check(config)
    speech = read_speech(config.data)
    check_speech(speech)
    claim(config.work_dir, deciding(config, () if speech.shipped else speech.recordings))
    check_epochs(config.work_dir / KEPT, config.settings.epochs)
    net = learnt(config, speech, report)
    made = phone_detector(net, config.front)
    described = card.make(
        config,
        {split: Counter(row.corpus for row in speech.part(split)) for split in card.SPLITS},
        phone_errors(net, config.front, speech.recordings, config.work_dir / PHONES, report),
        cost_of(made, net),
        fitted_reading(net, config.front, speech.part("validation"), report),
    )
    card.save(replace(made, card=described), config.out)
    report(Progress("done", 1, 1, 0.0, str(config.out)))
    return config.out


def learnt(config: TrunkConfig, speech: Speech, report: Report) -> Sequential:
    """The phone network, (N, T, bands) -> logits."""
    seed, front = config.settings.seed, config.front
    spoken = learnt_speech(
        speech,
        config.work_dir,
        config.trunk_copies,
        config.synthesize,
        seed,
        front.log_mel,
        report,
    )
    noise = background_of(speech, config.work_dir, seed, front.log_mel, report)
    spectral = Spectral(noise, front.log_mel, front, signal_to_noise_db=NOISE_DB)
    kept = config.work_dir / KEPT
    return train_trunk(spoken, spectral, config.settings, kept, report, first_net(config))


def check_epochs(kept: Path, epochs: int) -> None:
    """Raises InvalidInput where a training kept before has gone beyond so many epochs."""
    done = read_json(kept, read_metadata(kept), "record")["epoch"] if kept.exists() else 0
    if done > epochs:
        raise InvalidInput(
            "settings.epochs",
            f"got {epochs}; {kept.parent} holds a training of {done}: ask for more, or use another "
            "folder (--work-dir)",
        )


def first_net(config: TrunkConfig) -> Sequential | None:
    """The network that a training begins with; None: random weights."""
    if config.start_from is None:
        return None
    trunk, output = taken_trunk(config.start_from)
    assert isinstance(output, Conv1d)
    return Sequential((*trunk.layers, output))
