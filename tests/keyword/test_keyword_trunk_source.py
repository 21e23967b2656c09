"""A training hears by the front end of its trunk, and keeps its material as log-mel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.detectors.keyword.config import TrainConfig
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.detectors.keyword.frontend import FrontEnd
from sweepnet_service.detectors.keyword.head import HeadSettings, build_head
from sweepnet_service.detectors.keyword.pcen import Pcen
from sweepnet_service.detectors.keyword.train import headed, hearing_of
from sweepnet_service.detectors.keyword.trunk import CHANNELS
from sweepnet_service.detectors.keyword.trunk_source import front_of
from sweepnet_service.errors import InvalidInput


def config(tmp_path: Path, trunk: Path | None, features: str = "") -> TrainConfig:
    return TrainConfig(
        keyword="rise",
        out=tmp_path / "rise.safetensors",
        work_dir=tmp_path / "work",
        trunk=trunk,
        pronunciations=("r ay z",),
        features=features,
    )


@pytest.mark.parametrize("front", [LogMel(), Pcen(smoothing=0.04)])
def test_a_trunk_that_is_taken_brings_its_front_end(
    detector: KeywordDetector, tmp_path: Path, front: FrontEnd
) -> None:
    trunk = tmp_path / "trunk.safetensors"
    replace(detector, features=front).save(trunk)
    wanted = config(tmp_path, trunk)

    hearing = hearing_of(wanted, None, lambda progress: None)
    head = build_head(np.random.default_rng(0), CHANNELS, HeadSettings(channels=8))
    made = headed(wanted, hearing, (head,))

    assert front_of(wanted) == made.features == hearing.spectral.feeds == front
    assert hearing.spectral.features == LogMel()
    assert made.rate_hz == 16_000


def test_a_trunk_that_is_trained_has_the_front_end_asked_for(tmp_path: Path) -> None:
    assert front_of(config(tmp_path, None)) == LogMel()
    assert front_of(config(tmp_path, None, "pcen")) == Pcen()
    assert front_of(replace(config(tmp_path, tmp_path, "pcen"), train_trunk=True)) == Pcen()


def test_a_front_end_that_cannot_be_is_refused(detector: KeywordDetector, tmp_path: Path) -> None:
    trunk = tmp_path / "trunk.safetensors"
    detector.save(trunk)
    with pytest.raises(InvalidInput, match="got 'mfcc'; expected log-mel or pcen"):
        front_of(config(tmp_path, None, "mfcc"))
    with pytest.raises(InvalidInput, match=r"got 'pcen', which the trunk of .* was not trained on"):
        front_of(config(tmp_path, trunk, "pcen"))
    (tmp_path / "text.safetensors").write_text("no model")
    with pytest.raises(InvalidInput, match="is no keyword model"):
        front_of(config(tmp_path, tmp_path / "text.safetensors"))
