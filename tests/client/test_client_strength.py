"""The client among others and in trouble: threads, isolation, slow readers, dead clients, retries,
encryption and tokens."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import grpc
import numpy as np
import pytest
import soundfile
from google.protobuf.empty_pb2 import Empty
from PIL import Image

from sweepnet import (
    Client,
    InvalidInput,
    NotAllowed,
    ServerUnavailable,
    SpotUpdate,
    Tls,
    _calls,
)

RATE_HZ = 16_000
TOKEN = "a-long-token-of-one-caller"


def recording(seed: int) -> bytes:
    """Two seconds of changing noise, another for each seed; 16-bit samples."""
    rng = np.random.default_rng(seed)
    loud = np.repeat(rng.uniform(0, 0.5, 40), 800)
    return bytes((rng.standard_normal(32_000).clip(-1, 1) * loud * 32767).astype("<i2").tobytes())


def random_cuts(data: bytes, seed: int) -> Iterator[bytes]:
    """The same bytes in chunks of any number of samples, none included."""
    rng, at = np.random.default_rng(seed), 0
    while at < len(data):
        size = 2 * int(rng.integers(0, 4_000))
        yield data[at : at + size]
        at += size


def windows(updates: list[SpotUpdate]) -> list[Any]:
    return [list(w.scores.values()) for update in updates for w in update.windows]


def streamed(client: Client, data: Iterator[bytes]) -> list[Any]:
    with client.stream(data, detectors=["tiny"]) as stream:
        return windows(list(stream))


def test_many_streams_at_once_each_get_the_scores_of_their_own_audio(server: str) -> None:
    """One client, a thread for each stream, chunks cut at random."""
    count = 12
    with Client(server) as client:
        alone = [streamed(client, iter([recording(n)])) for n in range(count)]
        with ThreadPoolExecutor(count) as pool:
            together = list(
                pool.map(lambda n: streamed(client, random_cuts(recording(n), n)), range(count))
            )

    for own, among in zip(alone, together, strict=True):
        np.testing.assert_allclose(among, own, atol=1e-4)
    assert not np.allclose(alone[0], alone[1], atol=0.05)


def test_one_client_serves_many_threads(server: str, tmp_path: Path) -> None:
    """Every kind of call at once, each answered as when it is alone."""
    for number in range(3):
        samples = np.frombuffer(recording(number), "<i2")
        soundfile.write(tmp_path / f"{number}.wav", samples, RATE_HZ)
        Image.linear_gradient("L").resize((64 + 9 * number, 70)).save(tmp_path / f"{number}.png")
    with Client(server) as client:
        calls: list[Callable[[], Any]] = [
            *(lambda n=n: client.spot(tmp_path / f"{n}.wav", detectors=["tiny"]) for n in range(3)),
            *(lambda n=n: client.detect(tmp_path / f"{n}.png") for n in range(3)),
            *(client.models, lambda: client.model("tiny"), client.ready),
        ]
        alone = [call() for call in calls]
        with ThreadPoolExecutor(16) as pool:
            jobs = {pool.submit(call): n for n, call in enumerate(calls * 4)}
            for job in as_completed(jobs):
                expected = alone[jobs[job] % len(calls)]
                found = job.result()
                if hasattr(expected, "events"):
                    assert [e.start_sample for e in found.events] == [
                        e.start_sample for e in expected.events
                    ]
                else:
                    assert found == expected or hasattr(found, "boxes")


@contextmanager
def speaking(server: str) -> Iterator[subprocess.Popen[str]]:
    """A client in a process of its own, in the middle of a stream."""
    program = (
        "import sys, time; from sweepnet import Client\n"
        "with Client(sys.argv[1]) as c, c.stream(detectors=['tiny']) as s:\n"
        "    s.send(bytes(32000)); next(iter(s)); print('heard', flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, server], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "heard\n"
        yield process
        process.kill()


def test_a_client_that_is_killed_leaves_the_others_alone(server: str) -> None:
    with Client(server) as client:
        expected = streamed(client, iter([recording(1)]))
        with speaking(server) as victim:
            victim.send_signal(signal.SIGKILL)
        np.testing.assert_allclose(streamed(client, iter([recording(1)])), expected, atol=1e-4)


def test_the_server_forgets_a_client_that_is_killed(tiny_models: Path) -> None:
    """As soon as its machine says that it is gone, not after the idle limit."""
    with socket.create_server(("127.0.0.1", 0)) as ear:
        port = ear.getsockname()[1]

    def open_streams() -> float:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as told:
            lines = told.read().decode().splitlines()
        return next(float(x.split()[-1]) for x in lines if x.startswith("sweepnet_streams_open "))

    with guarded(tiny_models, "--metrics-port", str(port)) as address:
        with speaking(address) as victim:
            assert open_streams() == 1
            victim.send_signal(signal.SIGKILL)
        ends_s = time.monotonic() + 60
        while open_streams() and time.monotonic() < ends_s:
            time.sleep(0.05)
        assert open_streams() == 0


def test_who_reads_slowly_loses_nothing_and_holds_up_nobody(server: str) -> None:
    with Client(server) as client:
        expected = streamed(client, random_cuts(recording(2), 2))
        slow: list[SpotUpdate] = []
        with client.stream(random_cuts(recording(2), 2), detectors=["tiny"]) as stream:
            for update in stream:
                slow.append(update)
                if len(slow) == 2:
                    np.testing.assert_allclose(
                        streamed(client, random_cuts(recording(2), 2)), expected, atol=1e-4
                    )
                time.sleep(0.02)
    np.testing.assert_allclose(windows(slow), expected, atol=1e-4)


class Failing(grpc.GenericRpcHandler):
    """Says a few times that it is away, then answers with nothing; counts what it was asked."""

    def __init__(self, failures: int) -> None:
        self.left, self.asked = failures, list[str]()

    def service(self, details: Any) -> Any:
        def answer(_: bytes, context: Any) -> bytes:
            self.asked.append(details.method)
            if self.left:
                self.left -= 1
                context.abort(grpc.StatusCode.UNAVAILABLE, "starting")
            return Empty().SerializeToString()

        return grpc.unary_unary_rpc_method_handler(answer)


@contextmanager
def serving(handler: Failing) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2), handlers=(handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


def test_calls_that_change_nothing_are_made_again(tmp_path: Path) -> None:
    handler = Failing(2)
    with serving(handler) as address, Client(address) as client:
        assert client.models() == ()
    assert handler.asked == [_calls.LIST_MODELS.path] * 3


def test_calls_that_change_something_are_not_made_again(tmp_path: Path) -> None:
    """Nobody knows whether the first one came through."""
    handler = Failing(1)
    with serving(handler) as address, Client(address) as client:
        with pytest.raises(ServerUnavailable):
            client.train("keyword", str(tmp_path), "own")
        client.cancel_training("trainings/1")
        handler.left = 1
        with pytest.raises(ServerUnavailable):
            client.cancel_training("trainings/1")
    assert handler.asked == [_calls.START_TRAINING.path, *[_calls.CANCEL_OPERATION.path] * 2]


def test_a_server_that_is_away_for_longer_is_told_soon() -> None:
    handler = Failing(99)
    with serving(handler) as address, Client(address) as client:
        began_s = time.monotonic()
        with pytest.raises(ServerUnavailable, match="starting"):
            client.models()
        assert time.monotonic() - began_s < 10
    assert len(handler.asked) == 3


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """An authority, and a certificate that it signed, for server and client alike."""
    folder = tmp_path_factory.mktemp("keys")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *new, "-days", "2", "-keyout", "ca.key", "-out", "ca.pem",
            "-subj", "/CN=ca")  # fmt: skip
    openssl("req", *new, "-keyout", "own.key", "-out", "own.csr", "-subj", "/CN=own",
            "-addext", "subjectAltName=IP:127.0.0.1")  # fmt: skip
    openssl("x509", "-req", "-in", "own.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-copy_extensions", "copy", "-days", "2",
            "-out", "own.pem")  # fmt: skip
    return {path.name: path for path in folder.iterdir()}


@contextmanager
def guarded(models: Path, *flags: str | Path) -> Iterator[str]:
    """A server in a process of its own that lets in whom it is told to."""
    command = [sys.executable, "-m", "sweepnet_service", "--port", "0", "--models", str(models)]
    process = subprocess.Popen(
        [*command, "--log-level", "error", *map(str, flags)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert "listens at" in line, line
        yield line.split("listens at ")[1].split()[0]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.needs_program("openssl")
def test_encryption_certificates_and_tokens(
    keys: Mapping[str, Path], tiny_models: Path, tmp_path: Path
) -> None:
    """All of them at one server: whoever lacks one is refused, and told what."""
    (tmp_path / "tokens.toml").write_text(f'[one]\ntoken = "{TOKEN}"\n')
    whole = Tls(keys["ca.pem"], keys["own.pem"], keys["own.key"])
    flags = ("--tls-cert", keys["own.pem"], "--tls-key", keys["own.key"])
    flags += ("--tls-client-ca", keys["ca.pem"], "--tokens", tmp_path / "tokens.toml")
    with guarded(tiny_models, *flags) as address:
        with Client(address, tls=whole, token=TOKEN) as client:
            assert client.models()
            with client.stream([recording(3)], detectors=["tiny"]) as stream:
                assert windows(list(stream))
        for token in (None, "another-token-than-known"):
            with Client(address, tls=whole, token=token) as client:
                with pytest.raises(NotAllowed, match=r"token.*SWEEPNET_TOKEN"):
                    client.models()
                with client.stream([recording(3)]) as stream, pytest.raises(NotAllowed):
                    list(stream)
        for tls in (None, Tls(keys["ca.pem"]), Tls()):
            with Client(address, tls=tls, token=TOKEN) as client:
                with pytest.raises(ServerUnavailable) as caught:
                    client.models()
                assert "no server at" not in caught.value.message


def test_secrets_go_over_encrypted_lines_only(keys: Mapping[str, Path], tmp_path: Path) -> None:
    for address in ("example.org:50051", "localhost.example.org", "127.example.org", "10.0.0.1"):
        with pytest.raises(InvalidInput, match="the line is not encrypted; give tls too"):
            Client(address, token=TOKEN)
    for address in ("localhost", "[::1]:1", "unix:/tmp/socket"):
        Client(address, token=TOKEN).close()
    for token in ("", "two\nlines", "schlüssel"):
        with pytest.raises(InvalidInput, match="expected printable ASCII"):
            Client("127.0.0.1:1", token=token)
    Client("127.0.0.1:1", token=TOKEN).close()
    with pytest.raises(InvalidInput, match="one of certificate and key"):
        Client("127.0.0.1:1", tls=Tls(certificate=tmp_path / "a.pem"))
    with pytest.raises(InvalidInput, match="cannot be read"):
        Client("127.0.0.1:1", tls=Tls(tmp_path / "none.pem"))
    (tmp_path / "text.pem").write_text("no certificate")
    with pytest.raises(InvalidInput, match="is no PEM file"):
        Client("127.0.0.1:1", tls=Tls(tmp_path / "text.pem"))


def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    """A port that takes connections and never speaks."""
    with socket.create_server(("127.0.0.1", 0)) as ear:
        address = f"127.0.0.1:{ear.getsockname()[1]}"
        with (
            Client(address) as client,
            client.stream([recording(1)], timeout_s=0.5) as stream,
            pytest.raises(Exception, match="Deadline"),
        ):
            list(stream)
