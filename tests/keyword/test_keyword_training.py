"""Training: end to end on tones, resumed = undisturbed, clear answers to wrong configurations."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cnn_core.arrays import Array
from cnn_core.tree import leaves, tree_map
from sweepnet_service.detectors.keyword import KeywordDetector, SpotSession
from sweepnet_service.detectors.keyword.bank import Bank
from sweepnet_service.detectors.keyword.claim import claim
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.detectors.keyword.head import HeadSettings
from sweepnet_service.detectors.keyword.spectral import Spectral
from sweepnet_service.detectors.keyword.splice import Aligned, spliced
from sweepnet_service.detectors.keyword.train import TrainConfig, begin, claims, train
from sweepnet_service.detectors.keyword.trunk import Transcribed, TrunkSettings, train_trunk
from sweepnet_service.errors import InvalidInput, ModelUnreadable, NotFound
from sweepnet_service.progress import Progress


class Interrupted(Exception):
    """Stands for a process that was stopped."""


def silent(progress: Progress) -> None:
    """Reports nothing."""


def tone(rng: np.random.Generator, first_hz: float, second_hz: float) -> Array:
    """Two tones one after the other in a little noise, 1 s at 16 kHz."""
    time_s = np.arange(4_000) / 16_000
    factor = rng.uniform(0.95, 1.05)
    sound = np.concatenate(
        [np.sin(2 * np.pi * hz * factor * time_s) for hz in (first_hz, second_hz)]
    )
    padded = np.pad(0.3 * sound, 4_000)
    return (padded + 0.003 * rng.standard_normal(len(padded))).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: the "word" rises from 500 to 1500 Hz, other sounds do not."""
    path = tmp_path_factory.mktemp("tones")
    rng = np.random.default_rng(0)
    for kind, pairs in (("positive", [(500, 1500)]), ("negative", [(1500, 500), (500, 500)])):
        (path / kind).mkdir()
        for number in range(8):
            sound = tone(rng, *pairs[number % len(pairs)])
            soundfile.write(path / kind / f"{number}.wav", sound, 16_000)
    return path


@pytest.fixture(scope="module")
def trunk(detector: KeywordDetector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trunk") / "welcome.safetensors"
    detector.save(path)
    return path


def config(folder: Path, trunk: Path, where: Path) -> TrainConfig:
    return TrainConfig(
        keyword="rise",
        out=where / "rise.safetensors",
        work_dir=where / "work",
        folder=folder,
        trunk=trunk,
        synthesize=0,
        pronunciations=("r ay z",),
        path_weight=1e-6,
        real_segments=160,
        head_settings=HeadSettings(steps=120, rounds=2, batch_positive=12, batch_negative=20),
    )


def best(detector: KeywordDetector, samples: Array) -> float:
    session = SpotSession(detector, 16_000)
    updates = (session.push(samples), session.finish())
    return max(window.scores[0] for update in updates for window in update.windows)


@pytest.mark.slow
def test_a_users_folder_becomes_a_model(folder: Path, trunk: Path, tmp_path: Path) -> None:
    stages: list[str] = []
    out = train(config(folder, trunk, tmp_path), lambda progress: stages.append(progress.stage))
    detector = KeywordDetector.load(out)
    rng = np.random.default_rng(9)
    assert detector.labels == ("rise",)
    assert best(detector, tone(rng, 500, 1500)) > best(detector, tone(rng, 1500, 500))
    text = out.with_suffix(".md").read_text()
    assert "# rise" in text
    assert "- 8 recordings of the word by unnamed voices (8 recordings), 0 by espeak-ng" in text
    assert "Not measured" in text
    assert "Nothing was measured on a test split" in text
    assert "rest on recordings that the model learnt from" in text
    assert not re.search("15 points|dense reading|below one an hour|[{}]", text)
    assert "- head: channels 48, dropout 0.1, steps 120, rounds 2" in text
    assert {"head", "tuning", "done"} <= set(stages)
    same = replace(config(folder, trunk, tmp_path), out=tmp_path / "b.safetensors")
    again = KeywordDetector.load(train(same, silent))
    assert again.describe() == detector.describe()
    assert_same_weights(again.net, detector.net)
    with pytest.raises(InvalidInput, match=r"other settings \(seed is '5', there '1'\).*delete it"):
        train(replace(same, seed=5), silent)


def test_a_work_folder_belongs_to_its_noise_pronunciations_and_trunk(
    folder: Path, trunk: Path, tmp_path: Path
) -> None:
    """A NaN in noise/ was learnt from for ever after the file had gone; a trunk of other weights
    under the old name, or another pronunciation, went on from the old one's stages.
    """
    own = tmp_path / "own"
    shutil.copytree(folder, own)
    mine = tmp_path / "trunk.safetensors"
    shutil.copy(trunk, mine)
    first = config(own, mine, tmp_path)
    begin(first)
    for place, kept in claims(first):
        claim(place, kept)
    begin(first)
    with pytest.raises(InvalidInput, match=r"other settings \(pronunciations"):
        begin(replace(first, pronunciations=()))
    (own / "noise").mkdir()
    soundfile.write(own / "noise" / "hum.wav", 0.1 * np.ones(16_000), 16_000)
    with pytest.raises(InvalidInput, match=r"other settings \(recordings is '17, version"):
        begin(first)
    (own / "noise" / "hum.wav").unlink()
    begin(first)
    other = KeywordDetector.load(mine)
    replace(other, net=tree_map(lambda array: 1.01 * array, other.net)).save(mine)
    with pytest.raises(
        InvalidInput, match=r"other settings \(trunk is 'trunk\.safetensors, version"
    ):
        begin(first)


@pytest.fixture
def labelled(folder: Path) -> Path:
    """The same tones with a list that names two words and tells no places."""
    rows = [(f"positive/{n}.wav", "rise") for n in range(4)]
    rows += [(f"negative/{n}.wav", "fall" if n % 2 == 0 else "negative") for n in range(6)]
    path = folder / "list.csv"
    path.write_text("file,label\n" + "".join(f"{file},{label}\n" for file, label in rows))
    return path


@pytest.mark.slow
def test_two_words_get_a_head_each_and_a_rerun_trains_none(
    labelled: Path, trunk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = HeadSettings(channels=4, steps=2, rounds=1, batch_positive=4, batch_negative=4)
    several = replace(
        config(labelled, trunk, tmp_path),
        also=("fall",),
        pronunciations=(),
        real_segments=4,
        head_settings=quick,
        heads=1,
    )
    made = KeywordDetector.load(train(several, silent))
    assert made.labels == ("rise", "fall")
    text = several.out.with_suffix(".md").read_text()
    assert "# rise" in text
    assert "# fall" in text
    parts = [replace(several, also=(), out=tmp_path / "one.safetensors")]
    parts.append(replace(parts[0], keyword="fall", work_dir=several.work_dir / "fall"))

    def trained_again(*_: object) -> None:
        raise AssertionError("a head was trained again")

    monkeypatch.setattr("sweepnet_service.detectors.keyword.head.train_head", trained_again)
    again = KeywordDetector.load(train(several, silent))
    assert_same_weights(again.net, made.net)
    samples = tone(np.random.default_rng(3), 500, 1500)
    for place, part in enumerate(parts):
        alone = KeywordDetector.load(train(part, silent))
        both = SpotSession(made, 16_000).push(samples).windows
        own = SpotSession(alone, 16_000).push(samples).windows
        np.testing.assert_allclose(
            [window.scores[place] for window in both],
            [window.scores[0] for window in own],
            atol=1e-5,
        )


def transcribed(rng: np.random.Generator) -> Transcribed:
    lengths = rng.integers(60, 120, 8)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    words = np.full((8, 2), np.nan)
    banks = [
        Bank(rng.normal(0, 1, (starts[-1], 40)).astype(np.float16), starts, words) for _ in range(2)
    ]
    return Transcribed(tuple(banks), tuple(rng.integers(1, 40, 5) for _ in range(8)))


def test_a_resumed_training_ends_with_the_same_weights(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    speech, noise = transcribed(rng), rng.normal(0, 1, (500, 40)).astype(np.float32)
    settings = TrunkSettings(epochs=3, batch_frames=600)
    spectral = Spectral(noise, LogMel())

    def stop_after_two(progress: Progress) -> None:
        if progress.done == 2:
            raise Interrupted

    whole = train_trunk(speech, spectral, settings, tmp_path / "whole", silent)
    with pytest.raises(Interrupted):
        train_trunk(speech, spectral, settings, tmp_path / "cut", stop_after_two)
    resumed = train_trunk(speech, spectral, settings, tmp_path / "cut", silent)
    assert_same_weights(resumed, whole)


def assert_same_weights(found: object, expected: object) -> None:
    for (path, ours), (_, theirs) in zip(leaves(found), leaves(expected), strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=path)


def test_wrong_configurations_are_refused_before_any_work(
    folder: Path, trunk: Path, tmp_path: Path
) -> None:
    good = config(folder, trunk, tmp_path)
    (tmp_path / "no" / "positive").mkdir(parents=True)
    for wrong, words in (
        (replace(good, keyword=" "), "expected a word or phrase"),
        (replace(good, trunk=None), "trunk: is not given"),
        (replace(good, folder=None), "data: is not given"),
        (replace(good, data=tmp_path), "manifest.csv"),
        (replace(good, trunk=tmp_path / "missing"), "no keyword model"),
        (replace(good, folder=tmp_path / "no", work_dir=tmp_path / "w"), "holds no audio"),
        (replace(good, pronunciations=("r qq z",)), "qq"),
    ):
        with pytest.raises(InvalidInput, match=words):
            train(wrong, silent)
    assert not good.work_dir.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("head_settings.rate", wrong) for wrong in (float("nan"), float("inf"), 0.0, -1e-3)),
        *(("head_settings.steps", wrong) for wrong in (0, -1)),
        *((f"head_settings.{name}", 0) for name in ("rounds", "batch_positive", "channels")),
        *(("head_settings.dropout", wrong) for wrong in (1.0, -0.1, float("nan"))),
        ("head_settings.hard_share", 1.5),
        ("trunk_settings.epochs", 0),
        ("trunk_settings.rate", float("nan")),
        ("heads", 0),
        ("synthesize", -1),
        ("path_weight", float("nan")),
        ("seed", -1),
    ],
)
def test_numbers_that_cannot_train_are_refused_by_name(
    folder: Path, trunk: Path, tmp_path: Path, name: str, value: float
) -> None:
    good = config(folder, trunk, tmp_path)
    outer, _, inner = name.rpartition(".")
    record = {outer: replace(getattr(good, outer), **{inner: value})} if outer else {inner: value}
    with pytest.raises(InvalidInput, match=rf"settings\.{name}: got {value!r}; expected a number"):
        train(replace(good, **record), silent)
    assert not good.work_dir.exists()
    assert not good.out.exists()


def test_a_damaged_record_of_a_work_folder_is_a_reason_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(InvalidInput, match="seed is '1', there None"):
        claim(tmp_path, {"seed": "1"})


def test_a_detector_survives_its_file(detector: KeywordDetector, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    detector.save(path)
    read = KeywordDetector.load(path)
    assert read.describe() == detector.describe()
    silence = np.zeros(500, np.float32)
    # Batch norm is folded on loading: equal but for rounding.
    assert best(read, silence) == pytest.approx(best(detector, silence), rel=1e-4)


def test_files_that_hold_no_detector_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("no model")
    with pytest.raises(ModelUnreadable):
        KeywordDetector.load(tmp_path / "text.safetensors")
    with pytest.raises(NotFound):
        KeywordDetector.load(tmp_path / "missing.safetensors")


def test_spliced_words_are_one_readers_phones_in_their_context() -> None:
    rng = np.random.default_rng(0)
    frames = np.repeat(np.arange(400, dtype=np.float16)[:, None], 40, axis=1)
    bank = Bank(frames, np.array([0, 200, 400]), np.full((2, 2), np.nan))
    phones = [np.array([7, 1, 2, 9]), np.array([8, 3, 4, 9])]
    cuts = [np.array([110, 120, 130, 140, 150])] * 2
    known = Aligned(bank, phones, cuts, ("reader", "reader"))
    words = list(spliced([(1, 2, 3, 4)], known, 20, rng))
    whole = [(values, place) for values, place in words if len(values) == 200]
    assert whole
    for values, (first, past) in whole:
        assert (first, past) == (100, 140)
        np.testing.assert_array_equal(values[:120, 0], np.arange(20, 140))
        np.testing.assert_array_equal(values[120:, 0], np.arange(320, 400))
    strangers = Aligned(bank, phones, cuts, ("reader", "other"))
    assert not list(spliced([(1, 2, 3, 4)], strangers, 20, rng))
