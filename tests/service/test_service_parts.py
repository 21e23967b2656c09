"""Settings, sample formats, the library of models: the parts that a server is made of."""

from __future__ import annotations

import asyncio
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from cnn_core.layers import Conv1d
from sweepnet_service.detectors.image import ImageDetector
from sweepnet_service.engine import Engine
from sweepnet_service.errors import FailedPrecondition, InvalidInput, ModelUnreadable, NotFound
from sweepnet_service.pcm import decode
from sweepnet_service.server import convert_models
from sweepnet_service.server.app import warm_up
from sweepnet_service.server.settings import Settings, load_settings
from sweepnet_service.store import Library


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"SWEEPNET_{name.upper()}", raising=False)


def test_flags_count_before_variables_before_the_file_before_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "sweepnet.toml"
    file.write_text('host = "::1"\nport = 1\ngrace_s = 3\n')
    monkeypatch.setenv("SWEEPNET_PORT", "2")
    monkeypatch.setenv("SWEEPNET_GRACE_S", "4")

    settings = load_settings({"config": file, "grace_s": 5.0})

    assert (settings.host, settings.port, settings.grace_s) == ("::1", 2, 5.0)
    assert settings.idle_timeout_s == 60.0


def test_the_file_may_be_named_by_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "sweepnet.toml"
    file.write_text("port = 7\n")
    monkeypatch.setenv("SWEEPNET_CONFIG", str(file))
    assert load_settings({}).port == 7


def test_training_roots_are_a_path_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEPNET_TRAINING_ROOTS", "/a:/b")
    assert load_settings({}).training_roots == (Path("/a"), Path("/b"))


def test_a_wrong_setting_is_named_with_its_flag_and_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEPNET_PORT", "many")
    with pytest.raises(InvalidInput, match=r"port: got 'many'.*--port, variable SWEEPNET_PORT"):
        load_settings({})
    monkeypatch.delenv("SWEEPNET_PORT")
    file = tmp_path / "wrong.toml"
    file.write_text("prot = 7\n")
    with pytest.raises(InvalidInput, match="prot: no such setting"):
        load_settings({"config": file})
    file.write_text("port = \n")
    with pytest.raises(InvalidInput, match=r"wrong\.toml"):
        load_settings({"config": file})
    with pytest.raises(InvalidInput, match="config: no file named"):
        load_settings({"config": tmp_path / "missing.toml"})


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"max_message_bytes": 1 << 31}, "got 2147483648; expected less than 2147483648 (flag"),
        ({"max_message_bytes": 1023}, "got 1023; expected at least 1024 (flag"),
        ({"port": 65536}, "got 65536; expected at most 65535"),
        ({"max_spot_s": 0}, "got 0; expected more than 0"),
        ({"port": 1.5}, "got 1.5; expected a whole number"),
        ({"max_spot_s": "long"}, "got 'long'; expected a number"),
        ({"allow_plain_text": "perhaps"}, "got 'perhaps'; expected true or false"),
        ({"host": 3}, "got 3; expected text"),
        ({"tokens": 3}, "got 3; expected a path"),
        ({"training_roots": 3}, "got 3; expected paths"),
        ({"log_level": "loud"}, "got 'loud'; expected 'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_a_wrong_value_is_told_with_what_was_expected(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_settings(wrong)
    assert told in str(caught.value)


@given(st.lists(st.integers(-32768, 32767), max_size=50))
def test_linear16_is_exact(samples: list[int]) -> None:
    decoded = decode("LINEAR16", np.array(samples, "<i2").tobytes(), 1)
    assert decoded.shape == (len(samples), 1)
    np.testing.assert_array_equal(decoded[:, 0] * 32768, samples)


@given(st.integers(1, 5), st.integers(0, 20))
def test_channels_are_interleaved(channels: int, frames: int) -> None:
    values = np.arange(frames * channels, dtype="<f4")
    decoded = decode("FLOAT32", values.tobytes(), channels)
    np.testing.assert_array_equal(decoded, values.reshape(frames, channels))


def test_g711_codes_are_those_of_the_recommendation() -> None:
    """ITU-T G.711, tables 1a and 2a, in steps of 1/32768 of full scale."""
    codes = bytes([0x00, 0x80, 0x7F, 0xFF, 0x8F])
    mulaw = decode("MULAW", codes, 1)[:, 0] * 32768
    assert mulaw.tolist() == [-32124, 32124, 0, 0, 16764]
    alaw = decode("ALAW", bytes([0xD5, 0x55, 0xAA, 0x2A]), 1)[:, 0] * 32768
    assert alaw.tolist() == [8, -8, 32256, -32256]


@given(st.sampled_from(["MULAW", "ALAW"]))
def test_g711_is_odd_and_covers_the_range(encoding: str) -> None:
    """Every code has its opposite."""
    values = sorted(decode(encoding, bytes(range(256)), 1)[:, 0].tolist())  # type: ignore[arg-type]
    assert values == [-value for value in reversed(values)]
    assert 0.97 < values[-1] < 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e9])
def test_samples_that_are_none_are_refused(value: float) -> None:
    with pytest.raises(InvalidInput, match="sample 1 of the chunk is"):
        decode("FLOAT32", np.array([0, value], "<f4").tobytes(), 1)


def test_a_library_holds_what_is_in_its_folders(tiny_models: Path, tmp_path: Path) -> None:
    library = Library(tmp_path, shipped=tiny_models)
    assert set(library.of_kind("keyword")) == {"detectors/tiny"}
    assert library.load("detectors/tiny") is library.load("detectors/tiny")


def test_a_folder_of_ones_own_takes_the_place_of_shipped_models(
    tiny_models: Path, tmp_path: Path
) -> None:
    shutil.copy(tiny_models / "blobs.safetensors", tmp_path / "tiny.safetensors")
    library = Library(tmp_path, shipped=tiny_models)
    assert library.entry("detectors/tiny").kind == "image"


def test_a_refresh_brings_new_files_and_drops_old_ones(tiny_models: Path, tmp_path: Path) -> None:
    place = tmp_path / "new.safetensors"
    library = Library(tmp_path, shipped=tiny_models)
    with pytest.raises(NotFound, match=r"'detectors/new'; there are: .*detectors/tiny"):
        library.load("detectors/new")
    shutil.copy(tiny_models / "tiny.safetensors", place)
    library.refresh()
    first = library.load("detectors/new")
    shutil.copy(tiny_models / "tiny.safetensors", tmp_path / "other.safetensors")
    (tmp_path / "other.safetensors").replace(place)
    library.refresh()
    assert library.load("detectors/new") is not first
    place.unlink()
    library.refresh()
    with pytest.raises(NotFound):
        library.load("detectors/new")


@pytest.mark.parametrize("content", [b"", b"text", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_damaged_file_spoils_itself_only(
    tiny_models: Path, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "bad.safetensors").write_bytes(content)
    library = Library(tmp_path, shipped=tiny_models)
    with pytest.raises(ModelUnreadable, match="detectors/bad: not a readable model file"):
        library.load("detectors/bad")
    assert library.load("detectors/tiny") is not None


def test_a_cut_file_is_told_of(tiny_models: Path, tmp_path: Path) -> None:
    whole = (tiny_models / "tiny.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:-100])
    with pytest.raises(ModelUnreadable):
        Library(tmp_path).load("detectors/cut")


def test_files_with_other_names_are_left_alone(tiny_models: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_models / "tiny.safetensors", tmp_path / "No Name.safetensors")
    assert "detectors/No Name" not in Library(tmp_path).entries


def written(path: Path, description: str, version: str = "1") -> None:
    """A model file with a header of one's own."""
    metadata = {"description": description, "format_version": version, "architecture": "{}"}
    save_file({"x": np.zeros(1, np.float32)}, path, metadata)


DEEP = "[" * 100_000 + "]" * 100_000
HARMFUL = {
    "nested deeply": (DEEP, "1", "not a readable model file"),
    "nested deeply inside": (
        '{"kind": "keyword", "labels": ' + DEEP + "}",
        "1",
        "not a readable model file",
    ),
    "far in the future": ('{"kind": "keyword"}', "99999999999", "Install a newer sweepnet"),
    "a little newer": ('{"kind": "image"}', "2", "got format_version 2; this sweepnet reads 1"),
    "before all": ('{"kind": "image"}', "0", "got format_version 0"),
    "without a network": ('{"kind": "keyword"}', "1", "is not a readable keyword model"),
    "a list": ('["keyword"]', "1", "not a readable model file"),
}


@pytest.mark.parametrize("case", HARMFUL)
def test_a_harmful_header_spoils_its_own_name_only(
    tiny_models: Path, tmp_path: Path, case: str
) -> None:
    """It can be listed and says why; all detectors are those that can be read."""
    description, version, words = HARMFUL[case]
    written(tmp_path / "bad.safetensors", description, version)
    engine = Engine(Library(tmp_path, shipped=tiny_models), workers=1)

    with pytest.raises(ModelUnreadable, match=words):
        engine.library.load("detectors/bad")
    told = convert_models.model(engine.library, "detectors/bad")
    assert re.search(words, told.error)
    assert [name for name, _ in engine.keyword_detectors(())] == ["detectors/tiny"]
    assert [name for name, _ in engine.image_detectors(())] == ["detectors/blobs"]
    asyncio.run(warm_up(engine))
    engine.close()


def test_a_detector_that_cannot_be_read_fails_where_it_is_named(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its loading raises; it is read once, and told of in the log once."""
    tries: list[Path] = []

    def fail(path: Path) -> None:
        tries.append(path)
        raise AttributeError("odd")

    monkeypatch.setattr(ImageDetector, "load", fail)
    warnings: list[str] = []
    library = Library(tiny_models, shipped=tmp_path, warn=lambda name, _: warnings.append(name))
    engine = Engine(library, workers=1)
    for _ in range(2):
        with pytest.raises(ModelUnreadable, match=r"AttributeError: odd"):
            engine.image_detectors(["detectors/blobs"])
    with pytest.raises(FailedPrecondition, match="can read no image detector"):
        engine.image_detectors(())
    assert len(tries) == 1
    assert warnings == ["detectors/blobs"]
    engine.close()


def test_a_network_that_takes_no_picture_is_told_of(tiny_models: Path, tmp_path: Path) -> None:
    """One for signals in a model of kind image: the model says so, and no network is shown."""
    good = ImageDetector.load(tiny_models / "blobs.safetensors")
    for_signals = Conv1d.create(np.random.default_rng(0), 3, 5, 3)
    replace(good, net=for_signals).save(tmp_path / "odd.safetensors")

    told = convert_models.whole_model(Library(tmp_path), "detectors/odd")

    assert not told.HasField("network")
    assert "its network takes no input of shape (1, 32, 32, 3): Conv1d" in told.model.error
