"""The benchmark of "welcome": nobody is learnt from and measured on, all recordings count once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sweepnet_service.detectors.keyword.folds import FOLDS, voice
from sweepnet_service.progress import ignored

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def voices(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folders = [str(BENCHMARKS / name) for name in ("keyword_welcome", "keyword_folds")]
    known = set(sys.modules)
    sys.path[:0] = folders
    try:
        from leaving import Voices  # type: ignore[import-not-found]
        from material import Material  # type: ignore[import-not-found]

        yield Voices(Material(data_dir / "speech", tmp_path_factory.mktemp("folds"), ignored))
    finally:
        del sys.path[: len(folders)]
        for name in set(sys.modules) - known:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(BENCHMARKS)):
                del sys.modules[name]


@pytest.mark.needs_data
def test_no_voice_is_learnt_from_and_measured_on(voices: Any) -> None:
    rows = voices.recordings
    for fold in range(FOLDS):
        measured = {voice(rows[n]) for n in voices.left_out(fold)}
        readers = {voice(row) for row in voices.material.held_out(fold)}
        learnt = {voice(rows[n]) for n in voices.to_learn(fold)}
        assert measured
        assert not learnt & (measured | readers)


@pytest.mark.needs_data
def test_every_recording_is_measured_once(voices: Any) -> None:
    """29 by 20 voices: some sentences stand in two manifests."""
    places = sorted(n for fold in range(FOLDS) for n in voices.left_out(fold))
    assert places == list(range(29))
    assert len({row.source for row in voices.recordings}) == 29
    assert len(voices.fold_of) == 20
