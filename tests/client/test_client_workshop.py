"""From a folder to a live detector over the wire: sent, trained, watched, promoted, rolled back."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sweepnet import AsyncClient, Client
from sweepnet.cli.training import _name_of, settings
from sweepnet.errors import FailedPrecondition, InvalidInput, NotFound
from sweepnet.workshop import AsyncWorkshop, Job, Workshop, calls
from sweepnet.workshop.sending import files_of, mark_of, pieces

QUICK = {"pictures": 8, "batch": 4, "aside_share": 0.3, "detect_size_px": 64}


@pytest.fixture(scope="module")
def workshop(server: str) -> Iterator[Workshop]:
    with Client(server) as client:
        yield Workshop(client)


@pytest.fixture(scope="module")
def made(workshop: Workshop, flower_data: Path) -> tuple[Job, list[Job]]:
    """The last of two trainings on a data set that was sent, and how it got on."""
    assert workshop.send(flower_data, "flowers").complete
    for promotion in ("unless worse", "never"):
        begun = workshop.train(
            "image", "datasets/flowers", "patches", settings=QUICK, promotion=promotion
        )
        seen = list(workshop.watch(begun.name))
    return seen[-1], seen


def test_a_folder_becomes_a_live_detector(
    workshop: Workshop, made: tuple[Job, list[Job]], flower_data: Path
) -> None:
    """Its versions tell what they came from."""
    job, seen = made
    assert job.state == "succeeded", job.error
    assert len({each.updated_s for each in seen}) == len(seen)
    assert (job.version, job.promoted) == ("detectors/patches/versions/2", False)
    assert job.not_promoted_because == "it was not asked for"
    second, first = workshop.versions("patches")
    assert (first.aliases, second.aliases) == (("live",), ())
    assert second.operation == job.name
    assert second.data_set == "datasets/flowers"
    (sent,) = workshop.data_sets()
    assert second.data_sha256 == sent.sha256
    assert second.settings["batch"] == 4
    assert "problems" not in job.message
    lines = [
        f"{hashlib.sha256((flower_data / each.path).read_bytes()).hexdigest()}  {each.path}\n"
        for each in files_of(flower_data)
    ]
    assert sent.sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_versions_by_the_command_line(
    server: str, made: tuple[Job, list[Job]], sweepnet: Callable[..., Any]
) -> None:
    """Listed, promoted, rolled back, deleted; the live one is not."""
    at = ("--server", server)
    listed = sweepnet("models", "versions", "patches", *at)
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.index("patches/versions/2") < listed.stdout.index("patches/versions/1")
    assert sweepnet("models", "promote", "patches/versions/2", *at).stdout == (
        "detectors/patches/versions/2 is live\n"
    )
    shown = json.loads(sweepnet("models", "show", "patches@live", "--json", *at).stdout)
    assert shown["name"] == "detectors/patches"
    assert shown["version"] == "detectors/patches/versions/2"
    unasked = sweepnet("models", "delete", "patches/versions/2", *at)
    assert (unasked.returncode, "expected --yes to delete patches" in unasked.stderr) == (2, True)
    refused = sweepnet("models", "delete", "patches/versions/2", "--yes", *at)
    assert (refused.returncode, "versions/2 is live" in refused.stderr) == (1, True)
    assert sweepnet("models", "rollback", "patches", *at).stdout == (
        "detectors/patches/versions/1 is live\n"
    )
    nowhere = sweepnet("models", "rollback", "patches", *at)
    assert "nothing to roll back to" in nowhere.stderr
    staged = sweepnet("models", "promote", "patches/versions/2", "--alias", "staging", *at)
    assert staged.stdout == "detectors/patches/versions/2 is staging\n"
    assert sweepnet("models", "rollback", "blobs", *at).returncode == 1


def test_data_sets_by_the_command_line(
    server: str, workshop: Workshop, tmp_path: Path, sweepnet: Callable[..., Any]
) -> None:
    """A folder that has changed is another data set."""
    (tmp_path / "a.wav").write_bytes(b"1")
    first = mark_of(tmp_path)
    assert mark_of(tmp_path) == first
    (tmp_path / "b.wav").write_bytes(b"2")
    assert mark_of(tmp_path) != first
    workshop.send(tmp_path, "listed")
    at = ("--server", server)
    assert "datasets/listed" in sweepnet("data", *at).stdout
    assert sweepnet("data", "delete", "datasets/listed", *at).returncode == 2
    assert sweepnet("data", "delete", "datasets/listed", "--yes", *at).stdout == (
        "datasets/listed is deleted\n"
    )
    assert "datasets/listed" not in sweepnet("data", "--json", *at).stdout
    assert sweepnet("data").returncode == 2


def test_no_call_notices_a_promotion(
    server: str, workshop: Workshop, made: tuple[Job, list[Job]], flower_data: Path
) -> None:
    """While versions come and go behind a name, every call under it is answered."""
    picture = (flower_data / "flowers" / "train" / "p0.png").read_bytes()
    ended, faults, count = threading.Event(), list[Exception](), list[int]()

    def ask() -> None:
        with Client(server) as client:
            while not ended.is_set():
                try:
                    client.detect(picture, detectors=["patches"])
                    count.append(1)
                except Exception as error:
                    faults.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(5):
        assert workshop.promote("patches/versions/2").name.endswith("/2")
        assert workshop.roll_back("patches").name.endswith("/1")
    ended.set()
    asking.join()
    assert faults == []
    assert count


def test_jobs_by_the_command_line(
    server: str, made: tuple[Job, list[Job]], sweepnet: Callable[..., Any]
) -> None:
    job, _ = made
    name, at = job.name.rpartition("/")[2], ("--server", server)
    assert f"{name}  training  detectors/patches  succeeded" in sweepnet("jobs", *at).stdout
    watched = sweepnet("jobs", "watch", name, *at)
    assert watched.returncode == 0
    assert "detectors/patches/versions/2 is kept" in watched.stdout
    refused = sweepnet("jobs", "resume", name, *at)
    assert "is succeeded; only what failed or was cancelled goes on" in refused.stderr
    assert sweepnet("jobs", "log", name, *at).returncode == 0
    assert "--yes to forget" in sweepnet("jobs", "delete", name, *at).stderr
    assert "no training named" in sweepnet("jobs", "watch", "nothing", *at).stderr
    assert sweepnet("jobs").returncode == 2


def test_a_folder_that_is_wrong_is_told_file_by_file(
    server: str, tmp_path: Path, flower_data: Path, sweepnet: Callable[..., Any]
) -> None:
    """Before anything is learnt."""
    folder = tmp_path / "wrong"
    (folder / "flowers" / "train").mkdir(parents=True)
    listing = json.loads((flower_data / "flowers" / "train.json").read_text())
    (folder / "flowers" / "train.json").write_text(json.dumps(listing))
    for image in listing["images"]:
        place = f"flowers/train/{image['file_name']}"
        (folder / place).write_bytes((flower_data / place).read_bytes())
    (folder / "flowers" / "train" / "p3.png").write_bytes(b"no picture")
    done = sweepnet("train", "image", folder, "--name", "wrong", "--server", server)
    assert done.returncode == 1
    assert "refused: flowers/train/p3.png: unreadable" in done.stderr
    assert "failed: data: cannot be used; flowers/train/p3.png" in done.stderr


def test_a_broken_sending_goes_on(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the server has is not sent again."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.bin").write_bytes(b"1" * 5000)
    (tmp_path / "two.bin").write_bytes(b"2" * 10)
    (tmp_path / "empty.txt").touch()
    (tmp_path / ".hidden").write_text("not sent")
    monkeypatch.setattr("sweepnet.workshop.sending.PIECE_BYTES", 1000)
    told: list[int] = []

    def break_off(done: int, total: int) -> None:
        told.append(done)
        if done == 3000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workshop.send(tmp_path, "broken", break_off)
    again: list[int] = []
    made = workshop.send(tmp_path, "broken", lambda done, total: again.append(done))
    assert told == [0, 1000, 2000, 3000]
    assert again == [3000, 4000, 5000, 5010]
    assert (made.complete, made.file_count, made.size_bytes) == (True, 3, 5010)
    workshop.delete_data_set("broken")
    with pytest.raises(NotFound):
        workshop.delete_data_set("broken")


def test_the_same_with_await(server: str, made: tuple[Job, list[Job]]) -> None:
    job, _ = made

    async def run() -> None:
        async with AsyncClient(server) as client:
            workshop = AsyncWorkshop(client)
            assert [each.name async for each in workshop.watch(job.name)] == [job.name]
            assert job.name in [each.name for each in await workshop.jobs()]
            assert len(await workshop.versions("patches")) == 2
            with pytest.raises(FailedPrecondition):
                await workshop.resume(job.name)

    asyncio.run(run())


def test_both_workshops_have_the_same_methods() -> None:
    """Names, parameters, words."""
    for name, method in vars(Workshop).items():
        twin = getattr(AsyncWorkshop, name)
        if name.startswith("_"):
            continue
        ours, theirs = inspect.signature(method), inspect.signature(twin)
        assert ours.parameters == theirs.parameters, name
        assert method.__doc__ == twin.__doc__


def test_what_cannot_be_sent_is_refused_here(workshop: Workshop, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="promotion: got 'perhaps'; expected unless worse, al"):
        workshop.train("image", "d", "a", promotion="perhaps")  # type: ignore[typeddict-item]
    with pytest.raises(TypeError, match="there is no option 'wings'"):
        workshop.train("image", "d", "a", wings=2)  # type: ignore[call-arg]
    with pytest.raises(InvalidInput, match="train: an option cannot be sent"):
        workshop.train("image", "d", "a", budget_minutes="x")  # type: ignore[typeddict-item]
    with pytest.raises(NotFound, match="no folder named"):
        workshop.send(tmp_path / "none", "a")
    with pytest.raises(InvalidInput, match="holds no files to send"):
        workshop.send(tmp_path, "a")


def test_settings_and_names_of_the_command_line() -> None:
    assert settings(["a=1", "b.c=x", 'd=["y"]', "e=1=2"]) == {
        **{"a": 1, "b.c": "x", "d": ["y"], "e": "1=2"}
    }
    assert [_name_of(word) for word in ("Good day", "2 Äpfel", "?")] == [
        *("good_day", "pfel", "model"),
    ]


def test_pieces_are_the_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(range(256)) * 10)
    (file,) = files_of(tmp_path)
    found = list(pieces(file, 100))
    assert b"".join(piece for _, piece in found) == (tmp_path / "f").read_bytes()[100:]


def test_every_call_of_the_workshop_is_a_method_of_the_contract() -> None:
    """By its full name."""
    from sweepnet_protos.v1 import capture_pb2, data_set_pb2, model_pb2, trainer_pb2

    known = {
        f"/{service.full_name}/{method.name}"
        for file in (capture_pb2, data_set_pb2, model_pb2, trainer_pb2)
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    told = {each.path for each in vars(calls).values() if hasattr(each, "path")}
    assert {path for path in told if path.startswith("/sweepnet")} <= known
    assert len(told) == 19
