"""Data sets that are sent: resumed anywhere, checked to the last byte, kept in their place."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sweepnet_service.errors import FailedPrecondition, InvalidInput, LimitExceeded, NotFound
from sweepnet_service.progress import ignored
from sweepnet_service.records import Database
from sweepnet_service.records.data_sets import DataFile, DataSets
from sweepnet_service.records.jobs import JobRecords
from sweepnet_service.training.inspection import digest_of
from sweepnet_service.training.keeping import Keeping
from sweepnet_service.training.order import Order
from sweepnet_service.training.places import place_of

NAME = "datasets/d"


def told(path: str, content: bytes) -> DataFile:
    return DataFile(path, len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database.in_folder(tmp_path / "records")


@pytest.fixture
def sets(tmp_path: Path, database: Database) -> DataSets:
    return DataSets(tmp_path / "sets", database, 10_000)


def test_a_data_set_arrives_as_it_was_told(sets: DataSets, tmp_path: Path) -> None:
    """Piece by piece, empty files too; its digest is that of its folder."""
    contents = {"positive/a.wav": b"a" * 1000, "negative/b c.wav": b"b", "positive.csv": b""}
    made = sets.create(NAME, [told(path, content) for path, content in contents.items()])
    assert (made.complete, made.file_count, made.size_bytes) == (False, 3, 1001)
    with pytest.raises(FailedPrecondition, match="is not complete"):
        sets.folder_of(NAME)
    assert sets.add(NAME, "positive/a.wav", 0, b"a" * 600) == 600
    assert sets.add(NAME, "positive/a.wav", 600, b"a" * 400) == 1000
    assert sets.add(NAME, "negative/b c.wav", 0, b"b") == 1

    done = sets.finish(NAME)

    assert done.complete
    folder = sets.folder_of(NAME)
    assert {p: (folder / p).read_bytes() for p in contents} == contents
    assert digest_of(folder, ignored) == done.sha256
    assert [each.name for each in sets.all()] == [NAME]
    assert sets.finish(NAME).sha256 == done.sha256
    with pytest.raises(FailedPrecondition, match="is complete; it takes nothing more"):
        sets.add(NAME, "positive/a.wav", 0, b"x")


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=st.binary(max_size=300),
    pieces=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 120)), max_size=20),
)
def test_any_pieces_in_any_order_give_the_file(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, pieces: list[tuple[int, int]]
) -> None:
    """Those that leave a gap are refused, those told again change nothing."""
    folder = tmp_path_factory.mktemp("sets")
    database = Database.in_folder(folder)
    sets = DataSets(folder / "sets", database, 10_000)
    sets.create(NAME, [told("f", content)])
    there = 0
    for offset, length in pieces:
        if offset > there:
            with pytest.raises(FailedPrecondition, match=f"the server has {there} bytes of f"):
                sets.add(NAME, "f", offset, content[offset : offset + length])
        else:
            there = max(there, min(offset + length, len(content)))
            assert sets.add(NAME, "f", offset, content[offset : offset + length]) == there
    assert sets.get(NAME).files[0].received_bytes == there
    sets.add(NAME, "f", there, content[there:])
    assert sets.finish(NAME).complete
    assert (sets.folder_of(NAME) / "f").read_bytes() == content
    database.close()


def test_it_goes_on_where_it_was(sets: DataSets, tmp_path: Path, database: Database) -> None:
    """By the same files told again, to a server that was started anew."""
    files = [told("a", b"abcdef"), told("b", b"x")]
    sets.create(NAME, files)
    sets.add(NAME, "a", 0, b"abc")
    again = DataSets(tmp_path / "sets", database, 10_000).create(NAME, files)
    assert [(file.path, file.received_bytes) for file in again.files] == [("a", 3), ("b", 0)]
    with pytest.raises(FailedPrecondition, match="there is a data set datasets/d with other files"):
        sets.create(NAME, files[:1])


def test_a_lie_about_the_content_is_found(sets: DataSets) -> None:
    """The file is dropped, and can be sent as it was told."""
    sets.create(NAME, [told("a", b"right"), told("b", b"")])
    sets.add(NAME, "a", 0, b"wrong")
    with pytest.raises(FailedPrecondition, match=r"a: its SHA-256 is [0-9a-f]{12}\.\.\., send it"):
        sets.finish(NAME)
    sets.add(NAME, "a", 0, b"right")
    assert sets.finish(NAME).complete


def test_a_lie_about_the_size_is_found(sets: DataSets) -> None:
    sets.create(NAME, [told("a", b"12345")])
    with pytest.raises(InvalidInput, match="a would have 6 bytes; 5 were told"):
        sets.add(NAME, "a", 0, b"123456")
    sets.add(NAME, "a", 0, b"1234")
    with pytest.raises(FailedPrecondition, match="a: 4 of 5 bytes"):
        sets.finish(NAME)


def test_other_bytes_for_what_is_there_are_refused(sets: DataSets) -> None:
    sets.create(NAME, [told("a", b"12345")])
    sets.add(NAME, "a", 0, b"123")
    with pytest.raises(InvalidInput, match="a has other bytes from 1 on"):
        sets.add(NAME, "a", 1, b"9345")


@pytest.mark.parametrize(
    "path",
    [
        *("", "/etc/passwd", "../a", "a/../b", "a//b", ".hidden", "a/.b", "a\\b", "a\nb", "a/"),
        *("x" * 256, "a/" * 300 + "b", "\x00"),
    ],
)
def test_no_path_leads_elsewhere(sets: DataSets, path: str) -> None:
    with pytest.raises(InvalidInput, match="files: got the path"):
        sets.create(NAME, [told(path, b"x")])


@pytest.mark.parametrize("name", ["d", "datasets/", "datasets/../x", "datasets/A", "detectors/a"])
def test_no_name_leads_elsewhere(sets: DataSets, name: str) -> None:
    with pytest.raises(InvalidInput, match="data_set: got"):
        sets.create(name, [told("a", b"x")])


def test_wrong_lists_are_refused(sets: DataSets) -> None:
    with pytest.raises(InvalidInput, match="got 0; expected 1"):
        sets.create(NAME, [])
    with pytest.raises(InvalidInput, match="none twice"):
        sets.create(NAME, [told("a", b"x"), told("a", b"y")])
    with pytest.raises(InvalidInput, match="a/b lies in a file"):
        sets.create(NAME, [told("a", b"x"), told("a/b", b"y")])
    with pytest.raises(InvalidInput, match="64 hexadecimal digits"):
        sets.create(NAME, [DataFile("a", 1, "xyz")])
    with pytest.raises(InvalidInput, match="expected a size"):
        sets.create(NAME, [DataFile("a", -1, "0" * 64)])
    with pytest.raises(LimitExceeded, match="10001 bytes do not fit in; this server keeps 10000"):
        sets.create(NAME, [told("a", b"x" * 10_001)])


def test_what_was_not_told_is_not_taken(sets: DataSets) -> None:
    sets.create(NAME, [told("a", b"x")])
    with pytest.raises(NotFound, match="was told of no file 'b'"):
        sets.add(NAME, "b", 0, b"x")
    with pytest.raises(NotFound, match="no data set named 'datasets/e'"):
        sets.add("datasets/e", "a", 0, b"x")


def test_a_data_set_that_is_deleted_is_gone(
    sets: DataSets, database: Database, tmp_path: Path
) -> None:
    """Files and room; but not while a training learns from it."""
    sets.create(NAME, [told("a", b"x" * 9_000)])
    sets.add(NAME, "a", 0, b"x" * 9_000)
    sets.finish(NAME)
    jobs = JobRecords(database)
    job = jobs.add(Order("image", "detectors/a", sets.folder_of(NAME), data_set=NAME))
    with pytest.raises(FailedPrecondition, match="learns from datasets/d; cancel it first"):
        sets.delete(NAME)
    jobs.cancel(job.id)
    sets.delete(NAME)
    assert list((tmp_path / "sets").iterdir()) == []
    assert jobs.get(job.id).order.data_set == NAME
    with pytest.raises(FailedPrecondition, match=r"datasets/d, which .* learnt from, was deleted"):
        jobs.resume(job.id)
    with pytest.raises(NotFound):
        sets.get(NAME)
    assert sets.create(NAME, [told("b", b"y" * 9_000)]).files[0].received_bytes == 0


def test_nothing_that_was_learnt_from_it_stays_either(tmp_path: Path) -> None:
    """A training that was cancelled kept features of its recordings to go on from."""
    keeping = Keeping(tmp_path, data_sets=tmp_path / "sets")
    keeping.sets.create(NAME, [told("a", b"x")])
    keeping.sets.add(NAME, "a", 0, b"x")
    assert keeping.sets.finish(NAME).complete
    data = keeping.sets.folder_of(NAME)
    jobs = JobRecords(keeping.database)
    mine, other = (
        jobs.add(Order("image", "detectors/a", data, data_set=name)) for name in (NAME, "elsewhere")
    )
    for job in (mine, other):
        jobs.cancel(job.id)
        place_of(tmp_path, job.id).mkdir()
    keeping.delete_data_set(NAME)
    assert not place_of(tmp_path, mine.id).exists()
    assert place_of(tmp_path, other.id).exists()
    keeping.close()


def test_a_piece_takes_no_longer_where_files_are_many(sets: DataSets) -> None:
    """Counted in what SQLite does for it: time would depend on the machine."""
    steps: list[int] = []
    for count in (10, 5_000):
        name = f"datasets/d{count}"
        sets.create(name, [told(f"f{at}", b"x") for at in range(count)])
        with sets._database.reading() as connection:
            driver: Any = connection.connection.driver_connection
            found = [0]
            driver.set_progress_handler(lambda found=found: found.__setitem__(0, found[0] + 1), 1)
        sets.add(name, "f7", 0, b"x")
        driver.set_progress_handler(None, 0)
        steps.append(found[0])
    assert steps[0] > 0
    assert steps[1] < 2 * steps[0]


def test_a_slow_deletion_takes_nothing_from_the_next_of_its_name(
    sets: DataSets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which may be begun while the files of the first still go."""
    sets.create(NAME, [told("a", b"old")])
    sets.add(NAME, "a", 0, b"old")
    real, begun = shutil.rmtree, list[Path]()

    def slow(place: Path, **named: Any) -> None:
        if not begun:
            begun.append(place)
            sets.create(NAME, [told("a", b"new")])
            sets.add(NAME, "a", 0, b"new")
        real(place, **named)

    monkeypatch.setattr(shutil, "rmtree", slow)
    sets.delete(NAME)
    assert sets.finish(NAME).complete
    assert [path.name for path in (tmp_path / "sets").iterdir()] == ["d"]


def test_a_full_disk_tells_how_much_is_there(
    sets: DataSets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A piece of which a part went in goes on behind it."""
    sets.create(NAME, [told("a", b"0123456789")])
    real, room = os.pwrite, [4]

    def little(handle: int, content: bytes, offset: int) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = real(handle, content[: room[0]], offset)
        room[0] -= written
        return written

    monkeypatch.setattr(os, "pwrite", little)
    with pytest.raises(LimitExceeded, match="disk is full; it keeps 4 bytes of a, send the rest"):
        sets.add(NAME, "a", 0, b"0123456789")
    room[0] = 100
    assert sets.get(NAME).files[0].received_bytes == 4
    assert sets.add(NAME, "a", 4, b"456789") == 10
    assert sets.finish(NAME).complete


def test_many_senders_of_one_file(sets: DataSets) -> None:
    """As a client that gave up on a connection and its second try."""
    content = random.Random(1).randbytes(5_000)
    sets.create(NAME, [told("a", content)])

    def send() -> None:
        there = 0
        while there < len(content):
            there = sets.add(NAME, "a", there, content[there : there + 500])

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sets.finish(NAME).complete


@pytest.mark.needs_program("sha256sum")
def test_the_digest_is_one_that_others_compute(tmp_path: Path) -> None:
    """`sha256sum` of what `sha256sum` says of the files in order."""
    (tmp_path / "d" / "p").mkdir(parents=True)
    (tmp_path / "d" / "p" / "a b.txt").write_text("one")
    (tmp_path / "d" / "z.txt").write_text("two")
    (tmp_path / "d" / ".hidden").write_text("not counted")
    command = "sha256sum 'p/a b.txt' z.txt | sha256sum"
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path / "d", capture_output=True, text=True, check=True
    )
    assert digest_of(tmp_path / "d", ignored) == done.stdout.split()[0]
