"""kill -9 at any moment, of the worker or of the process that trains: the same model comes of it.

SWEEPNET_KILLS=20 kills more often than the few times that a run of all tests can wait for.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sweepnet import Client
from sweepnet.errors import SweepnetError
from sweepnet.workshop import Workshop
from sweepnet_service.records import Database
from sweepnet_service.records.data_sets import DataFile, DataSets
from sweepnet_service.records.jobs import JobRecords
from sweepnet_service.store import Library, publishing
from sweepnet_service.store.version import check_content
from sweepnet_service.training.keeping import Keeping
from sweepnet_service.training.order import Job, Order
from sweepnet_service.training.worker import LOCK, Workplace, gone, locked

KILLS = int(os.environ.get("SWEEPNET_KILLS", "2"))
NAME = "detectors/squares"
SETTINGS = {
    **{"pictures": 96, "batch": 4, "aside_share": 0.3, "detect_size_px": 64},
    **{"checkpoint_every": 1},
}
LONGEST_S = 200.0


def order(data: Path) -> Order:
    return Order("image", NAME, data, SETTINGS, data_set="flowers", promotion="never")


def started(models: Path) -> subprocess.Popen[bytes]:
    """A worker as a server starts it."""
    command = [sys.executable, "-P", "-m", "sweepnet_service.training", "--models", str(models)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)


def stopped(worker: subprocess.Popen[bytes]) -> None:
    assert worker.stdin is not None
    worker.stdin.close()
    assert worker.wait(30) == 0


def children(worker: subprocess.Popen[bytes]) -> list[int]:
    """The processes that a worker has started."""
    listed = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
    return [int(pid) for pid in listed.read_text().split()] if listed.exists() else []


def further(records: JobRecords, identity: str, seconds: float) -> Job:
    """The job once it has ended, or after so long."""
    until_s = time.monotonic() + seconds
    while not (job := records.get(identity)).ended and time.monotonic() < until_s:
        time.sleep(0.05)
    return job


SENDERS = """
import os, random, signal, sys, time
from pathlib import Path
from sweepnet_service.records import Database
from sweepnet_service.records.data_sets import DataSets

folder, content, chance = Path(sys.argv[1]), Path(sys.argv[2]).read_bytes(), random.Random(3)
for _ in range(10):
    child = os.fork()
    if not child:
        sets = DataSets(folder / "sets", Database.in_folder(folder), 1 << 30)
        there = sets.get("datasets/d").files[0].received_bytes
        while there < len(content):
            there = sets.add("datasets/d", "a/f.bin", there, content[there : there + 999])
        os._exit(0)
    place = folder / "sets" / "d" / "a" / "f.bin"
    before, until_s = place.stat().st_size if place.exists() else 0, time.monotonic() + 20
    while not (place.exists() and place.stat().st_size > before) and time.monotonic() < until_s:
        time.sleep(0.001)
    time.sleep(chance.uniform(0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def test_a_server_killed_during_an_upload(tmp_path: Path) -> None:
    """Ten times: what has arrived is a beginning of the file, and the rest follows."""
    content = random.Random(2).randbytes(400_000)
    (tmp_path / "content").write_bytes(content)
    database = Database.in_folder(tmp_path)
    sets = DataSets(tmp_path / "sets", database, 1 << 30)
    sets.create(
        "datasets/d", [DataFile("a/f.bin", len(content), hashlib.sha256(content).hexdigest())]
    )
    command = [sys.executable, "-c", SENDERS, str(tmp_path), str(tmp_path / "content")]
    subprocess.run(command, check=True, timeout=100)
    there = sets.get("datasets/d").files[0].received_bytes
    assert there > 0
    assert (tmp_path / "sets" / "d" / "a" / "f.bin").read_bytes() == content[:there]
    sets.add("datasets/d", "a/f.bin", there, content[there:])
    assert sets.finish("datasets/d").complete
    database.close()


PUBLISHER = """
import sys
from pathlib import Path
from sweepnet_service.store import Library, publishing

models, made = Path(sys.argv[1]), Path(sys.argv[2])
publishing.publish(Library(models), "detectors/tiny", made)
print("ready", flush=True)
while True:
    publishing.publish(Library(models), "detectors/tiny", made)
"""


def serving(models: Path, sets: Path) -> tuple[subprocess.Popen[str], str]:
    """A server of its own, and its address."""
    command = [sys.executable, "-m", "sweepnet_service", "--port", "0", "--log-level", "error"]
    command += ["--models", str(models), "--data-sets", str(sets)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"}
    )
    assert process.stdout is not None
    return process, process.stdout.readline().split("listens at ")[1].split()[0]


@contextmanager
def asked(address: str, own: Path, name: str) -> Iterator[None]:
    """While inside, the server is sent a folder, and told to promote, until it is not there."""
    with Client(address) as client:
        workshop = Workshop(client)

        def promote() -> None:
            with suppress(SweepnetError):
                for turn in itertools.count():
                    workshop.promote(f"tiny/versions/{turn % 2 + 2}")

        def send() -> None:
            with suppress(SweepnetError):
                workshop.send(own, name)

        asking = [threading.Thread(target=work) for work in (promote, send)]
        for thread in asking:
            thread.start()
        yield
        for thread in asking:
            thread.join()


@pytest.mark.slow
def test_a_server_killed_while_it_is_sent_to_published_and_promoted(
    tiny_models: Path, tmp_path: Path
) -> None:
    """What a name means is whole after each kill, the next server serves it, and what was sent
    goes on where it was.
    """
    models = shutil.copytree(tiny_models, tmp_path / "models")
    made = tiny_models / "tiny.safetensors"
    for _ in range(2):
        publishing.publish(Library(models), "detectors/tiny", made)
    (tmp_path / "own").mkdir()
    chance = random.Random(9)
    for number in range(12):
        (tmp_path / "own" / f"{number}.bin").write_bytes(chance.randbytes(300_000))
    process, address = serving(models, tmp_path / "sets")
    for kill in range(KILLS):
        publisher = subprocess.Popen(
            [sys.executable, "-c", PUBLISHER, str(models), str(made)], stdout=subprocess.PIPE
        )
        assert publisher.stdout is not None
        publisher.stdout.readline()
        with asked(address, tmp_path / "own", f"own{kill}"):
            time.sleep(chance.uniform(0.2, 1.0))
            for victim in (process, publisher):
                victim.kill()
                victim.communicate()
        versions = publishing.versions_of(Library(models))
        for version in versions.of("detectors/tiny"):
            check_content(version)
        live = versions.named_by("detectors/tiny")
        assert live is not None
        process, address = serving(models, tmp_path / "sets")
        with Client(address) as client:
            assert client.model("tiny").version == live.name
            assert Workshop(client).send(tmp_path / "own", f"own{kill}").complete
    process.terminate()
    process.communicate()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
def test_a_training_killed_anywhere_gives_the_same_model(flower_data: Path, tmp_path: Path) -> None:
    """Bit by bit; the kills go to the worker and to its training process in turn."""
    keeping, chance = Keeping(tmp_path), random.Random(7)
    records = JobRecords(keeping.database)
    undisturbed, disturbed = (records.add(order(flower_data)) for _ in range(2))
    worker = started(tmp_path)
    assert further(records, undisturbed.id, LONGEST_S).state == "succeeded"
    killed = 0
    while killed < KILLS:
        job = further(records, disturbed.id, chance.uniform(0.5, 4.0))
        assert not job.ended, "the training was too short to be killed so often"
        victims = children(worker) if killed % 2 else [worker.pid]
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
            killed += 1
        if worker.pid in victims:
            worker.communicate()
            worker = started(tmp_path)

    ended = further(records, disturbed.id, LONGEST_S)
    stopped(worker)

    assert ended.state == "succeeded", ended.failure
    assert ended.attempt > 1
    first, second = publishing.versions_of(Library(tmp_path)).of(NAME)
    assert (first.number, second.number) == (1, 2)
    assert first.model.read_bytes() == second.model.read_bytes()
    assert first.lineage.data_sha256 == second.lineage.data_sha256 != ""
    keeping.close()


def test_who_is_gone() -> None:
    """Only what was a process here, and is none now."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    here = socket.gethostname()
    assert gone(f"{here}/{done.pid}-1a2b")
    assert not gone(f"{here}/{os.getpid()}-1a2b")
    assert not gone(f"elsewhere/{done.pid}-1a2b")
    assert not gone("")


def test_a_job_is_not_taken_from_a_worker_in_another_container(tmp_path: Path) -> None:
    """Whose number means nothing here: the two would take it from each other for ever."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    database = Database.in_folder(tmp_path)
    workplace, owner = Workplace(tmp_path, database), f"{socket.gethostname()}/{done.pid}-1a2b"
    job = JobRecords(database).add(order(tmp_path))
    assert workplace.abandoned(job.id, owner)
    place = workplace.place(job.id)
    place.mkdir(parents=True)
    with locked(place / LOCK):
        assert not workplace.abandoned(job.id, owner)
    assert workplace.abandoned(job.id, owner)
    assert not workplace.abandoned(job.id, workplace.owner)
    database.close()
