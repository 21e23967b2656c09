"""From what detectors were unsure of to the next training: kept, answered, learnt from, deleted."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import time
import wave
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweepnet import Client
from sweepnet.cli import review
from sweepnet.cli.presenting import Presenter, framed, suffix_of
from sweepnet.errors import FailedPrecondition, NotFound
from sweepnet.workshop import Capture, Workshop

QUICK = {"pictures": 8, "batch": 4, "aside_share": 0.3, "detect_size_px": 64}


@pytest.fixture(scope="module")
def keeping(
    tiny_models: Path, flower_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """The address of a server that keeps whatever it is asked, and its folder."""
    folder = tmp_path_factory.mktemp("keeping")
    models = shutil.copytree(tiny_models, folder / "models")
    command = [sys.executable, "-m", "sweepnet_service", "--port", "0", "--log-level", "error"]
    command += ["--models", str(models), "--training-roots", str(flower_data)]
    command += ["--captures", str(folder / "kept"), "--capture-margin", "20"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"}
    )
    assert process.stdout is not None
    yield process.stdout.readline().split("listens at ")[1].split()[0], folder
    process.terminate()
    assert process.wait(60) == 0
    process.stdout.close()


@pytest.fixture(scope="module")
def workshop(keeping: tuple[str, Path]) -> Iterator[Workshop]:
    with Client(keeping[0]) as client:
        yield Workshop(client)


@pytest.fixture(scope="module")
def captured(
    keeping: tuple[str, Path], workshop: Workshop, flower_data: Path, noise: Any
) -> tuple[Capture, ...]:
    """What came of a picture and of a recording, one of each label."""
    picture = (flower_data / "flowers" / "train" / "p0.png").read_bytes()
    with Client(keeping[0]) as client:
        client.detect(picture, detectors=["blobs"])
        samples = (noise * 32_767).astype("<i2").tobytes()
        with client.stream([samples], rate_hz=16_000, channel_count=2, detectors=["tiny"]) as told:
            list(told)
    until_s = time.monotonic() + 20
    while len(found := workshop.captures()) < 3 and time.monotonic() < until_s:
        time.sleep(0.05)
    return found


def test_what_was_unsure_is_kept(workshop: Workshop, captured: tuple[Capture, ...]) -> None:
    """Of each detector and label one, for they came at once; with what it was made from."""
    assert {(each.detector, each.label) for each in captured} == {
        ("detectors/blobs", "blob"),
        ("detectors/tiny", "one"),
        ("detectors/tiny", "two"),
    }
    for each in captured:
        whole = workshop.capture(each.name)
        assert (each.content, each.answer) == (b"", None)
        assert len(whole.content) == each.size_bytes
        assert whole.expires_s - whole.created_s == 30 * 86_400
        if each.kind == "image":
            assert each.area_px is not None
            assert whole.content.startswith(b"\x89PNG")
        else:
            with wave.open(io.BytesIO(whole.content)) as file:
                length_s = file.getnframes() / file.getframerate()
            assert 0 <= each.start_s < each.end_s <= length_s
    assert len(workshop.captures("tiny")) == 2
    with pytest.raises(NotFound):
        workshop.capture("captures/20200101t000000-00000000")


def test_a_review_takes_answers(
    keeping: tuple[str, Path],
    workshop: Workshop,
    captured: tuple[Capture, ...],
    sweepnet: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Line by line; what is no answer is asked again, the end of the input ends it."""
    at = ("--server", keeping[0])
    monkeypatch.setattr(sys, "stdin", io.StringIO("perhaps\nagain\nY\n"))
    done = sweepnet("review", *at, "--files-only", "-d", "blobs")
    assert (done.returncode, done.stdout) == (0, "\n1 yes, 0 no, 0 deleted, 0 left\n")
    assert "1 of 1: blob? score" in done.stderr
    assert "the object in its frame: /" in done.stderr
    assert [each.answer for each in workshop.captures("blobs")] == [True]
    monkeypatch.setattr(sys, "stdin", io.StringIO("no\n"))
    done = sweepnet("review", *at, "--files-only")
    assert done.stdout == "\n0 yes, 1 no, 0 deleted, 1 left\n"
    assert "the word from" in done.stderr
    (left,) = workshop.captures(unanswered=True)
    sweepnet("review", "answer", left.name, "yes", *at)
    assert workshop.captures(unanswered=True) == ()
    assert sweepnet("review", *at).stdout == "nothing to review\n"
    assert workshop.answer(left.name, None).answer is None
    wrong = sweepnet("review", "answer", left.name, "perhaps", *at)
    assert (wrong.returncode, "expected yes, no or none" in wrong.stderr) == (2, True)
    listed = sweepnet("review", "list", "--json", *at)
    assert [json.loads(line)["answer"] for line in listed.stdout.splitlines()].count(None) == 1
    assert "blobs" in sweepnet("review", "list", *at).stdout


def test_the_next_training_learns_from_the_answers(
    workshop: Workshop, captured: tuple[Capture, ...], flower_data: Path
) -> None:
    """Unless it is told not to; what the version came from says how many there were."""
    (blob,) = workshop.captures("blobs")
    workshop.answer(blob.name, True)
    counts, digests = [], []
    for without in (False, True):
        job = workshop.train(
            "image",
            str(flower_data),
            "blobs",
            settings=QUICK,
            promotion="never",
            without_captures=without,
        )
        *_, ended = workshop.watch(job.name)
        assert ended.state == "succeeded", ended.error
        made = next(each for each in workshop.versions("blobs") if each.name == ended.version)
        counts.append(made.capture_count)
        digests.append(made.data_sha256)
    assert counts == [1, 0]
    assert digests[0] != digests[1]


def test_what_is_deleted_is_gone(
    keeping: tuple[str, Path], workshop: Workshop, captured: tuple[Capture, ...],
    sweepnet: Callable[..., Any],
) -> None:  # fmt: skip
    """One, then all: nothing of them is left on the server's disk."""
    at, kept = ("--server", keeping[0]), keeping[1] / "kept"
    first, *others = workshop.captures()
    unasked = sweepnet("review", "delete", first.name, *at)
    assert (unasked.returncode, "expected --yes" in unasked.stderr) == (2, True)
    assert sweepnet("review", "delete", first.name, "--yes", *at).stdout == "1 deleted\n"
    with pytest.raises(NotFound, match="may have expired"):
        workshop.capture(first.name)
    assert len(list(kept.iterdir())) == 2 * len(others)
    assert sweepnet("review", "delete", *at).returncode == 2
    assert sweepnet("review", "delete", "--all", "--yes", *at).returncode == 0
    assert list(kept.iterdir()) == []
    copies = [path for path in (keeping[1] / "models").rglob("*") if first.name[9:] in path.name]
    assert copies == []


def test_a_server_keeps_nothing_unless_it_is_told_to(
    server: str, sweepnet: Callable[..., Any]
) -> None:
    with Client(server) as client, pytest.raises(FailedPrecondition, match="--captures DIR"):
        Workshop(client).captures()
    told = sweepnet("review", "--server", server)
    assert (told.returncode, "keeps nothing to review" in told.stderr) == (1, True)
    assert sweepnet("review").returncode == 2


def shown(content: bytes) -> Capture:
    return Capture(
        "captures/a", "image", "detectors/b", "b", 0.5, 0.6, None, 0.0, 1.0, 9,
        area_px=(2.0, 2.0, 20.0, 20.0), content=content,
    )  # fmt: skip


def test_a_review_goes_on_behind_what_is_gone_or_in_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody else deleted the first one, a training learns from the second."""
    names = ["captures/gone", "captures/used", "captures/there"]
    told: list[str] = []

    class Shop:
        def capture(self, name: str) -> Capture:
            if name.endswith("gone"):
                raise NotFound(f"no capture named {name}")
            return replace(shown(b"no picture"), name=name)

        def delete_capture(self, name: str) -> None:
            if name.endswith("used"):
                raise FailedPrecondition(f"a training learns from {name} now")
            told.append(name)

    monkeypatch.setattr(sys, "stdin", io.StringIO("delete\ndelete\n"))
    said: Counter[str] = Counter()
    waiting = tuple(replace(shown(b""), name=name) for name in names)
    shop: Any = Shop()
    review._ask_all(shop, waiting, True, said)
    assert (told, said) == (["captures/there"], {"gone": 1, "delete": 1})
    printed = capsys.readouterr().err
    assert "no capture named captures/gone" in printed
    assert "a training learns from captures/used" in printed


def test_a_picture_is_framed(flower_data: Path, tmp_path: Path) -> None:
    """One that cannot be read is shown as it came; files of a review do not outlive it."""
    content = (flower_data / "flowers" / "train" / "p0.png").read_bytes()
    assert framed(shown(content)) != content
    assert framed(shown(b"no picture")) == b"no picture"
    assert suffix_of(shown(b"\xff\xd8\xff")) == ".jpg"
    with Presenter(tmp_path, files_only=True).showing(shown(content)):
        assert [path.name for path in tmp_path.iterdir()] == ["capture.png"]
    assert list(tmp_path.iterdir()) == []
