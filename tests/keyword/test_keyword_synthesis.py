"""Synthetic speech: any of the two programs, the same voices for words and near words, kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweepnet_service.detectors.keyword import speaking, synthesis
from sweepnet_service.detectors.keyword.accents import FULL, INSTEAD, REDUCED, accented
from sweepnet_service.detectors.keyword.dataset import forms
from sweepnet_service.detectors.keyword.material import PART_CLIPS, kept_clips
from sweepnet_service.detectors.keyword.near import ALIKE, changed, near_words
from sweepnet_service.detectors.keyword.synthesis import Clip, Plan
from sweepnet_service.errors import FailedPrecondition
from sweepnet_service.progress import ignored

BOTH = ("espeak-ng", "flite")
KNOWN = {
    program: [phone for row in rows for group in row for phone in group]
    for program, rows in ALIKE.items()
}


class Interrupted(Exception):
    """Stands for a process that was stopped."""


def only(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """As if no other program were installed."""
    which = speaking.shutil.which
    monkeypatch.setattr(
        speaking.shutil, "which", lambda name: which(name) if name == program else None
    )


@pytest.mark.needs_program("espeak-ng")
def test_text_like_an_option_is_spoken() -> None:
    """Without an end of options espeak-ng read a file or waited for input for ever."""
    assert len(speaking.espeak_samples("-x", ("-v", "en-us")))


@pytest.mark.needs_program("espeak-ng")
@pytest.mark.needs_program("flite")
def test_synthetic_clips_hold_their_word_within_them() -> None:
    clips = list(synthesis.positives("computer", 10, np.random.default_rng(0)))
    again = list(synthesis.positives("computer", 10, np.random.default_rng(0)))
    for clip, same in zip(clips, again, strict=True):
        np.testing.assert_array_equal(clip.samples, same.samples)
        assert "computer" in clip.text
        assert clip.word_s is not None
        assert 0 <= clip.word_s[0] < clip.word_s[1] <= len(clip.samples) / 16_000 + 0.01
    near = ("come", "well", "computer")
    others = list(synthesis.negatives(near, 12, np.random.default_rng(0), "computer"))
    assert not any("computer" in clip.text or clip.word_s for clip in others)
    assert sum("[[" in clip.text for clip in others) == 3


@pytest.mark.parametrize("program", BOTH)
def test_one_of_the_two_programs_is_enough(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if speaking.shutil.which(program) is None:
        pytest.skip(f"needs the program {program}")
    only(monkeypatch, program)
    rng = np.random.default_rng(0)
    clips = [*synthesis.positives("bed", 3, rng), *synthesis.negatives(("red",), 4, rng, "bed")]
    clips += synthesis.foreign("bed", 3, rng)
    assert {clip.voice.startswith("flite-") for clip in clips} == {program == "flite"}
    assert all(len(clip.samples) > 1_000 for clip in clips)
    assert all(each.word_s == (0.0, len(each.samples) / 16_000) for each in clips[-3:])


def test_without_a_program_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "none")
    with pytest.raises(FailedPrecondition, match="apt-get install espeak-ng flite, or set it to 0"):
        synthesis.positives("bed", 3, np.random.default_rng(0))


@pytest.mark.needs_program("espeak-ng")
@pytest.mark.needs_program("flite")
def test_programs_are_asked_for_their_voices() -> None:
    assert {"en-us", "en-gb"} <= set(speaking.espeak_accents())
    assert len(speaking.espeak_variants()) > 20
    voices = set(speaking.flite_voices())
    assert {"slt", "rms"} <= voices
    assert not any(name.endswith("_time") for name in voices)


@settings(deadline=None)
@given(st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=9))
def test_near_words_are_never_the_word(word: str) -> None:
    near = near_words(word)
    assert not forms(word) & set(near)
    assert all(near)
    assert len(near) == len(set(near))


def test_near_words_of_a_phrase_lack_a_part_of_it() -> None:
    near = near_words("good day")
    assert {"good", "day"} <= set(near)
    assert "good day" not in near


@pytest.mark.parametrize("program", BOTH)
@settings(deadline=None)
@given(data=st.data(), seed=st.integers(0, 99))
def test_phones_are_replaced_by_what_sounds_unlike(
    program: str, data: st.DataObject, seed: int
) -> None:
    word = data.draw(st.lists(st.sampled_from([*KNOWN[program], "@"]), min_size=1, max_size=9))
    found = changed(word, program, np.random.default_rng(seed))
    assert len(found) == len(word)
    different = [(a, b) for a, b in zip(word, found, strict=True) if a != b]
    expected = min(max(1, round(len(word) / 4)), sum(phone != "@" for phone in word))
    assert len(different) == expected
    for phone, other in different:
        row = next(row for row in ALIKE[program] if any(phone in group for group in row))
        assert any(other in group for group in row)
        assert not any({phone, other} <= set(group) for group in row)


def test_stress_stays_where_it_was() -> None:
    found = [changed(["b", "'E", "d"], "espeak-ng", np.random.default_rng(s)) for s in range(20)]
    assert all(each[1].startswith("'") for each in found)
    assert len({tuple(each) for each in found}) > 3


@pytest.mark.parametrize("program", BOTH)
@given(data=st.data(), seed=st.integers(0, 99))
def test_another_accent_changes_only_sounds_that_it_is_known_to(
    program: str, data: st.DataObject, seed: int
) -> None:
    """A reduced vowel becomes a full one, a sound one of those told of; all else stays."""
    given_way = INSTEAD[program]
    known = [*sorted(REDUCED[program]), *given_way, *KNOWN[program]]
    word = data.draw(st.lists(st.sampled_from(known), max_size=9))
    found = accented(word, program, np.random.default_rng(seed))
    assert len(found) == len(word)
    for phone, other in zip(word, found, strict=True):
        allowed = FULL[program] if phone in REDUCED[program] else given_way.get(phone, ())
        assert other == phone or other in allowed


def test_accents_differ_and_keep_the_stress() -> None:
    said = ["k", "@", "m", "p", "j", "'u:", "t", "3"]
    found = {tuple(accented(said, "espeak-ng", np.random.default_rng(s))) for s in range(40)}
    assert len(found) > 10
    assert all(each[5].startswith("'") for each in found)
    assert sum(each[1] != "@" for each in found) > len(found) / 3


def counted(count: int, spoken: list[int], stop_at: int = 10**9) -> Plan:
    def speak(number: int) -> Clip:
        if number == stop_at:
            raise Interrupted
        spoken.append(number)
        word = (0.1, 0.2) if number % 2 else None
        return Clip(np.full(100 + number, 0.5, np.float32), f"text {number}", "voice", word)

    return Plan(speak, count)


def test_what_was_spoken_before_an_interruption_is_not_spoken_again(tmp_path: Path) -> None:
    spoken: list[int] = []
    count = 2 * PART_CLIPS + 7
    with pytest.raises(Interrupted):
        kept_clips(tmp_path, counted(count, spoken, stop_at=PART_CLIPS + 3), "speaking", ignored)
    spoken.clear()
    clips = kept_clips(tmp_path, counted(count, spoken), "speaking", ignored)
    assert min(spoken) == PART_CLIPS
    assert [recording.text for recording, _ in clips] == [f"text {n}" for n in range(count)]
    for number, (recording, samples) in enumerate(clips):
        assert len(samples) == 100 + number
        assert recording.word_s == ((0.1, 0.2) if number % 2 else None)
    spoken.clear()
    kept_clips(tmp_path, counted(count, spoken), "speaking", ignored)
    assert spoken == []
