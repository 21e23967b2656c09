"""A library takes new versions up: what cannot be used is refused and the old one stays."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.errors import FailedPrecondition, InvalidInput, ModelUnreadable, NotFound
from sweepnet_service.server import convert_models
from sweepnet_service.store import Library, publishing

NAME = "detectors/tiny"
Made = Callable[[float], Path]


@pytest.fixture
def made(tiny_models: Path, tmp_path: Path) -> Made:
    """A model file that tells itself from others by its threshold."""

    def save(threshold: float) -> Path:
        detector = KeywordDetector.load(tiny_models / "tiny.safetensors")
        path = tmp_path / f"made-{threshold}.safetensors"
        replace(detector, default_thresholds=dict.fromkeys(detector.labels, threshold)).save(path)
        path.with_suffix(".md").write_text(f"threshold {threshold}")
        return path

    return save


@pytest.fixture
def library(tmp_path: Path) -> Library:
    folder = tmp_path / "models"
    folder.mkdir()
    return Library(folder)


def threshold(library: Library, name: str = NAME) -> float:
    return library.load(name).default_thresholds["one"]


def test_a_version_is_served_once_it_is_promoted(library: Library, made: Made) -> None:
    first = publishing.publish(library, NAME, made(0.1))
    with pytest.raises(NotFound):
        library.load(NAME)
    assert threshold(library, first.name) == 0.1
    publishing.promote(library, first.name)
    assert threshold(library) == 0.1
    assert library.entry(NAME).version == first
    assert threshold(library, f"{NAME}@live") == 0.1
    assert first.card.read_text() == "threshold 0.1"


def test_another_process_sees_it_after_a_look(library: Library, made: Made) -> None:
    """And who holds the old detector keeps it."""
    other = Library(library.folder)
    for value in (0.1, 0.2):
        publishing.promote(library, publishing.publish(library, NAME, made(value)).name)
        other.refresh()
        assert threshold(other) == value
    held = other.load(NAME)
    publishing.roll_back(library, NAME)
    assert other.load(NAME) is held
    other.refresh()
    assert threshold(other) == 0.1
    assert held.default_thresholds["one"] == 0.2


def test_a_look_at_nothing_new_reads_no_file(
    library: Library, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is looked at every second."""
    publishing.promote(library, publishing.publish(library, NAME, made(0.1)).name)
    library.load(NAME)
    before = library.entries
    monkeypatch.setattr("sweepnet_service.store.entries._header", None)
    monkeypatch.setattr("sweepnet_service.store.library.load_detector", None)
    library.refresh()
    assert library.entries == before
    assert library.entry(NAME).error == ""


@pytest.mark.parametrize("damage", [b"", b"not a model", b"\xff" * 100])
def test_a_broken_version_does_not_take_over(tmp_path: Path, made: Made, damage: bytes) -> None:
    """Nor a file that was changed after it was published; it is told of once."""
    folder = tmp_path / "models"
    folder.mkdir()
    writer, told = Library(folder), []
    publishing.promote(writer, publishing.publish(writer, NAME, made(0.1)).name)
    server = Library(folder, warn=lambda name, reason: told.append((name, reason)))
    old = server.load(NAME)
    second = publishing.publish(writer, NAME, made(0.2))
    second.model.write_bytes(damage)
    assert writer.versions is not None
    writer.versions.promote(NAME, second.number)

    for _ in range(3):
        server.refresh()

    assert server.load(NAME) is old
    assert NAME in {name for name, _ in told}
    assert sum("the model before it stays" in reason for _, reason in told) == 1


def test_a_damaged_record_does_not_take_a_model_away(tmp_path: Path, made: Made) -> None:
    """It is told of once, and the model stays."""
    folder = tmp_path / "models"
    folder.mkdir()
    writer, told = Library(folder), []
    first = publishing.publish(writer, NAME, made(0.1))
    publishing.promote(writer, first.name)
    server = Library(folder, warn=lambda name, reason: told.append(reason))
    (first.folder / "version.json").write_bytes(b"{")
    for _ in range(3):
        server.refresh()
    assert threshold(server) == 0.1
    assert len(told) == 1
    assert "its record version.json is damaged" in told[0]


DAMAGES = {
    "no model": lambda version: version.model.write_bytes(b"\xff" * 100),
    "no file": lambda version: version.model.unlink(),
    "another model": lambda version: shutil.copy(
        version.folder / "../1/model.safetensors", version.model
    ),
    "no record": lambda version: (version.folder / "version.json").write_bytes(b"{"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_server_begun_on_a_broken_version_serves_the_one_before(
    library: Library, made: Made, damage: str
) -> None:
    """With a warning, told once; a version promoted since is taken up."""
    for value in (0.1, 0.2, 0.3):
        publishing.promote(library, publishing.publish(library, NAME, made(value)).name)
    assert library.versions is not None
    for number in (2, 3):
        DAMAGES[damage](library.versions.get(NAME, number))
    told: list[str] = []
    server = Library(library.folder, warn=lambda name, reason: told.append(reason))
    assert threshold(server) == 0.1
    for _ in range(3):
        server.refresh()
    assert threshold(server) == 0.1
    assert server.entry(NAME).error == ""
    for number in (2, 3):
        assert any(f"versions/{number}" in reason for reason in told)
    assert len(told) == len(set(told))
    publishing.promote(server, publishing.publish(server, NAME, made(0.4)).name)
    assert threshold(server) == 0.4


def test_what_is_told_of_a_model_is_told_of_the_version_that_is_served(
    library: Library, made: Made
) -> None:
    """By the first who asks as well, whose question finds out that the live version is broken."""
    for value in (0.1, 0.2):
        version = publishing.publish(library, NAME, made(value))
        publishing.promote(library, version.name)
    shutil.copy(made(0.3), version.model)
    told = convert_models.model(Library(library.folder), NAME)
    assert (told.version.name, told.error) == (f"{NAME}/versions/1", "")
    assert told.default_thresholds["one"] == 0.1


def test_a_server_begun_on_nothing_but_broken_versions_tells_why(
    library: Library, made: Made
) -> None:
    for value in (0.1, 0.2):
        version = publishing.publish(library, NAME, made(value))
        publishing.promote(library, version.name)
        version.model.write_bytes(b"no model")
    server = Library(library.folder)
    for _ in range(2):
        with pytest.raises(ModelUnreadable, match="not a readable model file"):
            server.load(NAME)


def test_a_damaged_record_stands_in_no_ones_way(library: Library, made: Made) -> None:
    """Versions are listed, promoted, rolled back and deleted in spite of it, and it with them."""
    names = [publishing.publish(library, NAME, made(value)).name for value in (0.1, 0.2, 0.3)]
    for name in names:
        publishing.promote(library, name)
    versions = publishing.versions_of(library)
    (versions.get(NAME, 3).folder / "version.json").write_bytes(b"{")
    assert versions.aliases(NAME) == {"live": 2}
    assert publishing.roll_back(library, NAME).number == 1
    assert publishing.promote(library, names[1]).number == 2
    publishing.delete(library, names[2])
    assert [each.number for each in versions.of(NAME)] == [1, 2]
    with pytest.raises(NotFound):
        versions.get(NAME, 3)


def test_a_detector_that_was_never_live_is_deleted(library: Library, made: Made) -> None:
    """Nor does a file that its versions stood before take their place."""
    publishing.publish(library, NAME, made(0.1))
    assert library.folder is not None
    shutil.copy(made(0.7), library.folder / "tiny.safetensors")
    publishing.delete(library, NAME)
    assert library.versions is not None
    assert library.versions.of(NAME) == []
    assert NAME not in library.entries
    with pytest.raises(NotFound, match="no model named 'detectors/tiny'; nothing was deleted"):
        publishing.delete(library, NAME)


def test_a_file_changed_after_publishing_is_refused(library: Library, made: Made) -> None:
    """Though it is a good model by itself."""
    version = publishing.publish(library, NAME, made(0.1))
    shutil.copy(made(0.9), version.model)
    with pytest.raises(ModelUnreadable, match="its model file was changed: got sha256"):
        publishing.promote(library, version.name)
    assert library.versions is not None
    assert library.versions.aliases(NAME) == {}


@pytest.mark.parametrize("content", [b"", b"\x80\x04cos\nsystem\n", b"{}"])
def test_no_foreign_file_is_published(library: Library, tmp_path: Path, content: bytes) -> None:
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(content)
    with pytest.raises(ModelUnreadable):
        publishing.publish(library, NAME, wrong)
    assert library.versions is not None
    assert library.versions.of(NAME) == []


def test_a_newer_format_is_not_published(
    library: Library, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(0.1)
    monkeypatch.setattr("sweepnet_service.store.entries.FORMAT_VERSION", 0)
    with pytest.raises(ModelUnreadable, match="Install a newer sweepnet"):
        publishing.publish(library, NAME, path)


def test_a_file_of_the_name_becomes_the_first_version(tiny_models: Path, tmp_path: Path) -> None:
    """A folder of model files goes on as it is until a name gets its second model."""
    folder = tmp_path / "models"
    shutil.copytree(tiny_models, folder)
    library = Library(folder)
    original = (folder / "tiny.safetensors").read_bytes()
    assert library.entry(NAME).version is None

    second = publishing.publish(library, NAME, tiny_models / "tiny.safetensors")
    library.refresh()

    assert second.number == 2
    first = library.entry(NAME).version
    assert first is not None
    assert first.number == 1
    assert first.model.read_bytes() == original
    assert first.lineage.data_set == "taken over: tiny.safetensors"
    assert not (folder / "tiny.safetensors").exists()
    assert (folder / "blobs.safetensors").exists()


def test_a_shipped_model_becomes_the_first_version(library: Library) -> None:
    """It stays where it was as well, and is there again when all versions are deleted."""
    shipped = library.entry("detectors/welcome")
    second = publishing.publish(library, "detectors/welcome", shipped.path)
    publishing.promote(library, second.name)
    publishing.roll_back(library, "detectors/welcome")
    version = library.entry("detectors/welcome").version
    assert version is not None
    assert version.number == 1
    publishing.delete(library, "detectors/welcome")
    assert library.entry("detectors/welcome") == shipped
    with pytest.raises(FailedPrecondition, match="came with sweepnet; it cannot be deleted"):
        publishing.delete(library, "detectors/welcome")


def test_a_file_beside_versions_is_passed_over_and_told_of(library: Library, made: Made) -> None:
    publishing.promote(library, publishing.publish(library, NAME, made(0.1)).name)
    assert library.folder is not None
    shutil.copy(made(0.7), library.folder / "tiny.safetensors")
    told: list[str] = []
    server = Library(library.folder, warn=lambda name, reason: told.append(reason))
    server.refresh()
    assert threshold(server) == 0.1
    assert [reason for reason in told if "is passed over" in reason] == told
    assert len(told) == 1


def test_deleting_a_detector_deletes_its_file(tiny_models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    shutil.copytree(tiny_models, folder)
    library = Library(folder)
    publishing.delete(library, "detectors/blobs")
    assert not (folder / "blobs.safetensors").exists()
    assert "detectors/blobs" not in library.entries


def test_an_objection_holds_a_promotion_back(library: Library, made: Made) -> None:
    """Unless it is forced; the first version meets none."""
    names = [publishing.publish(library, NAME, made(value)).name for value in (0.1, 0.2)]

    def objection(candidate: str, baseline: str) -> str:
        assert (candidate, baseline) == (names[1], names[0])
        return "miss_rate of one: 0.4 against 0.1"

    publishing.promote(library, names[0], objection=objection)
    with pytest.raises(FailedPrecondition, match=r"worse than .*versions/1, which is live: miss"):
        publishing.promote(library, names[1], objection=objection)
    assert threshold(library) == 0.1
    publishing.promote(library, names[1], force=True, objection=objection)
    assert threshold(library) == 0.2


def test_wrong_names_are_told_of(library: Library, made: Made) -> None:
    version = publishing.publish(library, NAME, made(0.1))
    with pytest.raises(InvalidInput, match=r"expected a version such as 'detectors/tiny/versions/"):
        publishing.promote(library, NAME)
    with pytest.raises(NotFound, match=r"no model named detectors/tiny/versions/7; versions: 1"):
        publishing.promote(library, f"{NAME}/versions/7")
    publishing.promote(library, version.name)
    with pytest.raises(NotFound, match=r"has no alias 'staging'; there are: live"):
        library.load(f"{NAME}@staging")
    with pytest.raises(FailedPrecondition, match="start it with --models DIR"):
        publishing.promote(Library(None), version.name)
