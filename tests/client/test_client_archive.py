"""Archives: each file exactly once, whatever happens to the run."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sweepnet import Area, Client, FailedPrecondition, InvalidInput, tables
from sweepnet.batch import Progress, found, score_archive
from sweepnet.batch.journal import Journal
from sweepnet.cli.meter import clock, described
from sweepnet.errors import ServerUnavailable

RATE_HZ = 16_000
Done = subprocess.CompletedProcess[str]
Sweepnet = Callable[..., Done]


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server) as opened:
        yield opened


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, noise: Any) -> Path:
    """Recordings and pictures, a bad one of each, and what is neither."""
    place = tmp_path_factory.mktemp("calls")
    (place / "inner").mkdir()
    for number in range(4):
        soundfile.write(place / f"{number}.wav", noise[: 12_000 * (number + 1), 0], RATE_HZ)
    soundfile.write(place / "inner" / "two.flac", noise, RATE_HZ)
    Image.linear_gradient("L").resize((90, 70)).save(place / "inner" / "grey.PNG")
    (place / "text.wav").write_text("this is no sound")
    (place / "text.png").write_text("this is no picture")
    (place / "notes.txt").write_text("nothing to score")
    return place


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_archive_is_scored_in_order_and_bad_files_are_told_of(
    client: Client, folder: Path, tmp_path: Path
) -> None:
    sources, out, told = found([folder]), tmp_path / "new" / "out.jsonl", list[Progress]()

    report = score_archive(client, sources, out, progress=told.append)

    results = lines(out)
    assert [each["source"] for each in results] == sources
    assert len(sources) == 8
    assert report.scored == 6
    assert {Path(each.source).name for each in report.failures} == {"text.wav", "text.png"}
    assert {e["source"]: e["error"] for e in results if "error" in e} == {
        each.source: each.error for each in report.failures
    }
    for each in results:
        if "duration_s" in each:
            assert each["scores"] == dict(client.spot(each["source"]).scores)
    assert [each.done for each in told] == list(range(9))
    assert told[-1].seconds_left == 0
    assert told[-1].failed == 2
    assert told[-1].audio_s == sum(each.get("duration_s", 0) for each in results)


def test_a_second_run_scores_only_what_is_new_or_failed(
    client: Client, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources, out = found([folder / "*.wav"]), tmp_path / "out.jsonl"
    first = score_archive(client, sources[:3], out)
    asked: list[Any] = []
    spot = Client.spot
    monkeypatch.setattr(
        Client, "spot", lambda self, source, **o: (asked.append(source), spot(self, source, **o))[1]
    )

    second = score_archive(client, sources, out)
    third = score_archive(client, sources, out, kind=None)

    assert (first.scored, first.scored_before) == (3, 0)
    assert (second.scored, second.scored_before, len(second.failures)) == (1, 3, 1)
    assert (third.scored, third.scored_before, len(third.failures)) == (0, 4, 1)
    failing = str(folder / "text.wav")
    assert sorted(asked) == sorted([*sources[3:], failing])
    assert [each["source"] for each in lines(out)] == sources
    score_archive(client, sources, out, fresh=True)
    assert len(asked) == 3 + len(sources)


def test_other_settings_or_models_are_not_mixed_into_a_journal(
    client: Client, folder: Path, tmp_path: Path
) -> None:
    sources, out = found([folder / "0.wav"]), tmp_path / "out.csv"
    score_archive(client, sources, out, spot={"detectors": ("tiny",)})

    score_archive(client, sources, out, spot={"detectors": ["tiny"], "timeout_s": 9})
    with pytest.raises(FailedPrecondition, match=r"begun with another options of recordings"):
        score_archive(client, sources, out, spot={"detectors": ["tiny"], "thresholds": {"one": 1}})
    journal = out.with_name("out.csv.journal")
    journal.write_text(journal.read_text().replace("0.6", "0.7"))
    with pytest.raises(FailedPrecondition, match=r"begun with another models"):
        score_archive(client, sources, out, spot={"detectors": ["tiny"]})
    region = {"region": Area(0, 0, 9, 9)}
    score_archive(client, sources, tmp_path / "other.csv", detect=region)
    score_archive(client, sources, tmp_path / "other.csv", detect=region)


def test_rows_are_the_same_in_every_kind_of_file(
    client: Client, folder: Path, tmp_path: Path
) -> None:
    sources = found([folder])
    results = list(client.score_many(sources))
    for rows in ("labels", "finds"):
        expected = tables.arrow(results, rows)
        names = [tmp_path / f"{rows}.csv", tmp_path / f"{rows}.parquet"]
        for out in names:
            score_archive(client, sources, out, rows=rows)
        assert pyarrow.parquet.read_table(names[1]) == expected
        with names[0].open(newline="") as file:
            read = list(csv.DictReader(file))
        flat = [
            {name: "" if value is None else str(value) for name, value in row.items()}
            for row in expected.to_pylist()
        ]
        assert read == flat
        frame = tables.pandas(results, rows)
        assert list(frame.columns) == expected.column_names
        assert len(frame) == len(expected)
    heard = [r for r in results if r.source.endswith("two.flac")]
    assert tables.arrow(heard, "labels").column("count").to_pylist() == [
        sum(e.label == label for e in heard[0].result.events) for label in heard[0].result.scores
    ]


def test_windows_become_a_table(client: Client, folder: Path) -> None:
    heard = client.spot(folder / "1.wav", detectors=["tiny"], replies="windows")
    table = tables.arrow(heard, "windows").to_pylist()

    windows = [(u.channel, w) for u in heard.updates for w in u.windows]
    assert len(table) == 2 * len(windows)
    assert table[2]["start_s"] == windows[1][1].start_s
    assert {row["label"]: row["score"] for row in table[:2]} == dict(windows[0][1].scores)
    with pytest.raises(InvalidInput, match="expected one of labels, finds, windows"):
        tables.pandas(heard, "column")  # type: ignore[arg-type]


def test_names_of_any_bytes_get_through(client: Client, folder: Path, tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(str(tmp_path / "gr")) + b"\xfc\xdfe.wav")
    Path(name).write_bytes((folder / "0.wav").read_bytes())
    for suffix in ("jsonl", "csv", "parquet"):
        report = score_archive(client, found([tmp_path], "audio"), tmp_path / f"out.{suffix}")
        assert (report.scored, report.failures) == (1, ())
    assert lines(tmp_path / "out.jsonl")[0]["source"] == name


@pytest.mark.parametrize("repeat", range(2))
def test_a_killed_run_goes_on_and_scores_each_file_once(
    server: str, folder: Path, tmp_path: Path, repeat: int
) -> None:
    """kill -9 in the middle; the journal has no file twice, the results every file once."""
    names = [tmp_path / f"{number:03}.wav" for number in range(60)]
    for name in names:
        os.link(folder / "3.wav", name)
    out = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "sweepnet", "batch", str(tmp_path / "*.wav"), "-j", "2"]
    command += ["--out", str(out), "--server", server, "-d", "tiny"]
    run = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    journal = tmp_path / "out.jsonl.journal"
    deadline_s = time.monotonic() + 30
    while not journal.exists() or journal.read_bytes().count(b"\n") < 5 + 10 * repeat:
        assert time.monotonic() < deadline_s
        time.sleep(0.002)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not out.exists()
    kept = journal.read_bytes().count(b"\n") - 1
    assert 0 < kept < 60

    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert f"{60 - kept} scored, {kept} before, 0 failed" in done.stdout
    assert [each["source"] for each in lines(out)] == [str(name) for name in names]
    assert sorted(each["source"] for each in lines(journal)[1:]) == [str(n) for n in names]
    scores = [each["scores"] for each in lines(out)]
    assert all(each == scores[0] for each in scores)


@given(cut=st.integers(0, 400), seed=st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_a_journal_cut_anywhere_keeps_every_whole_line(
    tmp_path_factory: pytest.TempPathFactory, cut: int, seed: int
) -> None:
    """Law: what was kept before the cut is known, what was not is not, and one can go on."""
    path = tmp_path_factory.mktemp("journal") / "journal"
    head = {"kind": None}
    records = [{"source": f"é{n}", "scores": {"a": n + seed / 7}} for n in range(8)]
    with Journal(path, head) as journal:
        for record in records:
            journal.add(record)
    data = path.read_bytes()
    path.write_bytes(data[:cut])
    whole = max(0, data[:cut].count(b"\n") - 1)

    with Journal(path, head) as journal:
        sources = [record["source"] for record in records]
        assert [journal.done(s) for s in sources] == [n < whole for n in range(8)]
        for record in records[whole:]:
            journal.add(record)
        assert list(journal.records(iter(sources))) == records
    assert path.read_bytes() == data


def test_a_journal_is_written_by_one_run_at_a_time(tmp_path: Path) -> None:
    for fresh in (False, True):
        with (
            Journal(tmp_path / "j", {}),
            pytest.raises(FailedPrecondition, match="another run is writing"),
        ):
            Journal(tmp_path / "j", {}, fresh)
    (tmp_path / "other").write_text("no journal\n")
    with pytest.raises(InvalidInput, match=r"line 1 is no line of a journal"):
        Journal(tmp_path / "other", {})


def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    """Although its only line has no end, as that of a journal cut short."""
    (tmp_path / "letter").write_text("dear journal")
    with pytest.raises(InvalidInput, match=r"line 1 is no line of a journal"):
        Journal(tmp_path / "letter", {})
    assert (tmp_path / "letter").read_text() == "dear journal"


def test_a_file_that_breaks_off_is_told_of_and_the_others_go_on(
    client: Client, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be opened: the disk fails later, or the network that it lies on."""
    spot = Client.spot

    def failing(self: Client, source: Any, **options: Any) -> Any:
        if str(source).endswith("1.wav"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return spot(self, source, **options)

    monkeypatch.setattr(Client, "spot", failing)
    report = score_archive(client, found([folder / "[0-3].wav"]), tmp_path / "o.jsonl")
    assert report.scored == 3
    assert [each.error for each in report.failures] == [
        f"{folder / '1.wav'} cannot be read: Input/output error"
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_stops_the_run_and_loses_nothing(
    sweepnet: Sweepnet,
    server: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, append, places = tmp_path / "o.jsonl", Journal._append, list[int]()

    def full(self: Journal, content: Any) -> int:
        if len(places) == 3:
            with open("/dev/full", "wb") as device:
                os.dup2(device.fileno(), self._file.fileno())
        places.append(append(self, content))
        return places[-1]

    files = [folder, "--server", server, "--out", out]
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_append", full)
        done = sweepnet("batch", *files)
    assert done.returncode == 3, done.stderr
    assert f"{out}.journal: No space left on device; nothing that was scored is lost" in done.stderr
    assert not out.exists()

    assert len(lines(tmp_path / "o.jsonl.journal")) == 3
    done = sweepnet("batch", *files)
    assert ", 2 failed" in done.stdout
    assert len({each["source"] for each in lines(out)}) == len(lines(out)) == 8


def test_results_of_two_versions_are_not_mixed(
    client: Client, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one network they have one size and one threshold."""
    models, sources = Client.models, found([folder / "0.wav"])
    score_archive(client, sources, tmp_path / "o.csv")
    monkeypatch.setattr(
        Client,
        "models",
        lambda self: [replace(m, version=f"{m.name}/versions/2") for m in models(self)],
    )
    with pytest.raises(FailedPrecondition, match=r"begun with another models"):
        score_archive(client, sources, tmp_path / "o.csv")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--out", "{t}/o.csv"], 2, "nothing to score"),
        (["{f}/0.wav"], 2, "Missing option '--out'"),
        (["{f}/0.wav", "--out", "{t}/o.xls"], 2, "expected a name that ends with .jsonl, .csv"),
        (["{f}/0.wav", "--out", "{t}/d.csv"], 2, "is a folder"),
        (["{f}/0.wav", "--out", "{t}/o.csv", "--rows", "cells"], 2, "expected one of labels"),
        (["{f}/0.wav", "--out", "{t}/o.csv", "--kind", "video"], 2, "expected audio or picture"),
        (["{f}/0.wav", "--out", "{t}/o.csv", "-t", "three=1"], 2, "no label named 'three'"),
        (["{f}/0.wav", "--out", "{t}/o.csv", "-d", "nope"], 2, "no model named"),
        (["{f}/*.mp3", "--out", "{t}/o.csv"], 2, "no file matches"),
        (["--list", "{t}/none", "--out", "{t}/o.csv"], 2, "no list of files named"),
        (["{f}/missing.wav", "--out", "{t}/o.csv"], 1, "no file named"),
    ],
)
def test_wrong_moves_get_one_clear_answer(
    sweepnet: Sweepnet,
    server: str,
    folder: Path,
    tmp_path: Path,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    (tmp_path / "d.csv").mkdir()
    given_ = (each.format(f=folder, t=tmp_path) for each in arguments)
    done = sweepnet("batch", *given_, "--server", server)

    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert len(done.stderr.splitlines()) <= 4


def test_where_no_server_is_nothing_has_failed(
    sweepnet: Sweepnet, folder: Path, tmp_path: Path
) -> None:
    """It ended with 1, as where results tell which files failed; none had been written."""
    out = tmp_path / "o.jsonl"
    done = sweepnet("batch", folder, "--out", out, "--server", "127.0.0.1:1")
    assert done.returncode == 3
    assert "no server at 127.0.0.1:1; start one" in done.stderr


def test_the_command_tells_what_failed_as_lines_or_json(
    sweepnet: Sweepnet, server: str, folder: Path, tmp_path: Path
) -> None:
    files = [folder, "--server", server, "--out", tmp_path / "o.csv"]
    done = sweepnet("batch", *files)
    assert done.returncode == 1
    assert done.stdout == f"{tmp_path / 'o.csv'}: 6 scored, 2 failed\n"
    assert "text.wav: " in done.stderr
    assert "8/8 files  2 failed" in done.stderr

    done = sweepnet("batch", *files, "--json")
    told = json.loads(done.stdout)
    assert (told["scored"], told["scored_before"]) == (0, 6)
    assert {Path(each["source"]).name for each in told["failed"]} == {"text.wav", "text.png"}

    only = sweepnet("batch", folder, "--server", server, "-d", "blobs", "--out", tmp_path / "b.csv")
    assert "1 scored, 1 failed" in only.stdout

    other = sweepnet("batch", *files, "-t", "one=0.9")
    assert other.returncode == 2  # 1 would say that there are results
    assert "or another --out, or --fresh" in other.stderr


def test_a_server_that_is_away_is_waited_for_then_the_run_stops(
    sweepnet: Sweepnet, folder: Path, tmp_path: Path, client: Client
) -> None:
    """Thousands of files must not fail because a server was restarted."""
    with Client("127.0.0.1:1") as nowhere:
        began_s = time.monotonic()
        with pytest.raises(ServerUnavailable):
            score_archive(nowhere, found([folder]), tmp_path / "o.csv", patience_s=0.4)
        assert 0.05 < time.monotonic() - began_s < 5


def test_progress_is_told_in_words() -> None:
    assert described(Progress(3, 9, 1, 7200, 65)) == "1:05 left  1 failed  2.00 h of audio"
    assert described(Progress(9, 9, 0, 0, 0)) == ""
    assert [clock(s) for s in (0.4, 59.6, 3_725)] == ["0:00", "1:00", "1:02:05"]
