"""Phone trunks as model files: trained by one command, heard as a stream, words made of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cnn_core.arrays import Array
from cnn_core.layers import BatchNorm, Conv1d, Relu, Sequential
from cnn_core.tree import leaves
from sweepnet_service.commands.train import app
from sweepnet_service.detectors.keyword import KeywordDetector, SpotSession
from sweepnet_service.detectors.keyword.assembly import taken_apart
from sweepnet_service.detectors.keyword.dataset import Recording
from sweepnet_service.detectors.keyword.detector import PHONE_KIND
from sweepnet_service.detectors.keyword.evaluate import streamed
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.detectors.keyword.phones import PHONES
from sweepnet_service.detectors.keyword.trunk import TrunkSettings
from sweepnet_service.detectors.keyword.trunk_source import taken_trunk
from sweepnet_service.detectors.keyword.trunks import reading
from sweepnet_service.detectors.keyword.trunks.config import TrunkConfig
from sweepnet_service.detectors.keyword.trunks.detector import phone_detector
from sweepnet_service.detectors.keyword.trunks.measure import PhoneErrors, multiply_adds
from sweepnet_service.detectors.keyword.trunks.speech import read_speech
from sweepnet_service.detectors.keyword.trunks.train import train
from sweepnet_service.engine import Engine
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Progress, ignored
from sweepnet_service.store import Library

TEXTS = ("good day", "yes please", "no more tea", "come in now")


def small_net(seed: int = 1) -> Sequential:
    rng = np.random.default_rng(seed)
    weights = Conv1d.create(rng, 40, 8, kernel=5, stride=3, bias=False)
    output = Conv1d.create(rng, 8, 1 + len(PHONES), kernel=1)
    return Sequential((weights, BatchNorm.create(8), Relu(), output))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "small.safetensors"
    phone_detector(small_net(), LogMel()).save(path)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noises with texts, a reader each, in three splits."""
    folder = tmp_path_factory.mktemp("read")
    rng = np.random.default_rng(2)
    rows = ["file,text,split,speaker,corpus"]
    for number in range(8):
        name = f"{number}.wav"
        soundfile.write(folder / name, 0.1 * rng.standard_normal(16_000 + 800 * number), 16_000)
        split = ("train", "train", "validation", "test")[number % 4]
        rows.append(f"{name},{TEXTS[number % 4]},{split},reader{number},tales")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return folder


def config(data: Path, small: Path, where: Path, epochs: int = 2) -> TrunkConfig:
    return TrunkConfig(
        data=data,
        out=where / "english.safetensors",
        work_dir=where / "work",
        start_from=small,
        trunk_copies=2,
        settings=TrunkSettings(epochs=epochs, batch_frames=400),
    )


@given(cuts=st.lists(st.integers(0, 48_000), max_size=6))
@settings(max_examples=15, deadline=None)
def test_a_stream_of_phones_is_the_whole(murmur: Array, cuts: list[int]) -> None:
    detector = phone_detector(small_net(), LogMel())
    session = SpotSession(detector, 16_000)
    updates = [session.push(part) for part in np.split(murmur, sorted(cuts))]
    updates.append(session.finish())
    scores = np.array([w.scores for update in updates for w in update.windows], np.float32)
    assert np.allclose(scores, streamed(detector, murmur), atol=1e-5)
    assert scores.shape[1] == len(PHONES)
    assert np.all(scores.sum(axis=1) < 1 + 1e-5)


def test_a_trunk_file_gives_back_its_network(small: Path) -> None:
    loaded = KeywordDetector.load(small)
    assert (loaded.kind, loaded.labels) == (PHONE_KIND, PHONES)
    trunk, output = taken_trunk(small)
    for (_, kept), (_, first) in zip(
        leaves(Sequential((*trunk.layers, output))), leaves(small_net()), strict=True
    ):
        assert np.array_equal(kept, first)
    assert taken_apart(loaded.net) is not None


def test_phones_are_told_only_where_they_are_asked_for(
    small: Path, detector: KeywordDetector, tmp_path: Path
) -> None:
    detector.save(tmp_path / "word.safetensors")
    (tmp_path / "english.safetensors").write_bytes(small.read_bytes())
    engine = Engine(Library(tmp_path, shipped=tmp_path), 1)
    assert [name for name, _ in engine.keyword_detectors(())] == ["detectors/word"]
    ((_, phones),) = engine.keyword_detectors(("detectors/english",))
    assert phones.kind == PHONE_KIND
    with pytest.raises(InvalidInput, match="finds another kind"):
        engine.image_detectors(("detectors/english",))
    engine.close()


def test_a_phone_that_is_sure_is_an_event() -> None:
    net = small_net()
    output = net.layers[-1]
    assert isinstance(output, Conv1d)
    sure = replace(output, bias=np.eye(1 + len(PHONES), dtype=np.float32)[5] * 50)
    detector = phone_detector(Sequential((*net.layers[:-1], sure)), LogMel())
    session = SpotSession(detector, 16_000)
    updates = (session.push(np.zeros(8_000, np.float32)), session.finish())
    events = [event for update in updates for event in update.events]
    assert {event.label for event in events} == {PHONES[4]}
    assert min(event.score for event in events) > 0.99
    assert max(event.end - event.start for event in events) <= 0.08 * 16_000 + 1


@pytest.mark.needs_program("flite")
def test_one_command_trains_a_trunk_that_resumes_and_goes_on(
    data: Path, small: Path, tmp_path: Path
) -> None:
    out = train(config(data, small, tmp_path), ignored)
    made, text = KeywordDetector.load(out), out.with_suffix(".md").read_text()
    assert made.card["phone_errors"]["tales, test"]["sentences"] == 2
    assert made.card["data"]["train"] == {"tales": 4}
    assert "# english: phone trunk" in text
    assert "| tales, validation | 2 |" in text
    assert "million multiply-adds for a second" in text
    whole = (tmp_path / "work" / "trunk.safetensors").read_bytes()
    again = config(data, small, tmp_path / "again")
    with pytest.raises(KeyboardInterrupt):
        train(again, stopping_at("trunk", 1))
    train(again, ignored)
    assert (again.work_dir / "trunk.safetensors").read_bytes() == whole
    longer = train(config(data, small, tmp_path, epochs=3), ignored)
    assert KeywordDetector.load(longer).card["settings"]["epochs"] == 3
    with pytest.raises(InvalidInput, match=r"epochs: got 1; .* holds a training of 3"):
        train(config(data, small, tmp_path, epochs=1), ignored)
    with pytest.raises(InvalidInput, match="belongs to other settings"):
        train(replace(config(data, small, tmp_path), trunk_copies=1), ignored)


def stopping_at(stage: str, done: int) -> Callable[[Progress], None]:
    """A report that stands for Ctrl-C."""

    def report(progress: Progress) -> None:
        if (progress.stage, progress.done) == (stage, done):
            raise KeyboardInterrupt

    return report


@pytest.mark.needs_program("flite")
@pytest.mark.needs_program("espeak-ng")
def test_programs_speak_the_texts_besides(data: Path, small: Path, tmp_path: Path) -> None:
    spoken = replace(config(data, small, tmp_path, epochs=1), synthesize=3)
    made = KeywordDetector.load(train(spoken, ignored))
    index = np.load(spoken.work_dir / "speech-0" / "index.npz")
    assert len(index["starts"]) - 1 == 4 + 3
    assert made.card["data"]["synthetic_sentences"] == 3


def test_what_cannot_be_learnt_from_is_told(data: Path, small: Path, tmp_path: Path) -> None:
    silent = tmp_path / "silent"
    silent.mkdir()
    (silent / "manifest.csv").write_text("file,label\n0.wav,negative\n")
    soundfile.write(silent / "0.wav", np.zeros(16_000), 16_000)
    with pytest.raises(InvalidInput, match="no recording to train on whose text is known"):
        read_speech(silent)
    usual = config(data, small, tmp_path)
    with pytest.raises(InvalidInput, match="features: got 'mfcc'; expected log-mel or pcen"):
        train(replace(usual, features="mfcc"), ignored)
    with pytest.raises(InvalidInput, match="was not trained on; leave it out"):
        train(replace(usual, features="pcen"), ignored)
    with pytest.raises(InvalidInput, match="trunk_copies"):
        train(replace(usual, trunk_copies=0), ignored)
    done = CliRunner().invoke(app, ["trunk", str(silent), "--out", str(tmp_path / "t.safetensors")])
    assert done.exit_code == 1
    assert "sweepnet train trunk: data" in done.stderr


def test_errors_add_up_and_cost_follows_from_geometry(small: Path) -> None:
    both = PhoneErrors(1, 10, 2) + PhoneErrors(2, 30, 2)
    assert both == PhoneErrors(3, 40, 4)
    assert both.percent == pytest.approx(10.0)
    assert PhoneErrors().percent == 0.0
    net = small_net()
    expected = 100 / 3 * (5 * 40 * 8 + 8 * 40)
    assert multiply_adds(KeywordDetector.load(small), net) == pytest.approx(expected, rel=0.01)


def test_a_data_set_that_changed_has_no_kept_copies(
    data: Path, small: Path, tmp_path: Path
) -> None:
    """The copies kept of the recordings of before were learnt with the texts of those of now."""
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    usual = config(folder, small, tmp_path, epochs=1)
    train(usual, ignored)
    table = folder / "manifest.csv"
    table.write_text(table.read_text().replace("good day", "bad night", 1))

    with pytest.raises(InvalidInput, match=r"work_dir: .* other settings \(recordings is"):
        train(usual, ignored)


def test_a_folder_without_texts_is_told_what_a_trunk_needs(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(8_000), 16_000)

    with pytest.raises(InvalidInput, match=r"no manifest\.csv.*columns `file` and `text`"):
        read_speech(tmp_path)


def test_speech_without_words_has_no_reading(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation sentences of which no word is long enough: the fit of nothing crashed."""
    monkeypatch.setattr(reading, "FEWEST_SENTENCES", 1)
    monkeypatch.setattr(reading, "read_samples", lambda rows: [(r, np.zeros(16_000)) for r in rows])
    row = Recording(Path("a.wav"), 0.0, 1.0, "validation", "", "own", "", "oh")

    assert reading.fitted_reading(small_net(), LogMel(), [row], ignored) is None
