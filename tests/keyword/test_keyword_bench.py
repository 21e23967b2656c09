"""`sweepnet bench`: engines side by side, with an engine made up for the tests."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cnn_core.arrays import Array
from sweepnet.cli import main
from sweepnet_service.detectors.keyword.bench import (
    Detection,
    Figures,
    Row,
    load_engine,
    read_rows,
    write_rows,
)
from sweepnet_service.detectors.keyword.bench.hearing import (
    SILENCE_S,
    Part,
    hear_part,
    name_of,
    read_answers,
)
from sweepnet_service.detectors.keyword.bench.material import material
from sweepnet_service.detectors.keyword.bench.measure import rows_of
from sweepnet_service.detectors.keyword.dataset import RATE_HZ, Recording, read_samples
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Progress

Run = Callable[..., tuple[int, str, str]]
ENGINE = '''
from sweepnet_service.detectors.keyword.bench import Detection

class Loud:
    """Takes for the word whatever is as loud as 1 less its sensitivity."""
    name, rate_hz, settings = "Loud 1.0", 8_000, (0.5, 0.8)
    calls = 0

    def __init__(self, words):
        self.words = [word for word in words if word != "hush"]

    def hear(self, samples, settings):
        Loud.calls += 1
        return [[Detection(word, float(abs(samples).argmax()) / 8_000) for word in self.words
                 if abs(samples).max() >= 1 - setting] for setting in settings]

class Mute:
    name = "Mute"
    def __init__(self, words): ...

broken = __import__("no_such_engine_anywhere") if "needs" in __file__ else None
'''


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    path = tmp_path / "loud.py"
    path.write_text(ENGINE)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three recordings of the word at peaks 0.6, 0.3 and 0.1; two without at 0.3 and 0.05."""
    folder = tmp_path / "data"
    peaks = {"positive/a": 0.6, "positive/b": 0.3, "positive/c": 0.1}
    for name, peak in (peaks | {"negative/a": 0.3, "negative/b": 0.05}).items():
        path = folder / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, burst(peak), RATE_HZ)
    return folder


@pytest.fixture
def bench(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `sweepnet bench` in this process: exit code, what it printed, what it complained of."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sweepnet", "bench", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        told = capfd.readouterr()
        assert "Traceback" not in told.err, told.err
        return int(ended.value.code or 0), told.out, told.err

    return run


def burst(peak: float) -> Array:
    """1 s with a swell of 300 Hz in its middle."""
    time_s = np.arange(RATE_HZ) / RATE_HZ
    return (peak * np.sin(2 * np.pi * 300 * time_s) * np.hanning(RATE_HZ)).astype(np.float32)


def unheard(progress: Progress) -> None:
    """Nobody asks for it."""


def test_an_engine_is_measured_and_kept(bench: Run, engine: Path, data: Path) -> None:
    """At 0.5 one word of three is heard; at 0.8 two are, and one false alarm in 2 s."""
    out = data.parent / "out"
    command = (data, "--word", "bang", "--engine", f"{engine}:Loud", "--split", "all")
    code, told, complaint = bench(*command, "--out", out)

    assert code == 0, complaint
    first, second = json.loads(told.splitlines()[-1])["rows"]
    assert first["words"]["bang"]["missed"] == {"clean": pytest.approx(2 / 3, abs=1e-4)}
    assert first["words"]["bang"]["false_alarms"] == 0
    assert second["words"]["bang"]["missed"] == {"clean": pytest.approx(1 / 3, abs=1e-4)}
    assert second["words"]["bang"]["false_alarms"] == 1
    assert read_rows(out / "rows.json")[1].words["bang"].hours == pytest.approx(2 / 3600)
    assert "66.7" in told
    assert "no picture: an hour of speech" in complaint
    assert not (out / "misses-alarms.png").exists()


def test_a_rerun_hears_nothing_again(engine: Path, data: Path, tmp_path: Path) -> None:
    """Not even with a further setting, at which alone the engine is asked."""
    loud = load_engine(f"{engine}:Loud", ["bang"])
    heard = material(data, ["bang"], "all", "all", 1, 10.0)
    first = rows_of(loud, heard, (0.5,), tmp_path, unheard)
    assert type(loud).calls == 5  # type: ignore[attr-defined]
    both = rows_of(loud, heard, (0.5, 0.8), tmp_path, unheard)
    assert type(loud).calls == 10  # type: ignore[attr-defined]

    again = rows_of(loud, heard, (0.8, 0.5), tmp_path, unheard)

    assert type(loud).calls == 10  # type: ignore[attr-defined]
    assert again[::-1] == both
    assert both[0] == first[0]


def test_a_stopped_run_goes_on(data: Path, tmp_path: Path) -> None:
    """What was heard stays; a line that was cut short is heard again."""
    part = Part("clean", whole_files(data / "positive"), read_samples)
    whole = hear_part(Interrupted(99), part, (0.5,), tmp_path / "whole", unheard)
    with pytest.raises(KeyboardInterrupt):
        hear_part(Interrupted(2), part, (0.5,), tmp_path, unheard)
    path = tmp_path / "interrupted" / "clean.jsonl"
    assert len(read_answers(path, part.sounds())) == 2
    path.write_text(path.read_text() + '{"recording": "c.wa')
    rest = Interrupted(99)

    answers = hear_part(rest, part, (0.5,), tmp_path, unheard)

    assert rest.calls == 1
    assert answers == whole
    assert read_answers(path, part.sounds()) == whole


def test_a_copy_of_the_data_is_the_same_data(data: Path, tmp_path: Path) -> None:
    """A checkout, or a copy, has other times of change."""
    rows = whole_files(data / "positive")
    part = Part("clean", rows, read_samples)
    hear_part(Interrupted(99), part, (0.5,), tmp_path, unheard)
    for row in rows:
        os.utime(row.path, (1, 1))
    again = Interrupted(99)

    hear_part(again, part, (0.5,), tmp_path, unheard)

    assert again.calls == 0


def test_a_recording_that_changed_is_heard_again(data: Path, tmp_path: Path) -> None:
    """One under the old name, with another swell; the others are not."""
    rows = whole_files(data / "positive")
    part = Part("clean", rows, read_samples)
    hear_part(Interrupted(99), part, (0.5,), tmp_path, unheard)
    soundfile.write(rows[1].path, burst(0.5)[4_000:], RATE_HZ)
    again = Interrupted(99)

    answers = hear_part(again, part, (0.5,), tmp_path, unheard)

    assert again.calls == 1
    assert answers[name_of(rows[1])].seconds == 0.75
    assert answers[name_of(rows[1])].heard[0.5]["bang"] == pytest.approx([0.25], abs=0.01)
    assert hear_part(Interrupted(0), part, (0.5,), tmp_path, unheard) == answers


@pytest.mark.parametrize("line", ["{", "[]", '{"recording": "a"}', "\\xff", "null"])
def test_a_damaged_record_is_named(data: Path, tmp_path: Path, line: str) -> None:
    """By file and line, not taken for silence."""
    part = Part("clean", whole_files(data / "positive"), read_samples)
    hear_part(Interrupted(99), part, (0.5,), tmp_path, unheard)
    path = tmp_path / "interrupted" / "clean.jsonl"
    path.write_text(line + "\n" + path.read_text())

    with pytest.raises(InvalidInput, match="line 1: holds no answer"):
        hear_part(Interrupted(99), part, (0.5,), tmp_path, unheard)


class Interrupted:
    """Stops after so many recordings, as Ctrl-C would."""

    name, rate_hz, settings, words = "Interrupted", RATE_HZ, (0.5,), ("bang",)

    def __init__(self, after: int) -> None:
        self.calls, self.after = 0, after

    def hear(self, samples: Array, settings: Sequence[float]) -> list[list[Detection]]:
        if self.calls == self.after:
            raise KeyboardInterrupt
        self.calls += 1
        return [[Detection("bang", float(np.abs(samples).argmax()) / RATE_HZ)] for _ in settings]


def whole_files(folder: Path) -> list[Recording]:
    return [
        Recording(path, 0.0, None, "test", "", "folder", "", "")
        for path in sorted(folder.iterdir())
    ]


def test_seconds_are_those_of_the_recording(data: Path, tmp_path: Path) -> None:
    """The silence put before it is taken off: the swell is loudest in the middle of 1 s."""
    part = Part("clean", whole_files(data / "positive"), read_samples)
    answers = hear_part(Interrupted(99), part, (0.5,), tmp_path, unheard)

    assert SILENCE_S > 0
    for answer in answers.values():
        assert answer.heard[0.5]["bang"] == pytest.approx([0.5], abs=0.01)
        assert answer.seconds == 1


def test_an_engine_that_answers_for_too_few_settings_is_refused(data: Path, tmp_path: Path) -> None:
    """Otherwise its figures would stand at the wrong settings."""
    part = Part("clean", whole_files(data / "positive"), read_samples)
    with pytest.raises(InvalidInput, match="answered for 1 settings"):
        hear_part(Short(99), part, (0.5, 0.8), tmp_path, unheard)


class Short(Interrupted):
    def hear(self, samples: Array, settings: Sequence[float]) -> list[list[Detection]]:
        return super().hear(samples, settings)[:1]


def test_rows_of_others_stand_in_the_table(bench: Run, data: Path, tmp_path: Path) -> None:
    """Without any engine, too, and with no figure where none was measured."""
    path = tmp_path / "others.json"
    clean = Figures({"clean": {"a": 0, "b": 1}}, 3, 10.4)
    noisy = Figures({"clean": {"a": 0}, "10 dB": {"a": 1}}, 0, 1.0)
    write_rows(path, [Row("ours", 0.7, {"bang": clean, "hush": noisy})])
    out = tmp_path / "out"
    code, told, _ = bench(data, "-w", "bang", "-w", "hush", "--also", path, "--out", out)

    assert code == 0
    lines = [" ".join(line.split()) for line in told.splitlines() if " ours " in line]
    assert lines == [
        "bang ours 0.7 50.0 - 0.29 (0.059-0.84)",
        "hush ours 0.7 0.0 100.0 0 (0-3.7)",
        "all ours 0.7 33.3 -",
    ]
    assert (out / "misses-alarms.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "holds no rows"),
        ('{"rows": []}', "one or more"),
        ('{"rows": [{"engine": "x"}]}', "setting"),
        ("[]", "holds no rows"),
        ('{"rows": [{"engine": "x", "setting": 1, "words": {"a": {"misses": {"clean": {}},'
         ' "false_alarms": 0, "hours": 1}}}]}', "no clip"),
        ('{"rows": [{"engine": "x", "setting": 1, "words": {"a": {"misses": {"clean": {"c": 0}},'
         ' "false_alarms": 0, "hours": 0}}}]}', "hours"),
        ('{"rows": [{"engine": "x", "setting": 1, "words": {}}]}', "no word"),
    ],
)  # fmt: skip
def test_a_file_without_rows_is_refused(
    bench: Run, data: Path, tmp_path: Path, text: str, reason: str
) -> None:
    """By its name, with what was expected."""
    path = tmp_path / "others.json"
    path.write_text(text)
    code, _, complaint = bench(data, "-w", "bang", "--also", path, "--out", tmp_path / "out")

    assert code == 1
    assert "others.json" in complaint
    assert reason in complaint


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--word", "bang"), "nothing to compare"),
        (("--word", "bang", "--engine", "Loud"), "expected module:Class"),
        (("--word", "bang", "--engine", "no_such_module:Loud"), "is it installed"),
        (("--word", "bang", "--engine", "{folder}/none.py:Loud"), "there is no file"),
        (("--word", "bang", "--engine", "{folder}/needs.py:Loud"), "not installed"),
        (("--word", "bang", "--engine", "{folder}/loud.py:Quiet"), "has no Quiet"),
        (("--word", "bang", "--engine", "{folder}/loud.py:Mute"), "lacks words, rate_hz"),
        (("--word", "hush", "--engine", "{folder}/loud.py:Loud"), "knows none"),
        (("--word", "hush", "--model", "welcome"), "knows none"),
        (("--word", "bang", "--model", "nothing"), "no model"),
        (("--word", "bang", "--engine", "{folder}/loud.py:Loud"), "see --split"),
        (("--word", "bang", "--word", "x", "--engine", "{folder}/loud.py:Loud"), "take one word"),
        (
            ("--word", "bang", "--engine", "{folder}/loud.py:Loud", "--speech-every", "0"),
            "expected 1",
        ),
        (
            ("--word", "bang", "--engine", "{folder}/loud.py:Loud", "--snr-db", "nan"),
            "decibels",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(
    bench: Run, engine: Path, data: Path, arguments: Sequence[str], reason: str
) -> None:
    """With the argument and the way out, and no trace of Python."""
    (engine.parent / "needs.py").write_text(ENGINE)
    asked = [each.format(folder=engine.parent) for each in arguments]
    code, _, complaint = bench(data, *asked, "--out", engine.parent / "out")

    assert code == 1
    assert reason in complaint


def test_data_without_other_speech_is_refused(data: Path) -> None:
    """False alarms need something to be false in."""
    for path in (data / "negative").iterdir():
        path.unlink()
    with pytest.raises(InvalidInput, match='no speech without "bang"'):
        material(data, ["bang"], "all", "all", 1, 10.0)


def test_a_folder_with_noise_adds_a_condition(data: Path, engine: Path, tmp_path: Path) -> None:
    """The same clips, in the user's noise; louder, they are heard at least as often."""
    rng = np.random.default_rng(1)
    noise = (0.5 * rng.standard_normal(2 * RATE_HZ)).clip(-1, 1)
    (data / "noise").mkdir()
    soundfile.write(data / "noise" / "hum.wav", noise, RATE_HZ)
    heard = material(data, ["bang"], "all", "all", 1, -10.0)
    (row,) = rows_of(load_engine(f"{engine}:Loud", ["bang"]), heard, (0.5,), tmp_path, unheard)

    figures = row.words["bang"]
    assert list(heard.conditions) == ["clean", "-10 dB", "-10 dB speech"]
    assert set(figures.misses["clean"]) == set(figures.misses["-10 dB"])
    assert figures.miss_rate("-10 dB") < figures.miss_rate("clean")


def test_other_noise_is_heard_anew(data: Path, engine: Path, tmp_path: Path) -> None:
    """Clips in noise under the old name are, alone and speech without noise are not."""
    loud = load_engine(f"{engine}:Loud", ["bang"])
    (data / "noise").mkdir()
    asked = []
    for volume in (1.0, 1e-4):
        noise = np.random.default_rng(1).standard_normal(2 * RATE_HZ) * 0.2
        noise[: RATE_HZ // 4] *= volume
        soundfile.write(data / "noise" / "hum.wav", noise.clip(-1, 1), RATE_HZ)
        heard = material(data, ["bang"], "all", "all", 1, -10.0)
        before = type(loud).calls  # type: ignore[attr-defined]
        rows_of(loud, heard, (0.5,), tmp_path, unheard)
        asked.append(type(loud).calls - before)  # type: ignore[attr-defined]

    assert asked == [11, 6]
