"""What a training learns from: which data set is which, classes, words without a place, mining."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cnn_core.arrays import Array
from cnn_core.tree import tree_map
from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.detectors.keyword.assembly import taken_apart
from sweepnet_service.detectors.keyword.augment import Augment
from sweepnet_service.detectors.keyword.config import (
    TrainConfig,
    arranged,
    check_classes,
    check_words,
)
from sweepnet_service.detectors.keyword.evaluate.heard import peaks
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.detectors.keyword.gathering import Checked, checked, gather, located
from sweepnet_service.detectors.keyword.head import HeadSettings, train_head
from sweepnet_service.detectors.keyword.intake import read_dataset
from sweepnet_service.detectors.keyword.material import Maker, examples, with_mined
from sweepnet_service.detectors.keyword.mining import (
    Mined,
    mined,
    read_mined,
    speech_without,
    told,
)
from sweepnet_service.detectors.keyword.spectral import Spectral
from sweepnet_service.detectors.keyword.trunk_source import background
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import ignored


def write(path: Path, samples: Array) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, 16_000)
    return path


@pytest.fixture
def folder(tmp_path: Path, murmur: Array) -> Path:
    """Two words alone, one in 3 s of sound, two other recordings."""
    burst = np.pad(murmur[:9_600], 8_000)
    write(tmp_path / "own/positive/a.wav", burst)
    write(tmp_path / "own/positive/b.wav", 0.5 * burst)
    write(tmp_path / "own/positive/long.wav", murmur)
    write(tmp_path / "own/negative/c.wav", murmur[::-1])
    write(tmp_path / "own/negative/d.wav", murmur[5_000:30_000])
    return tmp_path / "own"


def config(folder: Path) -> TrainConfig:
    place = folder.parent
    return TrainConfig("rise", place / "m.safetensors", place / "work", folder=folder, synthesize=0)


@pytest.mark.needs_program("espeak-ng")
def test_programs_speak_the_word_in_other_accents_too(folder: Path) -> None:
    speaking = replace(config(folder), folder=None, synthesize=4)
    found = gather(speaking, Checked(), ignored)
    assert [len(found.synthetic_positive), len(found.synthetic_negative)] == [6, 4]
    for row, samples in found.synthetic_positive[4:]:
        assert (row.text, row.word_s) == ("rise", (0.0, len(samples) / 16_000))


def test_data_may_be_a_users_own_or_the_shipped_models(tmp_path: Path, folder: Path) -> None:
    own = replace(config(folder), data=folder, folder=None)
    assert (arranged(own).data, arranged(own).folder) == (None, folder)
    (tmp_path / "all/speech/continuous").mkdir(parents=True)
    both = replace(config(folder), data=tmp_path / "all")
    assert (arranged(both).data, arranged(both).folder) == (tmp_path / "all/speech", folder)
    with pytest.raises(InvalidInput, match="give one data set of your own"):
        arranged(replace(config(folder), data=folder))


def test_a_data_set_of_one_class_is_refused_with_what_to_do(folder: Path) -> None:
    good = config(folder)
    data = read_dataset(folder)
    check_classes(data, good)
    words = replace(data, recordings=data.weak("rise"))
    with pytest.raises(InvalidInput, match=r"all recordings .* hold 'rise'; put others into neg"):
        check_classes(words, good)
    check_classes(words, replace(good, synthesize=10))
    others = replace(data, recordings=data.negative("rise"))
    with pytest.raises(InvalidInput, match=r"no recording .* 'rise' \(labels: negative\); put"):
        check_classes(others, replace(good, synthesize=10))


def test_two_keywords_need_recordings_that_tell_which(folder: Path) -> None:
    """positive/ gave both heads the same recordings."""
    both = replace(config(folder), also=("fall",))
    with pytest.raises(InvalidInput, match="which of the 2 words"):
        check_classes(read_dataset(folder), both)


def test_keywords_are_words_and_each_is_there_once(folder: Path) -> None:
    good = config(folder)
    check_words(replace(good, also=("fall",)))
    assert replace(good, also=("fall",)).keywords == ("rise", "fall")
    for wrong in (("Rise",), ("-x",)):
        with pytest.raises(InvalidInput, match="keyword: got"):
            check_words(replace(good, also=wrong))
    with pytest.raises(InvalidInput, match="pronunciations: are for one keyword"):
        check_words(replace(good, also=("fall",), pronunciations=("r ay z",)))


def test_stages_of_further_keywords_lie_apart(folder: Path) -> None:
    several = replace(config(folder), also=("good day", "fall"))
    places = {several.for_keyword(word).work_dir for word in several.keywords}
    assert len(places) == 3
    assert several.for_keyword("rise").work_dir == several.work_dir


def test_a_word_alone_is_its_louder_part_and_a_longer_one_is_weak(folder: Path) -> None:
    found = located(read_dataset(folder), "rise")
    assert {row.path.name for row in found.placed} == {"a.wav", "b.wav"}
    assert [row.path.name for row in found.weak] == ["long.wav"]
    for row in found.placed:
        assert row.word_s == pytest.approx((0.5, 1.1), abs=0.06)


def maker(detector: KeywordDetector, folder: Path, good: TrainConfig) -> Maker:
    parts = taken_apart(detector.net)
    assert parts is not None
    noise = background(good, read_dataset(folder), LogMel(), ignored)
    return Maker(parts[0], Spectral(noise), Augment(), good.work_dir, 1, ignored)


def test_recordings_of_every_role_become_activations(
    detector: KeywordDetector, folder: Path
) -> None:
    good = config(folder)
    own = read_dataset(folder)
    material = gather(good, Checked(own), ignored)
    making = maker(detector, folder, good)
    known = examples(making, material, 8, None)
    ((_, segments),) = known.positive
    assert segments.shape[1:] == (43, 160)
    assert len(known.weak) == 4
    assert all(len(bag) >= 43 and bag.shape[1] == 160 for bag in known.weak)
    more = with_mined(known, making, own.negative("rise"))
    assert len(more.negative) == len(known.negative) + 3
    head = train_head(more, HeadSettings(channels=4, steps=2, rounds=1), ignored)
    assert np.isfinite(head.forward(segments[:1].astype(np.float32))).all()


def test_words_that_are_only_somewhere_are_enough(detector: KeywordDetector, folder: Path) -> None:
    for name in ("a", "b"):
        (folder / f"positive/{name}.wav").unlink()
    good = config(folder)
    material = gather(good, checked(good, ignored), ignored)
    known = examples(maker(detector, folder, good), material, 8, None)
    assert not known.positive
    assert known.weak
    train_head(known, HeadSettings(channels=4, steps=2, rounds=1), ignored)


def test_what_is_mined_is_where_scores_peak_and_is_kept(
    detector: KeywordDetector, folder: Path, tmp_path: Path
) -> None:
    def asked() -> Mined:
        return mined(detector, "welcome", folder / "negative", tmp_path / "work", ignored)

    first = asked()
    found = first.alarms
    assert found
    assert [alarm.score for alarm in found] == sorted((a.score for a in found), reverse=True)
    for alarm in found:
        row = alarm.recording
        assert row.end_s is not None
        assert row.start_s <= alarm.at_s <= row.end_s <= row.start_s + 4.01
    kept = first.folder / "mined.csv"
    assert list((tmp_path / "work").rglob("*.csv")) == [kept]
    kept.write_text("".join(kept.read_text().splitlines(keepends=True)[:2]))
    assert [alarm.at_s for alarm in asked().alarms] == pytest.approx([found[0].at_s], abs=0.01)
    assert asked() == Mined(read_mined(kept), first.folder)


def test_other_speech_or_another_network_is_mined_anew(
    detector: KeywordDetector, folder: Path, tmp_path: Path, murmur: Array
) -> None:
    """--mine B after --mine A gave A's false alarms and a card that said B."""

    def asked(using: KeywordDetector, speech: Path) -> Mined:
        return mined(using, "welcome", speech, tmp_path / "work", ignored)

    first = asked(detector, folder / "negative")
    write(tmp_path / "b" / "negative" / "other.wav", murmur[10_000:])
    second = asked(detector, tmp_path / "b")
    assert {row.path.name for row in second.recordings} == {"other.wav"}
    retrained = replace(detector, net=tree_map(lambda array: 1.01 * array, detector.net))
    folders = {first.folder, second.folder, asked(retrained, folder / "negative").folder}
    assert len(folders) == 3
    write(folder / "negative" / "e.wav", murmur[8_000:])
    assert asked(detector, folder / "negative").folder not in folders


def test_mining_that_found_nothing_is_told() -> None:
    assert told([], 0.1) == "nothing from 0.10 h: all of it is shorter than a window"


def test_speech_to_mine_never_holds_the_word(folder: Path, murmur: Array, tmp_path: Path) -> None:
    names = {row.path.name for row in speech_without(folder, "rise")}
    assert names == {"c.wav", "d.wav"}
    write(tmp_path / "talk/x.wav", murmur)
    assert [row.path.name for row in speech_without(tmp_path / "talk", "rise")] == ["x.wav"]
    (tmp_path / "list.csv").write_text("file\ntalk/x.wav\n")
    assert [row.path.name for row in speech_without(tmp_path / "list.csv", "rise")] == ["x.wav"]
    with pytest.raises(InvalidInput, match="holds no speech to train on without 'rise'"):
        speech_without(folder / "positive" / "none", "rise")


@settings(deadline=None)
@given(
    arrays(np.float32, st.integers(0, 60), elements=st.floats(0, 1, width=32)), st.integers(1, 9)
)
def test_peaks_are_apart_and_leave_nothing_higher_out(scores: Array, apart: int) -> None:
    kept = peaks(scores, apart)
    assert all(abs(a - b) > apart for a in kept for b in kept if a != b)
    for index in range(len(scores)):
        assert any(abs(index - k) <= apart and scores[k] >= scores[index] for k in kept)
