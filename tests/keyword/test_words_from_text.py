"""Words that nobody recorded: pronounced, read off the trunk, scored as other words are, added."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cnn_core.arrays import Array
from cnn_core.layers import Conv1d, Relu, Sequential
from sweepnet_service.commands.train import app, with_models
from sweepnet_service.detectors.keyword import KeywordDetector, OperatingPoint, SpotSession
from sweepnet_service.detectors.keyword.assembly import Pieces, assemble, path_steps
from sweepnet_service.detectors.keyword.bank import Bank
from sweepnet_service.detectors.keyword.dataset import Recording
from sweepnet_service.detectors.keyword.evaluate import streamed
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.detectors.keyword.joined import joined
from sweepnet_service.detectors.keyword.phones import (
    PHONES,
    in_full,
    mean_length,
    numbers,
    pronounce,
    renamed,
    spellings_of,
)
from sweepnet_service.detectors.keyword.spelled import WEIGHT, reading_of, weight_of
from sweepnet_service.detectors.keyword.splice import aligned
from sweepnet_service.detectors.keyword.train import TrainConfig, train
from sweepnet_service.detectors.keyword.trunk import Transcribed
from sweepnet_service.detectors.keyword.trunks.detector import phone_detector
from sweepnet_service.detectors.keyword.trunks.reading import (
    Group,
    Probe,
    Reading,
    fit,
    fitted_reading,
    probe,
    spread,
)
from sweepnet_service.detectors.keyword.tuning import untuned
from sweepnet_service.errors import FailedPrecondition, InvalidInput
from sweepnet_service.progress import ignored

POINTS = (OperatingPoint(0.9, 1.0, 0.3, 8.0), OperatingPoint(0.8, 5.0, 0.2, 8.0))
READING = Reading(1.5, 0.5, 2.0, 1.0, (Group((3, 16), 12, 40, POINTS),), 12, 0.7)
TALE = "the old house stood by a river and every morning good people came to see it"
HELLO = ("hh", "ah", "l", "ow", "w", "er", "l", "d")
SHORT, LONG = numbers("k ae t"), numbers("g uh d m ao r n ih ng k ah m p y uw t er")


def phone_net(seed: int = 1) -> Sequential:
    rng = np.random.default_rng(seed)
    weights = Conv1d.create(rng, 40, 8, kernel=5, stride=3)
    return Sequential((weights, Relu(), Conv1d.create(rng, 8, 1 + len(PHONES), kernel=1)))


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small trunk whose file tells how words do."""
    path = tmp_path_factory.mktemp("trunk") / "english.safetensors"
    phone_detector(phone_net(), LogMel(), {"reading": READING.to_dict()}).save(path)
    return path


def word(label: str, spelling: tuple[int, ...]) -> KeywordDetector:
    *layers, output = phone_net().layers
    assert isinstance(output, Conv1d)
    pieces = Pieces(Sequential(tuple(layers)), output, (), (spelling,), 3.0, path_steps([spelling]))
    return untuned(assemble(pieces), label, LogMel())


def of_text(trunk: Path, where: Path, *words: str, **more: object) -> TrainConfig:
    usual = TrainConfig(
        words[0],
        where / f"{words[0]}.safetensors",
        where / f"work-{words[0]}",
        trunk=trunk,
        also=words[1:],
        phones_only=True,
        synthesize=0,
    )
    return replace(usual, **more)  # type: ignore[arg-type]


@pytest.mark.needs_program("flite")
def test_words_and_phrases_come_from_text_alone(trunk: Path, tmp_path: Path, murmur: Array) -> None:
    made = KeywordDetector.load(
        train(of_text(trunk, tmp_path, "cat", "good morning computer"), ignored)
    )
    assert made.labels == ("cat", "good morning computer")
    assert made.operating_points["cat"] == POINTS
    assert made.default_thresholds["cat"] == 0.9
    assert made.card["joined"][0]["settings"]["phones"] == "read off the trunk alone"
    assert any("Nobody was heard" in each for each in made.card["joined"][1]["cautions"])
    path = joined([word("cat", SHORT), word("long", LONG)])
    scores, raw = streamed(made, murmur)[:, 0], streamed(path, murmur)[:, 0]
    odds = np.log(raw / (1 - raw)) / (0.5 * 3.0)
    scale, offset = READING.scale_of(3)
    inside = (odds > -7.9) & (scores > 1e-5)
    assert inside.any()
    expected = scale * odds[inside] + offset
    assert np.allclose(np.log(scores / (1 - scores))[inside], expected, atol=1e-2)


@pytest.mark.needs_program("flite")
def test_a_word_is_added_to_a_detector(trunk: Path, tmp_path: Path, murmur: Array) -> None:
    first = train(of_text(trunk, tmp_path, "cat"), ignored)
    more = of_text(trunk, tmp_path, "good morning computer", add_to=first)
    both = KeywordDetector.load(train(more, ignored))
    alone = KeywordDetector.load(first)
    assert both.labels == ("cat", "good morning computer")
    before, after = streamed(alone, murmur)[:, 0], streamed(both, murmur)[:, 0]
    assert after.max() == pytest.approx(before.max(), abs=1e-6)
    with pytest.raises(InvalidInput, match="finds 'cat' already"):
        train(of_text(trunk, tmp_path, "cat", add_to=more.out, work_dir=tmp_path / "x"), ignored)
    third = train(of_text(first, tmp_path, "snowboy", add_to=more.out), ignored)
    assert KeywordDetector.load(third).operating_points["snowboy"] == POINTS
    told = third.with_suffix(".md").read_text()
    assert [line for line in told.splitlines() if line.startswith("# ")] == [
        f"# {name}: keyword model" for name in ("cat", "good morning computer", "snowboy")
    ]


def test_unlike_windows_meet_at_their_middles(murmur: Array) -> None:
    """A word beside a longer phrase keeps its scores and where its events lie."""
    short, long = word("cat", SHORT), word("phrase", LONG)
    assert long.window.size > short.window.size
    both = joined([short, long])
    alone, beside = streamed(short, murmur)[:, 0], streamed(both, murmur)[:, 0]
    place = both.placements["cat"].start_s - short.placements["cat"].start_s
    wider = float(long.window.size - short.window.size) / 2 / 16_000
    assert place == pytest.approx(wider, abs=0.5 * short.hop_s)
    # Both streams begin with silence, of which they need unlike amounts.
    lead = round((both.padding_samples - short.padding_samples) / 480 - place / short.hop_s)
    same = beside[lead : lead + len(alone)]
    assert np.allclose(same, alone[: len(same)], atol=1e-5)


@given(cuts=st.lists(st.integers(0, 48_000), max_size=5))
@settings(max_examples=10, deadline=None)
def test_a_stream_of_words_from_text_is_the_whole(murmur: Array, cuts: list[int]) -> None:
    detector = joined([word("cat", SHORT), word("phrase", LONG)])
    session = SpotSession(detector, 16_000)
    updates = [session.push(part) for part in np.split(murmur, sorted(cuts))]
    updates.append(session.finish())
    scores = np.array([w.scores for update in updates for w in update.windows], np.float32)
    assert np.allclose(scores, streamed(detector, murmur), atol=1e-5)


@given(
    middles=st.tuples(st.floats(-2.0, -1.0), st.floats(-7.0, -5.0)),
    phones=st.lists(st.integers(3, 14), min_size=2, max_size=6),
)
@settings(max_examples=20, deadline=None)
def test_what_is_fitted_parts_words_from_others(
    middles: tuple[float, float], phones: list[int]
) -> None:
    rng = np.random.default_rng(len(phones))
    probes = [
        Probe(n, rng.normal(middles[0], 0.5, 20), rng.normal(middles[1], 0.5, 200)) for n in phones
    ]
    reading = fit(probes, 1.0)
    for n in phones:
        scale, offset = reading.scale_of(n)
        assert scale > 0
        assert scale * middles[0] + offset > 0 > scale * middles[1] + offset
        points = reading.points_of(n)
        rates = [point.false_alarms_per_hour for point in points]
        cuts = [point.threshold for point in points]
        assert rates == sorted(rates)
        assert cuts == sorted(cuts, reverse=True)
        assert all(0 <= point.miss_rate <= 1 for point in points)
    assert Reading.from_dict(reading.to_dict()) == reading


def test_a_peak_is_counted_once_however_long_it_stays() -> None:
    """A path scores the same in every window that holds it: false alarms came out tenfold."""
    costs = np.full((40, 200), -3.0, np.float32)
    costs[0] = 0.0
    for place, phone in enumerate(SHORT):
        costs[:, 100 + place] = -3.0
        costs[phone, 100 + place] = 0.0
    row = Recording(Path("talk.wav"), 0.0, 6.0, "validation", "", "", "", "other talk")
    found = probe(costs, np.array([0, 200]), [row], "cat", (SHORT,))
    assert np.sum(found.others == 0.0) == 1
    assert len(found.said) == 0


@given(flags=st.lists(st.booleans(), max_size=30), size=st.integers(1, 6))
def test_a_window_reaches_into_what_lies_ahead(flags: list[bool], size: int) -> None:
    expected = [any(flags[place : place + size]) for place in range(len(flags))]
    assert spread(np.array(flags, bool), size).tolist() == expected


@pytest.mark.needs_program("espeak-ng")
def test_espeak_speaks_where_flite_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sweepnet_service.detectors.keyword.phones.shutil.which",
        lambda name: None if name == "flite" else f"/usr/bin/{name}",
    )
    assert " ".join(pronounce("welcome")) == "w eh l k ah m"
    assert " ".join(pronounce("good morning")) == "g uh d m ao r n ih ng"
    monkeypatch.setattr("sweepnet_service.detectors.keyword.phones.shutil.which", lambda _: None)
    with pytest.raises(FailedPrecondition, match="nor is espeak-ng"):
        pronounce("welcome")


def test_phones_of_espeak_are_named_anew() -> None:
    assert renamed(["h", "@", "l", "'oU", "w", "'3:", "l", "d"]) == list(HELLO)
    assert renamed(["¿"]) == []


@pytest.mark.needs_program("flite")
@pytest.mark.needs_program("espeak-ng")
def test_a_word_is_known_in_every_way_that_programs_say_it() -> None:
    assert spellings_of("jarvis") == (numbers("jh aa r v ah s"), numbers("jh aa r v ih s"))
    assert spellings_of("snowboy") == (numbers("s n ow b oy"),)
    assert spellings_of("alexa") == (numbers("ah l eh k s ah"), numbers("ae l eh k s ae"))
    assert numbers("w eh l k aa m") in spellings_of("welcome")
    assert in_full("rhythm", SHORT[:1]) == SHORT[:1]
    assert mean_length([SHORT, LONG]) == round((len(SHORT) + len(LONG)) / 2)


def test_the_pronunciation_that_fits_is_read() -> None:
    costs = np.full((40, 80), -3.0, np.float32)
    costs[0] = 0.0
    for place, phone in enumerate(SHORT):
        costs[:, 30 + place] = -3.0
        costs[phone, 30 + place] = 0.0
    row = Recording(Path("talk.wav"), 0.0, 2.4, "validation", "", "", "", "a cat sleeps")
    other = tuple(reversed(SHORT))
    (alone,) = probe(costs, np.array([0, 80]), [row], "cat", (other,)).said
    (both,) = probe(costs, np.array([0, 80]), [row], "cat", (other, SHORT)).said
    assert alone < both == 0.0


def test_sentences_that_share_no_phone_are_not_aligned() -> None:
    """One whose labels were empty broke the splicing of all others."""
    rng = np.random.default_rng(3)
    bank = Bank(
        rng.standard_normal((240, 40)).astype(np.float16),
        np.array([0, 80, 160, 240]),
        np.full((3, 2), np.nan),
    )
    phones = (np.array(SHORT), np.array([], np.intp), np.array([39, 39]))
    speech = Transcribed((bank,), phones, ("a", "b", "c"))
    found = aligned(phone_net(), speech, (SHORT,), LogMel())
    assert [len(each) for each in found.cuts] == [len(SHORT) + 1, 0, 0]


def test_long_phrases_get_longer_windows() -> None:
    assert path_steps([SHORT]) == path_steps([]) == 31
    assert path_steps([SHORT, LONG]) == 3 * len(LONG) | 1


@pytest.mark.needs_program("flite")
def test_words_of_sentences_are_read_off_a_trunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of files as a whole and of parts of files; the same again for the same sentences."""
    monkeypatch.setattr(f"{Reading.__module__}.WORDS_EACH", 2)
    noise = np.random.default_rng(6).standard_normal(26 * 16_000)
    soundfile.write(tmp_path / "all.wav", 0.1 * noise, 16_000)
    soundfile.write(tmp_path / "one.wav", 0.1 * noise[:16_000], 16_000)
    words = TALE.split()
    usual = Recording(tmp_path / "all.wav", 0.0, None, "validation", "", "", "", "")
    rows = [
        replace(usual, start_s=n, end_s=n + 1.0, text=" ".join(words[n % 12 : n % 12 + 5]))
        for n in range(25)
    ]
    rows.append(replace(usual, path=tmp_path / "one.wav", text="good morning"))
    found = fitted_reading(phone_net(), LogMel(), rows, ignored)
    assert found is not None
    assert found.hours == pytest.approx(26 / 3600)
    assert 2 <= found.words <= 2 * 5
    assert sum(group.words for group in found.groups) == found.words
    assert all(group.said >= group.words for group in found.groups)
    assert found == fitted_reading(phone_net(), LogMel(), rows, ignored)
    assert fitted_reading(phone_net(), LogMel(), rows[:5], ignored) is None


def test_phones_weigh_what_their_fit_says_unless_told(trunk: Path, tmp_path: Path) -> None:
    usual = of_text(trunk, tmp_path, "cat")
    assert weight_of(usual, READING, (SHORT,)) == pytest.approx(1.5 + 0.5 * 0.3)
    assert weight_of(usual, READING, (SHORT, LONG)) > weight_of(usual, READING, (SHORT,))
    assert weight_of(usual, None, (SHORT,)) == weight_of(usual, READING, ()) == WEIGHT
    assert weight_of(replace(usual, path_weight=0.7), READING, (SHORT,)) == 0.7
    assert reading_of(usual) == READING
    assert reading_of(replace(usual, trunk=None)) is None
    for broken in ({"slope": 1.0}, "good", {**READING.to_dict(), "groups": [3]}):
        path = tmp_path / "broken.safetensors"
        phone_detector(phone_net(), LogMel(), {"reading": broken}).save(path)
        with pytest.raises(InvalidInput, match="cannot be read"):
            reading_of(replace(usual, trunk=path))


def test_models_are_given_by_name_or_file(trunk: Path) -> None:
    found = with_models("keyword", {"add_to": trunk})
    assert found["trunk"] == found["add_to"] == trunk
    assert with_models("keyword", {})["trunk"].name == "welcome.safetensors"
    assert with_models("image", {}) == {}


@pytest.mark.needs_program("flite")
def test_one_command_from_a_word_to_a_model(trunk: Path, tmp_path: Path) -> None:
    out = tmp_path / "cat.safetensors"
    words = ["keyword", "--keyword", "cat", "--trunk", str(trunk), "--phones-only"]
    done = CliRunner().invoke(app, [*words, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert KeywordDetector.load(out).labels == ("cat",)
    without = CliRunner().invoke(app, [*words, "--tune-trunk", "--out", str(tmp_path / "x")])
    assert without.exit_code == 1
    assert "phones_only" in without.stderr


def test_a_program_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its failure came as a traceback."""
    broken = tmp_path / "flite"
    broken.write_text("#!/bin/sh\necho 'no voice' >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(FailedPrecondition, match=r"flite: tells no phones: no voice"):
        pronounce("welcome")
