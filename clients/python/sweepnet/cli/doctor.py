"""`sweepnet doctor`: what is installed here, and whether it works."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Literal

import typer

from sweepnet import DEFAULT_ADDRESS, Client, embedded_server
from sweepnet._embedded import check_installed
from sweepnet.cli.connection import Json, Models, Server, encryption
from sweepnet.cli.ending import FAILED
from sweepnet.cli.output import new_table, print_json, show
from sweepnet.errors import MissingPackage, SweepnetError

Verdict = Literal["ok", "missing", "wrong"]
EXTRAS = {
    "plots": ("pictures of results", ("matplotlib",)),
    "clips": ("cutting words out of recordings", ("soundfile",)),
    "mic": ("microphones", ("sounddevice",)),
    "tables": ("pandas, Parquet", ("pandas", "pyarrow")),
    "train": ("trainings", ("python_stretch",)),
    "onnx": ("exports", ("onnx",)),
}
PROGRAMS = {
    "espeak-ng": "synthetic speech to train with",
    "flite": "synthetic speech to train with",
}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; `missing` is what not everybody needs."""

    what: str
    verdict: Verdict
    told: str


def doctor(as_json: Json = False, server: Server = None, models: Models = None) -> None:
    """Check this installation: packages, model files, port, programs, and a small self test.

    What is missing is told with what it is for and how to get it. Ends with 1 where something is
    wrong that should work.
    """
    kept = []
    for check in checks(server, models):
        kept.append(check)
        if as_json:
            print_json(asdict(check))
    if not as_json:
        table = new_table("What", "", "")
        for check in kept:
            table.add_row(check.what, check.verdict, check.told)
        show(table)
    if any(check.verdict == "wrong" for check in kept):
        raise typer.Exit(FAILED)


def checks(server: str | None, models: Path | None) -> Iterator[Check]:
    """All checks, one after the other."""
    yield Check("sweepnet", "ok", f"{version('sweepnet')}, Python {sys.version.split()[0]}")
    yield from map(_extra, EXTRAS)
    yield from map(_program, PROGRAMS)
    yield _microphones()
    yield _port(DEFAULT_ADDRESS)
    if server is not None:
        client = Client(server, tls=encryption(), token=os.environ.get("SWEEPNET_TOKEN"))
        yield from _served(client, f"server at {server}")
        return
    try:
        check_installed()
    except MissingPackage as error:
        yield Check("server", "missing", error.message)
        return
    yield from _embedded(models)


def _extra(name: str) -> Check:
    purpose, packages = EXTRAS[name]
    missing = [each for each in packages if importlib.util.find_spec(each) is None]
    if missing:
        return Check(name, "missing", f"{purpose}: pip install 'sweepnet[{name}]'")
    return Check(name, "ok", ", ".join(f"{each} {_version(each)}".strip() for each in packages))


def _version(package: str) -> str:
    try:
        return version(package.replace("_", "-"))
    except PackageNotFoundError:
        return ""


def _program(name: str) -> Check:
    place = shutil.which(name)
    if place is None:
        return Check(name, "missing", f"{PROGRAMS[name]}; install the system's package {name}")
    return Check(name, "ok", place)


def _microphones() -> Check:
    from sweepnet.microphone import devices

    try:
        found = devices()
    except MissingPackage as error:
        return Check("microphone", "missing", error.message)
    except Exception as error:  # PortAudio's own, of many kinds
        return Check("microphone", "wrong", f"{type(error).__name__}: {error}")
    if not found:
        return Check("microphone", "missing", "none is connected")
    return Check("microphone", "ok", ", ".join(each.name for each in found))


def _port(address: str) -> Check:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex((host, int(port))) != 0:
            return Check(f"port {port}", "ok", "free: `sweepnet serve` can have it")
    try:
        with Client(address) as client:
            client.ready()
    except SweepnetError:
        return Check(f"port {port}", "missing", "another program has it: `sweepnet serve --port 0`")
    return Check(f"port {port}", "ok", f"a server answers there: --server {address}")


def _embedded(models: Path | None) -> Iterator[Check]:
    try:
        with embedded_server(models) as address:
            yield Check("server", "ok", "starts")
            yield from _served(Client(address), "server")
    except SweepnetError as error:
        yield Check("server", "wrong", error.message)


def _served(client: Client, where: str) -> Iterator[Check]:
    """The server's models, and what it makes of a word and a flower that are known."""
    with client:
        try:
            models = client.models()
        except SweepnetError as error:
            yield Check(where, "wrong", error.message)
            return
        for model in models:
            name = model.name.removeprefix("detectors/")
            if model.error:
                yield Check(f"model {name}", "wrong", model.error)
            else:
                yield Check(f"model {name}", "ok", f"{model.kind}: {', '.join(model.labels)}")
        names = {model.name for model in models if not model.error}
        yield from _self_tests(client, names)


def _self_tests(client: Client, names: Iterable[str]) -> Iterator[Check]:
    assets = files("sweepnet.demo") / "assets"

    def hears() -> int:
        heard = client.spot((assets / "welcome.wav").read_bytes(), detectors=["welcome"])
        return len(heard.events)

    def sees() -> int:
        seen = client.detect((assets / "flower.png").read_bytes(), detectors=["flower"])
        return len(seen.boxes)

    if "detectors/welcome" in names:
        yield _self_test("hears a word", hears)
    if "detectors/flower" in names:
        yield _self_test("sees a flower", sees)


def _self_test(what: str, found: Callable[[], int]) -> Check:
    try:
        count = found()
    except SweepnetError as error:
        return Check(what, "wrong", error.message)
    if count != 1:
        return Check(what, "wrong", f"found {count} in the demo's own file; expected one")
    return Check(what, "ok", "in the demo's own file, once")
