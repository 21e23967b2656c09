"""The shipped model: its size, its card, and that it hears the word and little else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sweepnet_service
from cnn_core.stream import StreamBatch, restore_stream
from sweepnet_service.detectors.keyword import KeywordDetector, SpotSession, card, synthesis
from sweepnet_service.detectors.keyword.dataset import UNLICENSED_VOICES
from sweepnet_service.detectors.keyword.evaluate import alarms, found, hear, measured_on

MODEL = Path(sweepnet_service.__file__).parent / "models" / "welcome.safetensors"


@pytest.fixture(scope="module")
def welcome() -> KeywordDetector:
    return KeywordDetector.load(MODEL)


def test_it_is_small_and_scores_often_enough(welcome: KeywordDetector) -> None:
    assert MODEL.stat().st_size <= 4 * 1024 * 1024
    assert welcome.labels == ("welcome",)
    assert 0.02 <= welcome.hop_s <= 0.04


def test_its_card_says_what_it_learnt_from_and_how_good_it_is(welcome: KeywordDetector) -> None:
    card = welcome.card
    assert card["data"]["real_voices"]
    assert not UNLICENSED_VOICES & set(card["data"]["real_voices"])
    assert not any("GPL" in licence for licence in card["data"]["licences"])
    assert card["test"]["speech_hours"] > 1
    assert 0 <= card["test"]["miss_rate"] < 0.5
    assert "false alarms" in MODEL.with_suffix(".md").read_text()
    thresholds = [point.threshold for point in welcome.operating_points["welcome"]]
    assert thresholds == sorted(thresholds, reverse=True)
    assert welcome.default_thresholds["welcome"] in thresholds


def test_its_page_is_the_card_in_the_file(welcome: KeywordDetector) -> None:
    assert MODEL.with_suffix(".md").read_text() == card.as_text(welcome.card)


def test_silence_and_noise_hold_no_word(welcome: KeywordDetector) -> None:
    rng = np.random.default_rng(0)
    for sound in (np.zeros(80_000), 0.1 * rng.standard_normal(80_000)):
        session = SpotSession(welcome, 16_000)
        updates = (session.push(sound.astype(np.float32)), session.finish())
        assert not any(update.events for update in updates)


@pytest.mark.needs_program("flite")
def test_it_hears_a_synthetic_voice_at_the_right_place(welcome: KeywordDetector) -> None:
    clip = synthesis.flite("hello and {} back", "welcome", np.random.default_rng(4))
    assert clip.word_s is not None
    session = SpotSession(welcome, 16_000)
    updates = (session.push(clip.samples), session.finish())
    (event,) = [event for update in updates for event in update.events]
    assert event.start / 16_000 == pytest.approx(clip.word_s[0], abs=0.3)
    assert event.end / 16_000 == pytest.approx(clip.word_s[1], abs=0.3)


@pytest.mark.needs_data
def test_it_is_as_good_as_its_card_says(welcome: KeywordDetector, data_dir: Path) -> None:
    kept = measured_on(data_dir / "speech", "welcome", "test")
    threshold = welcome.default_thresholds["welcome"]
    words = list(hear(welcome, kept.words, "welcome"))
    missed = sum(not found(welcome, "welcome", each, threshold) for each in words)
    assert (len(words), missed) == (welcome.card["test"]["words"], welcome.card["test"]["missed"])
    speech = hear(welcome, kept.speech[:150], "welcome")
    assert alarms(welcome, "welcome", speech, threshold) <= 1


def test_a_live_stream_of_it_keeps_less_than_64_kib_and_can_move(welcome: KeywordDetector) -> None:
    """All that a stream needs, 33 streams that stand at different places in one step."""
    rng = np.random.default_rng(0)
    frames = rng.standard_normal((33, 240, 40)).astype(np.float32)
    streams = StreamBatch(welcome.net)
    live = [streams.open() for _ in frames]
    streams.step({s: x[:at] for at, (s, x) in enumerate(zip(live, frames, strict=True), start=150)})
    moved = [restore_stream(welcome.net, stream.save()) for stream in live]
    assert max(len(stream.save()) for stream in live) < 64 * 1024

    together = streams.step({s: x[s.read :] for s, x in zip(live, frames, strict=True)})
    for stream, elsewhere, x in zip(live, moved, frames, strict=True):
        whole = welcome.net.forward(x[None])[0]
        rest = whole[elsewhere.written :]
        np.testing.assert_allclose(together[stream].scores, rest, atol=1e-5)
        np.testing.assert_allclose(elsewhere.step(x[elsewhere.read :]).scores, rest, atol=1e-5)
