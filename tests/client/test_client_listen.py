"""`sweepnet listen`, `doctor`, completion and examples; microphones by a library made up here."""

from __future__ import annotations

import importlib
import io
import json
import os
import shlex
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from sweepnet import Client, FailedPrecondition, Gap, InvalidInput, MissingPackage
from sweepnet.cli import build, doctor
from sweepnet.cli.examples import EXAMPLES
from sweepnet.cli.listen import first, samples
from sweepnet.cli.raw import RawFormat
from sweepnet.cli.scores import ScoreLine
from sweepnet.microphone import Microphone, devices

Done = subprocess.CompletedProcess[str]
Sweepnet = Callable[..., Done]
MONO = RawFormat(16_000, 1, "LINEAR16")


class PortAudioError(Exception):
    """As sounddevice names it."""


class FakeStream:
    """A microphone that records what it is told to, at once."""

    to_record: bytes = b""

    def __init__(self, callback: Any, blocksize: int, channels: int, **settings: Any) -> None:
        if settings["device"] == "nope":
            raise ValueError("No input device matching 'nope'")
        if settings["samplerate"] > 48_000:
            raise PortAudioError("Invalid sample rate")
        self._callback, self._size = callback, 2 * blocksize * channels
        self.closed = False

    def start(self) -> None:
        for at in range(0, len(self.to_record), self._size):
            piece = self.to_record[at : at + self._size]
            self._callback(memoryview(piece), len(piece) // 2, None, None)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Any:
    module: Any = types.ModuleType("sounddevice")
    module.RawInputStream, module.PortAudioError = FakeStream, PortAudioError
    module.query_devices = lambda: [
        {"name": "Speaker", "max_input_channels": 0, "default_samplerate": 48_000.0},
        {"name": "Desk", "max_input_channels": 2, "default_samplerate": 44_100.0},
    ]
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def pcm(noise: Any) -> bytes:
    return bytes((noise[:, 0] * 32767).astype("<i2").tobytes())


def test_a_microphones_chunks_are_heard(
    library: Any, server: str, noise: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeStream, "to_record", pcm(noise))
    with Client(server) as client:
        with client.stream([pcm(noise)], detectors=["tiny"]) as stream:
            expected = sorted(e.start_sample for u in stream for e in u.events)
        with Microphone() as microphone:
            microphone.stop()
            with client.listen(microphone, detectors=["tiny"]) as listening:
                found = sorted(e.start_sample for u in listening for e in u.events)
                assert found == expected
    assert expected


def test_what_is_not_read_in_time_becomes_a_gap(
    library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost server must not fill the memory, and the clock goes on."""
    total = 1280 * 2_000 + 100
    monkeypatch.setattr(FakeStream, "to_record", bytes(2 * total))
    with Microphone() as microphone:
        microphone.stop()
        told = list(microphone)

    assert isinstance(told[0], Gap)
    assert sum(c.sample_count if isinstance(c, Gap) else len(c) // 2 for c in told) == total
    assert len(told) <= 1502


def test_microphones_are_listed_and_wrong_ones_are_told(
    library: Any, sweepnet: Sweepnet, server: str
) -> None:
    (found,) = devices()
    assert (found.number, found.name, found.channel_count, found.rate_hz) == (1, "Desk", 2, 44_100)
    listed = sweepnet("listen", "--list-devices", "--json")
    assert json.loads(listed.stdout) == vars(found)
    assert "Desk" in sweepnet("listen", "--list-devices").stdout
    with pytest.raises(InvalidInput, match=r"microphone 'nope' cannot be used.*--list-devices"):
        Microphone("nope").__enter__()
    with pytest.raises(FailedPrecondition, match="Invalid sample rate"):
        Microphone(rate_hz=96_000).__enter__()
    wrong = sweepnet("listen", "--raw", "8000,1,mulaw", "--server", server)
    assert wrong.returncode == 2
    assert "a microphone gives linear16" in wrong.stderr


@pytest.mark.parametrize("missing", [ImportError("sounddevice"), OSError("no PortAudio library")])
def test_what_microphones_need_is_named(
    monkeypatch: pytest.MonkeyPatch, sweepnet: Sweepnet, missing: Exception
) -> None:
    def gone(name: str) -> Any:
        raise missing

    monkeypatch.setattr(importlib, "import_module", gone)
    with pytest.raises(MissingPackage, match=r"sweepnet\[mic\]|libportaudio2"):
        devices()


def listened(server: str, data: bytes, *options: str) -> Done:
    command = [sys.executable, "-m", "sweepnet", "listen", "--stdin", "--server", server]
    return subprocess.run([*command, *options], input=data, capture_output=True, timeout=60)  # type: ignore[return-value]  # bytes


def test_standard_input_is_heard_as_a_microphone_would_be(server: str, noise: Any) -> None:
    """Any program that records can be the source; each word is an object at once."""
    with Client(server) as client, client.stream([pcm(noise)], detectors=["tiny"]) as stream:
        expected = [(e.label, e.start_s) for u in stream for e in u.events if e.end_s < 1.5]

    done = listened(server, pcm(noise), "-d", "tiny", "--json", "--seconds", "2")
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    early = [(each["label"], each["start_s"]) for each in told if each["end_s"] < 1.5]
    assert sorted(early) == sorted(expected) != []
    assert all(each["end_s"] <= 2 for each in told)
    assert list(told[0]) == ["label", "detector", "start_s", "end_s", "channel", "score"]


def test_samples_come_in_whole_frames_and_end_in_time() -> None:
    stereo = RawFormat(8_000, 2, "FLOAT32")
    pieces = list(samples(io.BytesIO(bytes(8 * 1_000 + 3)), stereo))
    assert sum(map(len, pieces)) == 8_000
    assert len(pieces[0]) == 8 * 640
    kept = list(first([bytes(20_000), Gap(4_000), bytes(20_000)], 1.0, MONO))
    assert [c.sample_count if isinstance(c, Gap) else len(c) for c in kept] == [
        *(20_000, 4_000, 4_000),
    ]


def test_the_line_of_scores_shows_the_highest_of_a_second(server: str, noise: Any) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with (
        Client(server) as client,
        client.stream([pcm(noise)], detectors=["tiny"]) as stream,
        ScoreLine(console) as line,
    ):
        updates = list(stream)
        for update in updates:
            assert stream.opened is not None
            line.show(update, stream.opened)
        with line.aside():
            console.print("a word")
    windows = [w for u in updates for w in u.windows]
    last = [w for w in windows if w.end_s >= windows[-1].end_s - 1]
    shown = line.text(3.0, {"one": 0.6, "two": 0.6}).plain
    assert shown.startswith("     3.0 s  one ")
    for label in ("one", "two"):
        highest = max(w.scores[label] for w in last)
        assert f"{highest:.2f}" in shown.partition(label)[2][:40]
    assert "a word" in console.file.getvalue()  # type: ignore[attr-defined]


def test_the_doctor_looks_at_everything(sweepnet: Sweepnet, server: str) -> None:
    done = sweepnet("doctor", "--server", server, "--json")
    told = {each["what"]: each for each in map(json.loads, done.stdout.splitlines())}

    assert done.returncode == 0, done.stdout
    assert {"sweepnet", "tables", "mic", "espeak-ng", "port 50051", "model tiny"} <= set(told)
    assert {each["verdict"] for each in told.values()} <= {"ok", "missing"}
    assert told["hears a word"]["verdict"] == told["sees a flower"]["verdict"] == "ok"
    assert "hears a word" in sweepnet("doctor", "--server", server).stdout


def test_the_doctor_tells_what_is_wrong(
    sweepnet: Sweepnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = sweepnet("doctor", "--server", "127.0.0.1:1")
    assert away.returncode == 1
    assert "no server at 127.0.0.1:1" in away.stdout
    monkeypatch.setitem(doctor.EXTRAS, "plots", ("pictures", ("no_such_package",)))
    monkeypatch.setitem(doctor.PROGRAMS, "no-such-program", "nothing")
    done = sweepnet("doctor", "--server", "127.0.0.1:1")
    assert "pip install 'sweepnet[plots]'" in done.stdout
    assert "install the system's package no-such-program" in done.stdout


def test_a_damaged_model_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    found = {each.what: each for each in doctor.checks(None, tmp_path)}

    assert found["model broken"].verdict == "wrong"
    assert found["hears a word"].verdict == "ok"


@pytest.mark.parametrize(
    ("words", "expected"),
    [("sweepnet ba", "batch"), ("sweepnet models sh", "show"), ("sweepnet batch --ro", "--rows")],
)
def test_the_shell_completes_verbs_and_options(words: str, expected: str) -> None:
    environment = {
        "_SWEEPNET_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = subprocess.run(
        [Path(sys.executable).with_name("sweepnet")],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert expected in done.stdout.split(), done.stderr


def verbs() -> Iterator[tuple[str, Any]]:
    """Every verb that does something, by its path."""

    def inside(command: Any, path: str) -> Iterator[tuple[str, Any]]:
        for name, each in sorted(getattr(command, "commands", {}).items()):
            yield from inside(each, f"{path} {name}".strip())
        if not getattr(command, "commands", None) or command.invoke_without_command:
            yield path, command

    yield from (each for each in inside(typer.main.get_command(build([])), "") if each[0])


@pytest.mark.parametrize(("path", "command"), list(verbs()), ids=str)
def test_every_verb_has_an_example_that_can_be_typed(path: str, command: Any) -> None:
    assert command.epilog, f"add an example of {path} to sweepnet/cli/examples.py"
    assert command.epilog == f"Example: {EXAMPLES[path]}"
    words = shlex.split(EXAMPLES[path])
    assert words[: 1 + len(path.split())] == ["sweepnet", *path.split()]
    command.make_context(path, words[1 + len(path.split()) :]).close()
