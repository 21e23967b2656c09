"""A spotter from a few recordings: spelled by the trunk, estimated by leaving each out, resumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from typer.testing import CliRunner

from cnn_core.arrays import Array
from cnn_core.decode import greedy_decode
from cnn_core.layers import Conv1d, Relu, Sequential
from sweepnet_service.commands.train import app
from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.detectors.keyword.assembly import Calibrated
from sweepnet_service.detectors.keyword.augment import Augment
from sweepnet_service.detectors.keyword.dataset import Recording
from sweepnet_service.detectors.keyword.evaluate import Decider, Heard, streamed
from sweepnet_service.detectors.keyword.evaluate.intervals import clopper_pearson
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.detectors.keyword.head import HeadSettings
from sweepnet_service.detectors.keyword.personal import lessons as personal_lessons
from sweepnet_service.detectors.keyword.personal.config import (
    other_recordings,
    word_recordings,
    word_rows,
)
from sweepnet_service.detectors.keyword.personal.decoded import fitting, spellings_in
from sweepnet_service.detectors.keyword.personal.estimate import (
    FEWEST_TOLD,
    Judged,
    Part,
    Told,
    mapped,
    threshold_of,
)
from sweepnet_service.detectors.keyword.personal.lessons import divided, lessons, talk_in
from sweepnet_service.detectors.keyword.personal.train import PersonalConfig, train, versions
from sweepnet_service.detectors.keyword.phones import PHONES
from sweepnet_service.detectors.keyword.prepare import BABBLE_S
from sweepnet_service.detectors.keyword.spectral import Spectral
from sweepnet_service.detectors.keyword.trunk_source import NOISE_S
from sweepnet_service.detectors.keyword.trunks.detector import phone_detector
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Progress, ignored

QUICK = HeadSettings(channels=6, steps=60, rounds=1, batch_positive=8, batch_negative=8, rate=6e-3)


def sound(rng: np.random.Generator, first_hz: float, second_hz: float) -> Array:
    """Two tones one after the other in a little noise, 1.2 s at 16 kHz."""
    time_s = np.arange(4_000) / 16_000
    factor = rng.uniform(0.95, 1.05)
    tones = [np.sin(2 * np.pi * hz * factor * time_s) for hz in (first_hz, second_hz)]
    padded = np.pad(0.3 * np.concatenate(tones), 5_600)
    return (padded + 0.002 * rng.standard_normal(len(padded))).astype(np.float32)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four recordings of a "word" that rises, minutes of what does not, a small trunk."""
    folder = tmp_path_factory.mktemp("personal")
    rng = np.random.default_rng(4)
    for name in ("rise", "other"):
        (folder / name).mkdir()
    for number in range(4):
        soundfile.write(folder / "rise" / f"{number}.wav", sound(rng, 500, 1500), 16_000)
    falls = [sound(rng, *pair) for pair in 12 * [(1500, 500), (700, 700), (1500, 1500)]]
    soundfile.write(folder / "other" / "talk.wav", np.concatenate(falls), 16_000)
    weights = Conv1d.create(rng, 40, 12, kernel=5, stride=3)
    output = Conv1d.create(rng, 12, 1 + len(PHONES), kernel=1)
    net = Sequential((weights, Relu(), output))
    phone_detector(net, LogMel()).save(folder / "trunk.safetensors")
    return folder


def config(place: Path, where: Path) -> PersonalConfig:
    return PersonalConfig(
        keyword="rise",
        recordings=(place / "rise",),
        out=where / "rise.safetensors",
        work_dir=where / "work",
        trunk=place / "trunk.safetensors",
        other=place / "other",
        synthesize=0,
        copies=2,
        head_settings=QUICK,
    )


@pytest.fixture(scope="module")
def model(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(config(place, tmp_path_factory.mktemp("model")), ignored)


def test_a_few_recordings_become_a_spotter_that_tells_how_good_it_is(model: Path) -> None:
    made, rng = KeywordDetector.load(model), np.random.default_rng(8)
    assert made.labels == ("rise",)
    rise, fall = (streamed(made, sound(rng, *pair)).max() for pair in ((500, 1500), (1500, 500)))
    assert rise > fall
    told = made.card["estimate"]
    assert told["whole"]["recordings"] == 4
    assert 0 <= told["whole"]["missed"] <= 4
    assert told["half"]["recordings"] == 4
    (point,) = made.operating_points["rise"]
    assert made.default_thresholds["rise"] == point.threshold
    assert point.false_alarms_per_hour == FEWEST_TOLD / point.measured_hours
    assert point.miss_rate == told["whole"]["missed"] / 4
    text = model.with_suffix(".md").read_text()
    assert "## Estimate" in text
    assert "of other voices a spotter of so few may miss far more" in text
    assert "Of 4 recordings, each left out once" in text


def test_what_was_stopped_goes_on_to_the_same_model(
    place: Path, model: Path, tmp_path: Path
) -> None:
    heads = iter(range(99))

    def stopping(progress: Progress) -> None:
        if progress.stage == "head" and next(heads) == 1:
            raise KeyboardInterrupt

    again = config(place, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(again, stopping)
    assert train(again, ignored).read_bytes() == model.read_bytes()
    with pytest.raises(InvalidInput, match="belongs to other settings"):
        train(replace(again, seed=9), ignored)


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=12))
def test_nobody_is_learnt_from_and_left_out_at_once(speakers: list[str]) -> None:
    found = versions(speakers)
    left = [index for each in found if each.label.startswith("left") for index in each.left]
    assert sorted(left) == (list(range(len(speakers))) if len(set(speakers)) > 1 else [])
    for each in found:
        heard = {speakers[index] for index in each.kept}
        assert not heard & {speakers[index] for index in each.left}
        if each.label.startswith("half"):
            (whole,) = [o for o in found if o.label == each.label.replace("half", "left")]
            assert set(each.kept) < set(whole.kept)
            assert np.array_equal(each.left, whole.left)


@given(st.lists(st.lists(st.integers(1, 5), min_size=3, max_size=5), min_size=2, max_size=5))
def test_spellings_are_the_recordings_own(words: list[list[int]]) -> None:
    logits = []
    for word in words:
        steps = [state for phone in word for state in (phone, 0)]
        logits.append(8 * np.eye(7, dtype=np.float32)[steps])
    found = spellings_in(logits)
    assert 1 <= len(found) <= 3
    assert set(found) <= {tuple(word) for word in words}
    for word, each in zip(words, logits, strict=True):
        assert greedy_decode(each) == word
        assert fitting(each, tuple(word)) == pytest.approx(0.0)


def test_recordings_without_phones_have_no_spelling() -> None:
    blank = np.zeros((20, 7), np.float32)
    blank[:, 0] = 5
    assert spellings_in([blank, blank]) == ()


@given(of=st.integers(1, 40), data=st.data())
def test_intervals_hold_the_share(of: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, of))
    found = clopper_pearson(count, of)
    assert 0 <= found.low <= count / of <= found.high <= 1
    assert found.high - found.low > 0


def test_a_threshold_is_mapped_as_the_scores_are(detector: KeywordDetector, murmur: Array) -> None:
    net = Calibrated.of(detector.net, 1).mapped(0, 0.4, 1.5).net
    other = replace(detector, net=net)
    before, after = streamed(detector, murmur)[:, 0], streamed(other, murmur)[:, 0]
    for place in (0, 40, 90):
        found = mapped(float(before[place]), detector, other)
        assert found == pytest.approx(after[place], abs=1e-4)


@given(
    clips=st.integers(200, 400),
    least=st.floats(-8.0, 0.0),
    spread=st.floats(0.2, 1.5),
)
def test_a_threshold_is_not_read_beyond_the_sound_that_it_is_chosen_on(
    detector: KeywordDetector, clips: int, least: float, spread: float
) -> None:
    """Some minutes of near words, whose peaks have an exponential tail: for one alarm an hour the
    threshold lay above the recordings that the spotter had learnt from.
    """
    peaks = expit(least - spread * np.log((np.arange(clips) + 0.5) / clips))
    quiet = np.zeros(50)
    row = Recording(Path("x.wav"), 0.0, None, "train", "", "own", "", "")
    sound = [Heard(row, 1.0, np.r_[quiet, peak, quiet].astype(np.float32)) for peak in peaks]
    (label,) = detector.labels
    threshold = threshold_of(detector, Part(label, (), sound, ()))
    assert 1 <= Decider(detector, label, threshold).alarms(sound) <= 3


def test_what_more_recordings_bring_is_told_with_care() -> None:
    def told(whole: int, half: int | None) -> str:
        parts = (
            Judged(10, whole, 5, 0.2, 5),
            Judged(10, half, 5, 0.2, 5) if half is not None else None,
        )
        return Told(*parts).sentences()[-1]

    assert "about 20 % may be missed" not in told(2, 4)
    assert "about 10 % may be missed" in told(2, 4)
    assert "about 40 % may be missed" in told(4, 2)
    assert "make this estimate surer" in told(0, 3)
    assert "may help" in told(2, 0)
    assert "too few to tell" in told(2, None)
    assert clopper_pearson(0, 3).high == pytest.approx(0.708, abs=0.001)


def test_what_cannot_be_learnt_from_is_told(place: Path, tmp_path: Path) -> None:
    usual = config(place, tmp_path)
    two = tuple(sorted((place / "rise").glob("*.wav")))[:2]
    with pytest.raises(InvalidInput, match="got 2, doubles counted once; expected 3 at least"):
        train(replace(usual, recordings=two), ignored)
    with pytest.raises(InvalidInput, match=r"its louder part lasts .* cut out the rest"):
        train(replace(usual, recordings=(place / "other",)), ignored)
    with pytest.raises(InvalidInput, match="other: is not given"):
        train(replace(usual, other=None), ignored)
    talk = tmp_path / "talk.wav"
    soundfile.write(talk, sound(np.random.default_rng(1), 1500, 500), 16_000)
    short = replace(usual, other=talk, work_dir=tmp_path / "short")
    with pytest.raises(InvalidInput, match="other: holds 1 pieces of ten seconds; expected 3"):
        train(short, ignored)
    with pytest.raises(InvalidInput, match="copies: got 0"):
        train(replace(usual, copies=0), ignored)
    done = CliRunner().invoke(app, ["personal", str(two[0]), "--keyword", "?"])
    assert done.exit_code == 1
    assert "sweepnet train personal: keyword" in done.stderr


def test_doubles_of_a_recording_count_once(place: Path, tmp_path: Path) -> None:
    """A double was learnt from while the other was left out: the estimate was too good."""
    own = config(place, tmp_path)
    double = tmp_path / "double.wav"
    double.write_bytes((place / "rise" / "0.wav").read_bytes())
    both = replace(own, recordings=(place / "rise", double, place / "rise" / "1.wav"))

    assert [row.path for row in word_rows(both)] == [row.path for row in word_rows(own)]
    with pytest.raises(InvalidInput, match="got 1, doubles counted once"):
        word_recordings(replace(own, recordings=(place / "rise" / "0.wav", double)))


def test_folders_of_one_name_are_several_speakers(place: Path, tmp_path: Path) -> None:
    """ann/rise and bob/rise were one speaker, of whom nothing was left to measure: it crashed."""
    for number, who in enumerate(("ann", "ann", "bob", "bob")):
        folder = tmp_path / who / "rise"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.wav").write_bytes((place / "rise" / f"{number}.wav").read_bytes())
    own = replace(config(place, tmp_path), recordings=(tmp_path / "ann", tmp_path / "bob"))

    speakers = [row.speaker for row in word_rows(own)]

    assert len(set(speakers)) == 2
    assert [len(each.left) for each in versions(speakers) if each.label.startswith("left")] == [
        2,
        2,
    ]


def test_the_word_is_no_other_sound(place: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"other.*0\.wav, a recording of the word too"):
        other_recordings(replace(config(place, tmp_path), other=place))


@given(st.lists(st.integers(0, 9), max_size=9))
def test_alarms_are_counted_in_other_recordings_than_were_learnt_from(lengths: list[int]) -> None:
    """Pieces of one recording lay in all three parts."""
    row = Recording(Path("talk"), 0.0, None, "train", "", "own", "", "")
    given = [
        [(replace(row, speaker=str(number), start_s=float(n)), np.zeros(1)) for n in range(length)]
        for number, length in enumerate(lengths)
    ]

    parts = divided(given)

    assert len(parts) == 3
    placed = sorted((piece.speaker, piece.start_s) for part in parts for piece, _ in part)
    assert placed == sorted((piece.speaker, piece.start_s) for each in given for piece, _ in each)
    if len(given) >= 3:
        voices = [name for part in parts for name in {piece.speaker for piece, _ in part}]
        assert len(voices) == len(set(voices))
    elif sum(lengths) >= 3:
        assert all(parts)


def test_the_word_is_heard_in_rooms_and_in_talk(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was learnt dry, and in coloured noise alone."""
    changed: list[tuple[Spectral, Augment]] = []

    def making(_: object, spectral: Spectral, augment: Augment, *__: object) -> None:
        changed.append((spectral, augment))
        raise KeyboardInterrupt

    monkeypatch.setattr(personal_lessons, "Maker", making)
    with pytest.raises(KeyboardInterrupt):
        lessons(config(place, tmp_path), [], ignored)
    ((spectral, augment),) = changed
    assert len(augment.rooms) > 1
    coloured_s = 3 * NOISE_S
    assert len(spectral.noise) * LogMel().hop_s > coloured_s + BABBLE_S


def test_talk_is_of_what_is_learnt_from_and_long_enough_for_a_sentence() -> None:
    row = Recording(Path("talk"), 0.0, None, "train", "", "own", "", "")
    spoken = [(row, np.full(length, length)) for length in (100, 20_000, 15_999, 16_000)]
    found = talk_in(spoken, seed=1)
    assert sorted(len(each) for each in found) == [16_000, 20_000]
    assert talk_in([], seed=1) == []
