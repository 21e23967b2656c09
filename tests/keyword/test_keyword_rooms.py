"""Rooms drawn where none were recorded, and babble where nobody talks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword import rooms, synthesis
from sweepnet_service.detectors.keyword.augment import RATE_HZ, in_room
from sweepnet_service.detectors.keyword.config import TrainConfig
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.detectors.keyword.prepare import BABBLE_S, BABBLES
from sweepnet_service.detectors.keyword.synthesis import Clip, Plan
from sweepnet_service.detectors.keyword.train import hearing_of
from sweepnet_service.detectors.keyword.trunk_source import background, own_noise
from sweepnet_service.progress import ignored

WELCOME = Path(rooms.__file__).parents[2] / "models" / "welcome.safetensors"


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_room_begins_with_its_direct_sound_and_has_energy_one(seed: int) -> None:
    response = rooms.drawn_room(np.random.default_rng(seed))
    assert response.dtype == np.float32
    assert np.argmax(np.abs(response)) == 0
    assert np.sum(response.astype(np.float64) ** 2) == pytest.approx(1, rel=1e-4)
    assert not np.any(response[1 : int(rooms.FIRST_S[0] * RATE_HZ)])


@pytest.mark.parametrize("dies_away_s", [0.2, 0.5, 0.8])
def test_a_room_dies_away_in_the_time_drawn(
    dies_away_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 5 to 25 dB below all of it, by the integral from behind (Schroeder 1965)."""
    monkeypatch.setattr(rooms, "DIES_AWAY_S", (dies_away_s, dies_away_s))
    monkeypatch.setattr(rooms, "HIGH_SHARE", (1.0, 1.0))
    tail = rooms.drawn_room(np.random.default_rng(1))[1:]
    left_db = 10 * np.log10(np.cumsum(tail[::-1] ** 2)[::-1] / np.sum(tail**2) + 1e-12)
    inside = np.flatnonzero((left_db < -5) & (left_db > -25))
    slope = np.polyfit(inside / RATE_HZ, left_db[inside], 1)[0]
    assert -60 / slope == pytest.approx(dies_away_s, rel=0.15)


def test_high_bands_die_away_sooner() -> None:
    response = rooms.drawn_room(np.random.default_rng(2))
    early, late = (np.abs(np.fft.rfft(part)) ** 2 for part in np.split(response[1:2401], 2))
    low, high = slice(0, 100), slice(300, 600)
    assert np.sum(late[high]) / np.sum(early[high]) < np.sum(late[low]) / np.sum(early[low])


def test_speech_in_a_drawn_room_keeps_length_and_place(murmur: Array) -> None:
    click = np.zeros(16_000, np.float32)
    click[5_000] = 1
    for response in rooms.rooms_for(None, 3)[:5]:
        assert len(in_room(murmur, response)) == len(murmur)
        assert np.argmax(np.abs(in_room(click, response))) == 5_000


def test_the_seed_decides_the_rooms() -> None:
    first, again, other = (rooms.rooms_for(None, seed) for seed in (1, 1, 2))
    assert len(first) == rooms.COUNT
    assert all(map(np.array_equal, first, again))
    assert not any(map(np.array_equal, first, other))


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainConfig:
    """A word without any recording; what programs say is noise."""

    def sentences(count: int, rng: np.random.Generator, keyword: str) -> Plan:
        told = rng.standard_normal((count, 8_000)).astype(np.float32)
        return Plan(lambda number: Clip(told[number], keyword, "x"), count)

    monkeypatch.setattr(synthesis, "sentences", sentences)
    return TrainConfig("stop", tmp_path / "m", tmp_path / "work", trunk=WELCOME)


def test_a_word_without_recordings_is_heard_in_rooms_and_babble(alone: TrainConfig) -> None:
    """Both once came with the shipped models' data only."""
    hearing = hearing_of(alone, None, ignored)
    assert len(hearing.augment.rooms) == rooms.COUNT
    silent = own_noise((), (), alone.seed, LogMel())
    babble_s = (len(hearing.spectral.noise) - len(silent)) * LogMel().hop_s
    assert babble_s == pytest.approx(BABBLES * BABBLE_S, rel=0.01)


@pytest.mark.parametrize("quiet", [{"synthesize": 0}, {"phones_only": True}])
def test_no_program_speaks_where_none_is_wanted(
    alone: TrainConfig, quiet: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("sweepnet_service.detectors.keyword.speaking.shutil.which", lambda _: None)
    noise = background(replace(alone, **quiet), None, LogMel(), ignored)  # type: ignore[arg-type]
    np.testing.assert_array_equal(noise, own_noise((), (), alone.seed, LogMel()))


@pytest.mark.parametrize("keyword", ["", "well", "agents", "nothing of the kind"])
def test_what_programs_talk_of_is_not_the_word(keyword: str) -> None:
    talk = synthesis.talk_without(keyword)
    assert talk
    assert not keyword or not any(keyword in text for text in talk)
