"""Words learnt with their trunk by a training: sources, a resumed end to end, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from cnn_core.arrays import Array
from cnn_core.layers import Concat, Conv1d, MaxPool, MeanPool, Relu, Sequential
from cnn_core.tree import leaves
from sweepnet_service.detectors.keyword import KeywordDetector, SpotSession
from sweepnet_service.detectors.keyword.assembly import (
    SMOOTHED,
    UNCALIBRATED,
    Pieces,
    assemble,
    from_tuned,
)
from sweepnet_service.detectors.keyword.augment import Augment
from sweepnet_service.detectors.keyword.bank import Bank
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.detectors.keyword.finetune import PART, PAUSE, TuneSettings, parts_of
from sweepnet_service.detectors.keyword.gathering import checked
from sweepnet_service.detectors.keyword.head import HeadSettings, build_head
from sweepnet_service.detectors.keyword.material import Maker
from sweepnet_service.detectors.keyword.mining import mined
from sweepnet_service.detectors.keyword.pieces import Others, Words
from sweepnet_service.detectors.keyword.spectral import Spectral
from sweepnet_service.detectors.keyword.together import (
    learnt_together,
    other_sources,
    taught,
    word_sources,
)
from sweepnet_service.detectors.keyword.train import TrainConfig, train
from sweepnet_service.detectors.keyword.tuning import untuned
from sweepnet_service.errors import FailedPrecondition, InvalidInput
from sweepnet_service.progress import Progress, ignored

FEW = TuneSettings(
    steps=4, each=2, others=4, channels=4, searches=1, hard_pool=4, keep_every=2, seed=1
)


def tone(first_hz: float, second_hz: float, times: int = 1) -> Array:
    """Two tones one after the other in a little noise, 1 s; so many times."""
    time_s = np.arange(4_000) / 16_000
    sound = np.concatenate([np.sin(2 * np.pi * hz * time_s) for hz in (first_hz, second_hz)])
    padded = np.tile(np.pad(0.3 * sound, 4_000), times)
    noise = np.random.default_rng(len(padded)).standard_normal(len(padded))
    return (padded + 0.003 * noise).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tones that rise and fall, of which one recording of either is too long to find it in."""
    path = tmp_path_factory.mktemp("words")
    rows = []
    for number in range(4):
        for label, pair in (("rise", (500, 1500)), ("fall", (1500, 500)), ("negative", (700, 700))):
            name, step = f"{label}{number}.wav", 20 * number
            times = {"rise": 5, "fall": 3}.get(label, 1) if number == 3 else 1
            soundfile.write(path / name, tone(pair[0] + step, pair[1] + step, times), 16_000)
            rows.append(f"{name},{label}")
    (path / "manifest.csv").write_text("\n".join(["file,label", *rows]))
    return path


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a small trunk, so that steps are quick."""
    rng = np.random.default_rng(1)
    small = Sequential((Conv1d.create(rng, 40, 8, kernel=5, stride=3), Relu()))
    heads = (build_head(rng, 8, HeadSettings(channels=4)),)
    phones = Conv1d.create(rng, 8, 40, kernel=1)
    net = assemble(Pieces(small, phones, heads, ((37, 11, 21, 20, 3, 22),)))
    path = tmp_path_factory.mktemp("trunk") / "welcome.safetensors"
    untuned(net, "welcome", LogMel()).save(path)
    return path


@pytest.fixture
def config(folder: Path, trunk: Path, tmp_path: Path) -> TrainConfig:
    return TrainConfig(
        keyword="rise",
        also=("fall",),
        out=tmp_path / "words.safetensors",
        work_dir=tmp_path / "work",
        folder=folder,
        trunk=trunk,
        synthesize=0,
        real_segments=4,
        tune_trunk=True,
        tune_settings=FEW,
    )


@pytest.fixture
def maker(config: TrainConfig) -> Maker:
    noise = np.random.default_rng(0).normal(-2, 0.2, (900, 40)).astype(np.float32)
    return Maker(Sequential(()), Spectral(noise), Augment(), config.work_dir, 1, ignored)


def tuned(config: TrainConfig, **changed: Any) -> TrainConfig:
    return replace(config, tune_settings=replace(config.tune_settings, **changed))


def assert_same_weights(found: object, expected: object) -> None:
    for (path, ours), (_, theirs) in zip(leaves(found), leaves(expected), strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=path)


def test_one_network_for_several_words_that_goes_on_where_it_stopped(
    config: TrainConfig, tmp_path: Path
) -> None:
    told: list[Progress] = []
    made = KeywordDetector.load(train(config, told.append))
    assert made.labels == ("rise", "fall")
    assert set(made.operating_points) == {"rise", "fall"}
    assert [each.done for each in told if each.stage == "words"] == [0, 2, 4]
    text = config.out.with_suffix(".md").read_text()
    assert text.count("taken from another model; then tuned together with the words") == 2
    assert text.count("- tuning: steps 4, each 2") == 2
    assert "# rise" in text
    assert "# fall" in text
    assert text.count("1 recordings of the word were left out") == 1
    assert "heads" not in text
    for card in made.card["joined"]:
        assert set(card["calibration"]) == {card["label"]}

    def stop(progress: Progress) -> None:
        if progress.stage == "words" and progress.done == 2:
            raise KeyboardInterrupt

    other = replace(config, out=tmp_path / "b.safetensors", work_dir=tmp_path / "b")
    with pytest.raises(KeyboardInterrupt):
        train(other, stop)
    again = KeywordDetector.load(train(other, ignored))
    assert_same_weights(again.net, made.net)
    windows = SpotSession(made, 16_000).push(tone(500, 1500, 3)).windows
    assert len(windows[0].scores) == 2
    with pytest.raises(FailedPrecondition, match="other settings"):
        train(replace(config, tune_settings=replace(FEW, each=3)), ignored)


def test_pieces_of_other_sound_hold_none_of_the_words(config: TrainConfig, maker: Maker) -> None:
    data = checked(config, ignored)
    words = [taught(config.for_keyword(word), data, maker) for word in config.keywords]
    (source,) = other_sources(words)
    heard = [words[0].material.speech[place].label for place in source.rows]
    assert heard == ["negative"] * 4
    assert {row.label for row in words[0].material.speech} == {"negative", "fall"}


def test_a_word_of_unknown_place_is_learnt_from_short_recordings(
    config: TrainConfig, maker: Maker
) -> None:
    data = checked(config, ignored)
    rise, fall = (taught(config.for_keyword(word), data, maker) for word in config.keywords)
    assert (len(rise.material.positive), len(rise.material.weak)) == (3, 0)
    assert (len(fall.material.positive), len(fall.material.weak)) == (3, 1)
    assert any("longer than 4 s" in note for note in rise.config.notes)
    assert not fall.config.notes
    shares = [(share, len(words.rows)) for share, words in word_sources(fall)]
    assert [rows for _, rows in shares] == [3, 1]
    assert sum(share for share, _ in shares) == pytest.approx(0.7)
    long = replace(rise, material=replace(rise.material, positive=[]))
    with pytest.raises(InvalidInput, match="no recording of 'rise' that tells where it is or last"):
        word_sources(long)


def test_a_word_somewhere_is_drawn_whole_among_other_sound() -> None:
    rng = np.random.default_rng(0)
    frames = rng.normal(-2, 0.1, (600, 40)).astype(np.float16)
    frames[180:220] = 1
    bank = Bank(frames, np.array([0, 300, 600]), np.full((2, 2), np.nan))
    words = Words.somewhere(bank)
    assert abs(words.middles[0] - 200) < 25
    cut = words.draw_among(Others((bank,), np.array([1]), -2.5), 150, rng)
    assert cut.shape == (150, 40)


def test_all_recordings_with_one_of_the_words_are_refused(
    config: TrainConfig, maker: Maker
) -> None:
    data = checked(config, ignored)
    assert data.own is not None
    rows = [row for row in data.own.recordings if row.label != "negative"]
    data = replace(data, own=replace(data.own, recordings=rows))
    with pytest.raises(InvalidInput, match=r"all recordings .* hold one of rise, fall; put"):
        learnt_together(config, data, maker)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda good: replace(good, splice=10), "splice: got 10 with tune_trunk"),
        (
            lambda good: replace(good, also=(), pronunciations=("r ay z",)),
            "pronunciations: got .* with tune_trunk, which hears no phones",
        ),
        (lambda good: tuned(good, steps=0), r"settings\.tune_settings\.steps: got 0"),
        (lambda good: tuned(good, each=0), r"settings\.tune_settings\.each: got 0"),
        (lambda good: tuned(good, trunk_rate=0.0), r"tune_settings\.trunk_rate: got 0\.0"),
        (lambda good: tuned(good, among=1.5), r"tune_settings\.among: got 1\.5"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_any_work(
    config: TrainConfig, change: Callable[[TrainConfig], TrainConfig], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        train(change(config), ignored)
    assert not config.work_dir.exists()


def test_long_recordings_are_searched_in_parts_that_leave_nothing_out() -> None:
    size = 155
    assert parts_of(np.array([200]), size).tolist() == [[0, -PAUSE, 200 + 2 * PAUSE]]
    for length in (1, PART, PART + 100, 3 * PART + 7):
        parts = parts_of(np.array([length]), size)
        starts = {
            first + offset
            for _, first, frames in parts.tolist()
            for offset in range(frames - size + 1)
        }
        assert starts == set(range(-PAUSE, length + PAUSE - size + 1))


def test_the_tuned_networks_scores_are_the_mean_of_best_windows() -> None:
    rng = np.random.default_rng(0)
    trunk = Sequential((Conv1d.create(rng, 4, 3, kernel=5, stride=3),))
    heads = Concat(tuple(Conv1d.create(rng, 3, 1, kernel=3) for _ in range(2)))
    net = Sequential((trunk, heads))
    values = rng.normal(0, 1, (1, 90, 4)).astype(np.float32)
    smooth = Sequential((MaxPool.create(3, stride=1), MeanPool.create(SMOOTHED, stride=1)))
    odds = UNCALIBRATED * smooth.forward(net.forward(values))
    np.testing.assert_allclose(from_tuned(net).forward(values), 1 / (1 + np.exp(-odds)), atol=1e-6)


def test_what_is_mined_holds_none_of_the_words(
    folder: Path, detector: KeywordDetector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweepnet_service.detectors.keyword.mining.AN_HOUR", 3_600)

    def files(words: tuple[str, ...]) -> set[str]:
        found = mined(detector, "welcome", folder, tmp_path, ignored, words)
        return {row.path.name.rstrip("0123.wav") for row in found.recordings}

    assert files(("rise", "fall")) == {"negative"}
    assert files(()) == {"negative", "rise", "fall"}
