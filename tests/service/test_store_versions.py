"""The store of versions: numbers never come twice, aliases keep every move, crashes leave nothing
half done, and several processes may work in it at once.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweepnet_service.errors import FailedPrecondition, InvalidInput, ModelUnreadable, NotFound
from sweepnet_service.store import Library, Lineage, Versions, publishing, reference
from sweepnet_service.store.aliases import Move, moves, standing
from sweepnet_service.store.names import checked_alias
from sweepnet_service.store.version import check_content

NAME = "detectors/a"


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(tmp_path)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "made.bin"
    path.write_bytes(b"weights")
    return path


def test_a_version_is_what_was_published(versions: Versions, model: Path) -> None:
    """Files, lineage and figures, from another process's view too."""
    lineage = Lineage("operations/7", "datasets/d", "0" * 64, "", "1.2", {"steps": 5})
    card = model.with_suffix(".md")
    card.write_text("the card")

    made = versions.publish(NAME, model, card, lineage, {"miss_rate": 0.25})
    model.write_bytes(b"changed later")

    (read,) = Versions(versions.folder.parent).of(NAME)
    assert read == made
    assert read.name == "detectors/a/versions/1"
    assert read.model.read_bytes() == b"weights"
    assert read.card.read_text() == "the card"
    assert (read.lineage, read.metrics) == (lineage, {"miss_rate": 0.25})
    check_content(read)


def test_numbers_never_come_twice(versions: Versions, model: Path) -> None:
    """Not after a deletion either, of one version or of all."""
    first, second = versions.publish(NAME, model), versions.publish(NAME, model)
    assert (first.number, second.number) == (1, 2)
    versions.delete(NAME, 2)
    assert versions.publish(NAME, model).number == 3
    assert versions.delete_all(NAME)
    assert not versions.delete_all(NAME)
    assert versions.of(NAME) == []
    assert versions.publish(NAME, model).number == 4


def test_what_is_deleted_is_gone(versions: Versions, model: Path) -> None:
    """No file of it stays, and asking for it tells what there is."""
    versions.publish(NAME, model)
    gone = versions.publish(NAME, model)
    versions.delete(NAME, 2)
    assert list(gone.folder.iterdir()) == []
    with pytest.raises(NotFound, match=r"no model named detectors/a/versions/2; versions: 1"):
        versions.get(NAME, 2)


def test_a_version_in_use_is_not_deleted(versions: Versions, model: Path) -> None:
    versions.publish(NAME, model)
    versions.promote(NAME, 1)
    versions.promote(NAME, 1, "staging")
    with pytest.raises(FailedPrecondition, match="versions/1 is live and staging; promote another"):
        versions.delete(NAME, 1)


def test_a_roll_back_goes_back_step_by_step(versions: Versions, model: Path) -> None:
    """Past versions that are gone, never forward, and no further than the first."""
    for _ in range(4):
        versions.publish(NAME, model)
    for number in (1, 2, 3, 4):
        versions.promote(NAME, number)
    assert versions.roll_back(NAME).number == 3
    versions.delete(NAME, 2)
    assert versions.roll_back(NAME).number == 1
    assert versions.named_by(NAME) == versions.get(NAME, 1)
    with pytest.raises(FailedPrecondition, match="nothing to roll back to"):
        versions.roll_back(NAME)
    assert [(each.move, each.version) for each in versions.moves(NAME)] == [
        *(("promote", number) for number in (1, 2, 3, 4)),
        ("roll back", 3),
        ("roll back", 1),
    ]


def test_a_refused_roll_back_changes_nothing(versions: Versions, model: Path) -> None:
    for number in (1, 2):
        versions.publish(NAME, model)
        versions.promote(NAME, number)

    def refuse(_: object) -> None:
        raise ModelUnreadable("x", "damaged")

    with pytest.raises(ModelUnreadable):
        versions.roll_back(NAME, check=refuse)
    assert versions.aliases(NAME) == {"live": 2}


@given(st.lists(st.one_of(st.integers(1, 5), st.none()), max_size=20))
def test_standing_is_a_stack(told: list[int | None]) -> None:
    """A number promotes, None rolls back to what stood before."""
    made: list[Move] = []
    stack: list[int] = []
    for number in told:
        if number is not None:
            stack.append(number)
            made.append(Move("promote", number, 0.0))
        elif len(set(stack)) > 1:
            now = stack[-1]
            while stack[-1] == now:
                stack.pop()
            made.append(Move("roll back", stack[-1], 0.0))
        assert standing(made)[-1:] == stack[-1:]


@pytest.mark.parametrize("left", [b"", b'{"move": "promote", "ver', b"[]", b'{"move": "x"}'])
def test_a_move_cut_short_never_was(versions: Versions, model: Path, left: bytes) -> None:
    """And the next one goes on behind it."""
    for _ in range(2):
        versions.publish(NAME, model)
    versions.promote(NAME, 1)
    folder = versions.folder / "a" / "aliases" / "live"
    (folder / "000002.json").write_bytes(left)
    assert versions.aliases(NAME) == {"live": 1}
    versions.promote(NAME, 2)
    assert versions.aliases(NAME) == {"live": 2}
    assert len(moves(folder)) == 2


@pytest.mark.parametrize("failing", [1, 2, 3, 4])
def test_a_full_disk_publishes_nothing(
    versions: Versions, model: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """Wherever it strikes; once there is room it goes on."""
    real, calls = os.fsync, []

    def full(handle: int) -> None:
        calls.append(handle)
        # Folders are synced too; that they cannot be is no error.
        if len(calls) == failing:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with suppress(OSError):
        versions.publish(NAME, model)
    monkeypatch.setattr(os, "fsync", real)
    for version in [*versions.of(NAME), versions.publish(NAME, model)]:
        check_content(version)


def test_a_full_disk_promotes_nothing(
    versions: Versions, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        versions.publish(NAME, model)
    versions.promote(NAME, 1)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            versions.promote(NAME, 2)
    assert versions.aliases(NAME) == {"live": 1}


PUBLISHERS = """
import os, random, signal, sys, time
from pathlib import Path
from sweepnet_service.store import Versions

folder, mode = Path(sys.argv[1]), sys.argv[2]

def publisher(count):
    child = os.fork()
    if not child:
        for _ in range(count):
            version = Versions(folder).publish("detectors/a", folder / "made.bin")
            Versions(folder).promote("detectors/a", version.number)
        os._exit(0)
    return child

if mode == "together":
    assert all(os.waitpid(child, 0)[1] == 0 for child in [publisher(8) for _ in range(3)])
else:
    chance = random.Random(4)
    for _ in range(20):
        child = publisher(1000)
        time.sleep(chance.random() * 0.1)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        live = Versions(folder).named_by("detectors/a")
        print(live.number if live else 0, flush=True)
"""


def publishers(folder: Path, mode: str) -> list[int]:
    """Processes that publish and promote, and are killed or not; what was live after each kill."""
    command = [sys.executable, "-c", PUBLISHERS, str(folder), mode]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    return list(map(int, done.stdout.split()))


def test_several_processes_publish_at_once(versions: Versions, model: Path) -> None:
    """Each version once, whole, and every promotion kept."""
    publishers(model.parent, "together")
    assert [version.number for version in versions.of(NAME)] == list(range(1, 25))
    assert sorted(move.version for move in versions.moves(NAME)) == list(range(1, 25))
    for version in versions.of(NAME):
        check_content(version)


def test_a_killed_publisher_leaves_only_whole_versions(versions: Versions, model: Path) -> None:
    """kill -9 at twenty random moments; what is there is whole, and what is live only rises."""
    model.write_bytes(b"w" * 300_000)
    lived = publishers(model.parent, "killed")
    assert lived == sorted(lived)
    assert lived[-1] > 1
    for version in versions.of(NAME):
        check_content(version)
    whole = {version.number for version in versions.of(NAME)}
    places = (versions.folder / "a" / "versions").iterdir()
    crashed = [path for path in places if int(path.name) not in whole]
    for path in crashed:
        os.utime(path, (0, 0))
    versions.tidy()
    assert [left for path in crashed for left in path.iterdir()] == []
    assert {version.number for version in versions.of(NAME)} == whole


FIRST = """
import os, sys, time
from pathlib import Path
import sweepnet_service.detectors.keyword
from sweepnet_service.store import Library, publishing

folder, made, begin_s = Path(sys.argv[1]), Path(sys.argv[2]), time.time() + 0.2
library = Library(folder / "models", shipped=folder / "shipped")
children = []
for _ in range(4):
    child = os.fork()
    if not child:
        time.sleep(max(0.0, begin_s - time.time()))
        publishing.publish(library, "detectors/tiny", made)
        os._exit(0)
    children.append(child)
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
"""


def test_several_first_publishers_take_a_file_over_once(tiny_models: Path, tmp_path: Path) -> None:
    """It becomes version 1, live, and nothing else."""
    (tmp_path / "models").mkdir()
    (tmp_path / "shipped").mkdir()
    shutil.copy(tiny_models / "tiny.safetensors", tmp_path / "models")
    made = tiny_models / "tiny.safetensors"
    command = [sys.executable, "-c", FIRST, str(tmp_path), str(made)]
    subprocess.run(command, check=True, timeout=100)
    versions = Versions(tmp_path / "models")
    taken = [x.number for x in versions.of("detectors/tiny") if x.lineage.data_set]
    assert taken == [1]
    assert len(versions.of("detectors/tiny")) == 5
    assert versions.aliases("detectors/tiny") == {"live": 1}
    assert [move.version for move in versions.moves("detectors/tiny")] == [1]
    assert not (tmp_path / "models" / "tiny.safetensors").exists()


def test_a_killed_take_over_is_finished(tiny_models: Path, tmp_path: Path) -> None:
    """By the next one who publishes, though the file was a version already and not yet live."""
    (tmp_path / "models").mkdir()
    shutil.copy(tiny_models / "tiny.safetensors", tmp_path / "models")
    library = Library(tmp_path / "models", shipped=tmp_path)
    assert library.versions is not None
    lineage = Lineage(data_set="taken over: tiny.safetensors")
    library.versions.publish("detectors/tiny", tiny_models / "tiny.safetensors", lineage=lineage)
    library.refresh()
    publishing.publish(library, "detectors/tiny", tiny_models / "tiny.safetensors")
    assert [x.number for x in library.versions.of("detectors/tiny")] == [1, 2]
    assert library.versions.aliases("detectors/tiny") == {"live": 1}


@pytest.mark.parametrize(
    "record",
    [b"", b"[]", b"{}", b'{"detector": "detectors/b"}', b"\xff", b'{"lineage": {"x": 1}}'],
)
def test_a_damaged_record_is_told_of(versions: Versions, model: Path, record: bytes) -> None:
    """By the one who asks for it; the others are listed."""
    versions.publish(NAME, model)
    bad = versions.publish(NAME, model)
    (bad.folder / "version.json").write_bytes(record)
    assert [each.number for each in versions.of(NAME)] == [1]
    with pytest.raises(ModelUnreadable, match=r"versions/2: its record version.json is damaged"):
        versions.get(NAME, 2)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("detectors/a", ("detectors/a", "", 0)),
        ("detectors/a@live", ("detectors/a", "live", 0)),
        ("detectors/a/versions/12", ("detectors/a", "", 12)),
    ],
)
def test_three_forms_of_a_name(name: str, found: tuple[str, str, int]) -> None:
    told = reference(name, "x")
    assert (told.name, told.alias, told.number) == found


@pytest.mark.parametrize(
    "name",
    [
        *("", "a", "detectors/", "detectors/a@", "detectors/a@Live", "detectors/a/versions/0"),
        *("detectors/a/versions/01", "detectors/a/versions/", "detectors/a/versions/-1"),
        *("detectors/a@live/versions/1", "detectors/../a", "detectors/a\n", "detectors/a@../b"),
        "detectors/a/versions/9999999999",
    ],
)
def test_no_other_form_is_a_name(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"x: got .*; expected a name such as"):
        reference(name, "x")


@pytest.mark.parametrize("alias", ["Live", "..", "a/b", "-", "a" * 64])
def test_no_alias_leads_elsewhere(alias: str) -> None:
    with pytest.raises(InvalidInput, match="alias: got"):
        checked_alias(alias)
