"""The command line as a new user meets it: what is printed, and how wrong moves end."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
import typer
from PIL import Image

from sweepnet import (
    Model,
    OperatingPoint,
)
from sweepnet.cli import build, client_verbs, connection, output
from sweepnet.cli.ending import clear_ending
from sweepnet.cli.models import _times, figures

VERBS = ("demo", "detect", "evaluate", "export", "models", "serve", "spot", "train")
ENVIRONMENT = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", "TERM": "dumb"}


Done = subprocess.CompletedProcess[str]
Sweepnet = Callable[..., Done]


def process(*arguments: str | Path) -> Done:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-m", "sweepnet", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=ENVIRONMENT, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, noise: Any) -> Path:
    folder = tmp_path_factory.mktemp("commands")
    soundfile.write(folder / "noise.wav", noise, 16_000)
    Image.linear_gradient("L").resize((90, 70)).save(folder / "grey.png")
    (folder / "text.wav").write_text("this is no sound")
    (folder / "text.png").write_text("this is no picture")
    (folder / "empty.wav").touch()
    (folder / "empty.jpg").touch()
    (folder / "folder").mkdir()
    return folder


def lines(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_spot_prints_the_json_that_is_promised(
    sweepnet: Sweepnet, server: str, files: Path
) -> None:
    done = sweepnet("spot", files / "noise.wav", "--json", "--server", server, "-d", "tiny")

    assert done.returncode == 0, done.stderr
    (told,) = lines(done)
    assert list(told) == ["source", "duration_s", "scores", "events"]
    assert told["source"] == str(files / "noise.wav")
    assert told["duration_s"] == 3.0
    assert list(told["scores"]) == ["one", "two"]
    assert list(told["events"][0]) == ["label", "detector", "start_s", "end_s", "channel", "score"]


def test_one_threshold_holds_for_every_label_and_a_labels_own_goes_first(
    sweepnet: Sweepnet, server: str, files: Path
) -> None:
    """A number alone was refused, also where there is one word."""

    def found(verb: str, name: str, *options: str) -> Any:
        done = sweepnet(verb, files / name, "--json", "--server", server, *options)
        assert done.returncode == 0, done.stderr
        (told,) = lines(done)
        return told

    spot = ("spot", "noise.wav", "-d", "tiny")
    both = found(*spot, "-t", "one=0.3", "-t", "two=0.3")
    assert {event["label"] for event in both["events"]} == {"one", "two"}
    assert found(*spot, "-t", "0.3") == both
    mixed = found(*spot, "-t", "one=1", "-t", "0.3")
    assert mixed["events"] == [each for each in both["events"] if each["label"] == "two"]
    assert found("spot", "noise.wav", "-t", "1")["events"] == []
    assert found("detect", "grey.png", "-d", "blobs", "-t", "0")["boxes"]
    assert found("detect", "grey.png", "-t", "1")["boxes"] == []


@pytest.mark.parametrize("given", ["", "=0.5", "one=", "nan", "2", "-0.1", "one=1.5", "one"])
def test_thresholds_that_are_none_are_refused(given: str) -> None:
    with pytest.raises(typer.BadParameter, match="expected X or LABEL=X with X in"):
        connection.thresholds([given])


def test_detect_prints_the_json_that_is_promised(
    sweepnet: Sweepnet, server: str, files: Path
) -> None:
    done = sweepnet("detect", files / "grey.png", "--json", "--server", server, "-d", "blobs")

    assert done.returncode == 0, done.stderr
    (told,) = lines(done)
    assert list(told) == ["source", "width_px", "height_px", "scores", "boxes"]
    assert (told["width_px"], told["height_px"]) == (90, 70)
    box = told["boxes"][0]
    edges = ["x_min_px", "y_min_px", "x_max_px", "y_max_px"]
    assert list(box) == ["label", "detector", "score", *edges, "corners_px"]
    left, top, right, bottom = (box[edge] for edge in edges)
    assert box["corners_px"] == [[left, top], [right, top], [right, bottom], [left, bottom]]


@pytest.mark.parametrize(
    ("verb", "good", "bad"),
    [
        (
            "spot",
            "noise.wav",
            {
                "text.wav": "is not audio that can be read",
                "empty.wav": "is empty (0 bytes); expected WAV",
                "folder": "is a folder; name the files in it",
                "missing.wav": "no file named",
            },
        ),
        (
            "detect",
            "grey.png",
            {
                "text.png": "is no picture: it is 18 bytes of text",
                "empty.jpg": "is empty (0 bytes); expected a JPEG",
                "missing.jpg": "no file named",
            },
        ),
    ],
)
@pytest.mark.parametrize("form", ["--json", "table"])
def test_bad_files_are_told_of_and_the_others_go_on(
    sweepnet: Sweepnet,
    server: str,
    files: Path,
    verb: str,
    good: str,
    bad: dict[str, str],
    form: str,
) -> None:
    last = f"again.{good}"
    shutil.copy(files / good, files / last)
    names = [good, *bad, last]
    options = ["--server", server, *(["--json"] if form == "--json" else [])]

    done = sweepnet(verb, *(files / name for name in names), *options)

    assert done.returncode == 1
    if form == "--json":
        told = lines(done)
        assert [Path(each["source"]).name for each in told] == names
        assert all("error" not in each for each in (told[0], told[-1]))
        for each, words in zip(told[1:-1], bad.values(), strict=True):
            assert list(each) == ["source", "error"]
            assert words in each["error"]
    else:
        assert all(done.stdout.count(str(files / name)) == 1 for name in (good, last))
        for name, words in bad.items():
            assert re.search(f"{name}: .*{re.escape(words)}", done.stderr)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["spot", "{f}/noise.wav", "--server", "{s}", "-d", "nope"], 1, "no model named"),
        (["detect", "{f}/grey.png", "--server", "{s}", "-d", "nope"], 1, "no model named"),
        (["models", "show", "nope", "--server", "{s}"], 1, "no model named 'detectors/nope'"),
        (["spot", "{f}/noise.wav", "--server", "127.0.0.1:1"], 1, "no server at 127.0.0.1:1"),
        (["models", "--server", "127.0.0.1:1"], 1, "sweepnet serve"),
        (["models", "--server", "nowhere:port"], 1, "expected host:port"),
        (["models", "--server", "{s}", "--models", "{f}"], 1, "leave --server out"),
        (["models", "--models", "{f}/missing"], 1, "no folder named"),
        (["spot", "{f}/noise.wav", "--server", "{s}", "-t", "one"], 2, "expected X or LABEL=X"),
        (["spot", "--server", "{s}"], 2, "FILES"),
        (["spot", "{f}/noise.wav", "--lauder"], 2, "No such option"),
        (["sopt"], 2, "sopt"),
        (["serve", "--port", "{p}"], 2, "Address already in use"),
        (["serve", "--port", "70000"], 2, "--port, variable SWEEPNET_PORT"),
        (["serve", "--models", "{f}/missing", "--port", "0"], 2, "no folder named"),
        (["serve", "--config", "{f}/missing.toml"], 2, "no file named"),
        (["evaluate", "image", "--data", "{f}/missing", "-m", "{f}/x.safetensors"], 1, "no folder"),
        (["evaluate", "image", "--data", "{f}", "-m", "Nope"], 1, "evaluate image: model: got"),
        (["evaluate", "keyword", "--data", "{f}", "-m", "nope"], 1, "no model named"),
        (["evaluate", "keyword", "--data={f}", "--models={f}/missing"], 1, "no folder named"),
        (["serve", "--training-roots", "{f}/missing", "--port", "0"], 2, "no folder named"),
        (["serve", "--host", "nohost.invalid"], 2, "--allow-plain-text"),
        (["serve", "--host=nohost.invalid", "--allow-plain-text"], 2, "Choose another address"),
        (["train", "keyword", "--keyword=a", "--out=/proc/b.safetensors"], 1, "/proc"),
        (["train", "keyword", "--keyword=a", "--out", "{f}"], 1, "is a folder"),
        (["train", "keyword", "--keyword=a", "--out", "{f}/m", "--trunk=nope"], 1, "no model"),
        (["train", "video"], 2, "video"),
        (["train", "image", "--data", "{f}", "--out", "{f}/m.safetensors"], 1, "missing"),
    ],
)
def test_wrong_moves_get_one_clear_answer(
    sweepnet: Sweepnet, server: str, files: Path, arguments: list[str], code: int, words: str
) -> None:
    port = server.rpartition(":")[2]
    done = sweepnet(*(each.format(s=server, f=files, p=port) for each in arguments))

    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert done.stdout == ""


def test_tables_are_readable(sweepnet: Sweepnet, server: str, files: Path) -> None:
    spotted = sweepnet("spot", files / "noise.wav", "--server", server, "-d", "tiny").stdout
    seen = sweepnet("detect", files / "grey.png", "--server", server, "-d", "blobs").stdout
    listed = sweepnet("models", "--server", server).stdout

    columns = ["File", "Length", "Label", "Highest", "Threshold", "Found"]
    assert spotted.splitlines()[0].split() == columns
    assert re.search(r"3\.00 s +one +[01]\.\d{3} +0\.600 +\d", spotted)
    assert "90 x 70" in seen
    assert re.search(r"detectors/tiny +keyword +one +0.600 +misses 10.0%, 0.5 false", listed)


def test_the_table_tells_the_threshold_in_force(
    sweepnet: Sweepnet, server: str, files: Path
) -> None:
    """An option that moved it changed nothing that could be seen."""

    def thresholds(*options: str) -> list[tuple[str, str]]:
        told = sweepnet("spot", files / "noise.wav", "--server", server, "-d", "tiny", *options)
        return re.findall(r"3\.00 s +(one|two) +[01]\.\d{3} +(\S+)", told.stdout)

    assert thresholds("-t", "0.25", "-t", "two=0.9") == [("one", "0.250"), ("two", "0.900")]
    assert thresholds("--false-alarms-per-hour", "0.5")[0] == ("one", "0.600")


def test_without_a_server_one_is_started(files: Path, tiny_models: Path) -> None:
    """And it does not outlive the verb."""
    done = process("spot", files / "noise.wav", "--json", "--models", tiny_models, "-d", "tiny")

    assert done.returncode == 0, done.stderr
    assert lines(done)[0]["duration_s"] == 3.0


def test_a_model_is_shown_layer_by_layer(sweepnet: Sweepnet, server: str) -> None:
    """Settings, what was measured, then the network as a table, its totals last."""
    shown = sweepnet("models", "show", "tiny", "--server", server)

    assert shown.returncode == 0, shown.stderr
    settings, points, table = shown.stdout.split("\n\n")
    assert re.search(r"name +detectors/tiny", settings)
    assert re.search(r"label +one, from a score of 0\.6", settings)
    assert re.search(r"one +0\.600 +10\.0% +0\.5 false alarms per hour, measured on 4 h", points)
    assert re.search(r"scores +probabilities, to 1\.2% where they", settings)
    assert "0.1 false alarms per hour, extrapolated from 4 h" in points
    head, first, *_, totals = table.splitlines()
    assert head.split() == ["Layer", "Output", "Parameters", "Multiply-adds", "Sees", "Stride"]
    assert re.match(r"0 +Conv1d\(40 -> ", first)
    assert re.fullmatch(r"[\d,]+ parameters, [\d,]+ multiply-adds for an input of [\d x]+", totals)
    assert all(line == line.rstrip() for line in shown.stdout.splitlines())


def test_the_card_is_shown_alone(sweepnet: Sweepnet, server: str) -> None:
    (all_of_it,) = lines(sweepnet("models", "show", "tiny", "--json", "--server", server))
    card = sweepnet("models", "show", "tiny", "--card", "--server", server).stdout

    assert json.loads(card) == all_of_it["card"]


def test_sizes_are_shown_as_they_are() -> None:
    """Half an input stays half of one, and large sizes keep every digit."""
    assert _times((1, 227.0, 3)) == "1 x 227 x 3"
    assert _times((1.5, 0.5)) == "1.5 x 0.5"
    assert _times((1_234_567,)) == "1,234,567"


def test_models_are_told_as_json(sweepnet: Sweepnet, server: str) -> None:
    told = lines(sweepnet("models", "--json", "--server", server))

    assert "detectors/tiny" in [model["name"] for model in told]


def test_a_model_is_trained_and_measured_by_commands(
    sweepnet: Sweepnet, flower_data: Path, tmp_path: Path
) -> None:
    """With one flag for each setting; the model and its card are there."""
    made = tmp_path / "squares.safetensors"
    quick = ("--pictures=8", "--batch=4", "--aside-share=0.3", "--detect-size-px=64")
    places = ("--data", flower_data, "--out", made, "--work-dir", tmp_path / "work")

    trained = sweepnet("train", "image", *places, "--label=square", *quick)
    assert trained.returncode == 0, trained.stderr
    assert trained.stdout.strip() == str(made)
    assert made.with_suffix(".md").exists()

    options = ("--data", flower_data, "-m", made, "--split", "train", "--json")
    measured = sweepnet("evaluate", "image", *options)
    assert measured.returncode == 0, measured.stderr
    assert json.loads(measured.stdout)["parts"][0]["pictures"] == 8


def test_ctrl_c_ends_a_verb_with_130(files: Path) -> None:
    """Here while it waits for a server that answers nothing."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-m", "sweepnet", "spot", str(files / "noise.wav")]
        with subprocess.Popen(
            [*command, "--server", address], stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
        ) as process:
            accepted, _ = silent.accept()
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130
            assert process.stderr is not None
            assert "Traceback" not in process.stderr.read()
            accepted.close()


def test_every_verb_is_there_and_has_help() -> None:
    told = process("--help").stdout
    for verb in VERBS:
        assert re.search(rf"\b{verb}\b", told), verb
    assert "is not installed" not in told
    for name, command in client_verbs().items():
        assert command.info.help if isinstance(command, typer.Typer) else command.__doc__, name
    app = build(["spot"])
    names = [each.name for each in app.registered_commands]
    names += [each.name for each in app.registered_groups]
    assert sorted(map(str, names)) == sorted(client_verbs())


def test_every_setting_of_the_server_is_in_its_help() -> None:
    from sweepnet_service.server.settings import Settings

    told = process("serve", "--help").stdout
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')}" in told
        assert f"SWEEPNET_{name.upper()}" in re.sub(r"[\s│]+", " ", told)


def test_what_the_system_refuses_ends_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback."""

    def verb() -> None:
        raise PermissionError(13, "Permission denied", "/proc/nope")

    with pytest.raises(typer.Exit) as ended:
        clear_ending(verb)()

    assert ended.value.exit_code == 1
    assert capsys.readouterr().err == "sweepnet verb: /proc/nope: Permission denied\n"


def test_only_figures_of_the_threshold_itself_are_shown() -> None:
    """Those of a neighbour would be taken for them."""
    near, at = (OperatingPoint("one", x, 0.1, 2.0, None) for x in (0.59, 0.6))
    labels, card = ("one", "two"), {"threshold": {"default": 0.6}}
    model = Model("m", "keyword", labels, {"one": 0.6}, (near,), card, 1, 1, 16_000, 1.0, 0.1)
    assert figures(model, "one") == figures(model, "two") == "-"
    told = figures(dataclasses.replace(model, operating_points=(near, at)), "one")
    assert told == "misses 10.0%, 2 false alarms per hour"
    part = {"label": "one", "test": {"miss_rate": 0.25, "false_alarms_per_hour": 1.0}}
    joined = dataclasses.replace(model, card={"joined": [{"label": "two"}, part]})
    assert figures(joined, "one") == "misses 25.0%, 1 false alarm per hour"
    measured = {"parts": [{"name": "all", "recall": 0.6}], "false_boxes_per_negative": 0.05}
    told = figures(dataclasses.replace(model, card={"figures": measured}), "one")
    assert told == "misses 40.0%, 0.05 false boxes per picture"


def test_a_table_is_whole_on_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """80 columns folded the table of a network, 118 wide, letter by letter."""
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("FORCE_COLOR", "1")
    table = output.new_table("Layer", "Output")
    table.add_row("Conv2d(3 -> 16, kernel 3x3)", "1 x 128 x 128 x 16")
    output.show(table)

    line = "Conv2d(3 -> 16, kernel 3x3)  1 x 128 x 128 x 16"
    assert capsys.readouterr().out.splitlines()[1:] == [line]
