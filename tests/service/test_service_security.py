"""Who is let in: loopback, TLS, certificates of clients, tokens; and what the refused are told."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sweepnet_protos.v1 import model_pb2, model_pb2_grpc
from sweepnet_service.errors import InvalidInput, Overloaded, Unauthenticated
from sweepnet_service.server.app import Running, running
from sweepnet_service.server.security import check_exposed, credentials, is_loopback
from sweepnet_service.server.settings import Settings
from sweepnet_service.server.tokens import Bearer, Tokens, read_tokens

Scene = Callable[[Running], Awaitable[None]]
TOKEN, OTHER = "a-long-token-of-one-caller", "a-long-token-of-another"


def play(scene: Scene, models: Path, **changed: Any) -> None:
    """Run a scene against a server of its own, in one event loop."""

    async def whole() -> None:
        settings = Settings(port=0, models=models, grace_s=0, **changed)
        async with running(settings) as app:
            await scene(app)

    asyncio.run(whole())


async def listed(channel: grpc.aio.Channel, token: str | None = None) -> int:
    """Models that the server tells of."""
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    stub = model_pb2_grpc.ModelServiceStub(channel)
    return len((await stub.ListModels(model_pb2.ListModelsRequest(), metadata=metadata)).models)


async def refused(call: Awaitable[Any]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """An authority, and certificates of a server and of a client that it signed."""
    folder = tmp_path_factory.mktemp("keys")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    for name in ("ca", "stranger"):
        openssl("req", "-x509", *new, "-keyout", f"{name}.key", "-out", f"{name}.pem",
                "-subj", f"/CN={name}")  # fmt: skip
    for name in ("server", "client"):
        openssl("req", *new[:5], "-keyout", f"{name}.key", "-out", f"{name}.csr",
                "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1")  # fmt: skip
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-copy_extensions", "copy", "-days", "2",
                "-out", f"{name}.pem")  # fmt: skip
    return {path.name: path for path in folder.iterdir()}


def secret(keys: Mapping[str, Path], client: str = "") -> grpc.ChannelCredentials:
    own = [keys[f"{client}.{end}"].read_bytes() for end in ("key", "pem")] if client else []
    return grpc.ssl_channel_credentials(keys["ca.pem"].read_bytes(), *own)


@pytest.mark.needs_program("openssl")
def test_calls_are_encrypted(keys: Mapping[str, Path], tiny_models: Path) -> None:
    """With TLS plain text gets no answer."""

    async def scene(app: Running) -> None:
        async with grpc.aio.secure_channel(app.address, secret(keys)) as channel:
            assert await listed(channel) >= 2
        async with grpc.aio.insecure_channel(app.address) as channel:
            error = await refused(listed(channel))
            assert error.code() is grpc.StatusCode.UNAVAILABLE

    play(scene, tiny_models, tls_cert=keys["server.pem"], tls_key=keys["server.key"])


@pytest.mark.needs_program("openssl")
def test_clients_show_a_certificate_where_they_must(
    keys: Mapping[str, Path], tiny_models: Path
) -> None:
    """None, and one of a strange authority, are refused before any call."""
    stranger = grpc.ssl_channel_credentials(
        keys["ca.pem"].read_bytes(), keys["stranger.key"].read_bytes(),
        keys["stranger.pem"].read_bytes(),
    )  # fmt: skip

    async def scene(app: Running) -> None:
        async with grpc.aio.secure_channel(app.address, secret(keys, "client")) as channel:
            assert await listed(channel) >= 2
        for other in (secret(keys), stranger):
            async with grpc.aio.secure_channel(app.address, other) as channel:
                error = await refused(listed(channel))
                assert error.code() is grpc.StatusCode.UNAVAILABLE

    play(scene, tiny_models, tls_cert=keys["server.pem"], tls_key=keys["server.key"],
         tls_client_ca=keys["ca.pem"])  # fmt: skip


@pytest.mark.needs_program("openssl")
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"tls_cert": "server.pem"}, "tls_key: missing"),
        ({"tls_key": "server.key"}, "tls_cert: missing"),
        ({"tls_client_ca": "ca.pem"}, "tls_cert: missing"),
        ({"tls_cert": "server.pem", "tls_key": "client.key"}, "no certificate and its key"),
        ({"tls_cert": "server.key", "tls_key": "server.key"}, "no certificate and its key"),
        ({"tls_cert": "server.pem", "tls_key": "server.key", "tls_client_ca": "ca.key"},
         "holds no certificates"),
    ],
)  # fmt: skip
def test_files_that_are_no_keys_are_refused_by_name(
    keys: Mapping[str, Path], settings: Mapping[str, str], told: str
) -> None:
    given = {name: keys[file] for name, file in settings.items()}
    with pytest.raises(InvalidInput, match=told):
        credentials(Settings(**given))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    absent = tmp_path / "absent.pem"
    with pytest.raises(InvalidInput, match=r"absent\.pem: No such file .*--tls-cert"):
        credentials(Settings(tls_cert=absent, tls_key=absent))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
def test_loopback_needs_nothing(host: str) -> None:
    assert is_loopback(host)
    check_exposed(Settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_other_addresses_need_tls_or_a_word(host: str) -> None:
    """Nobody is read along with by accident."""
    assert not is_loopback(host)
    with pytest.raises(InvalidInput, match="--allow-plain-text"):
        check_exposed(Settings(host=host))
    check_exposed(Settings(host=host, allow_plain_text=True))
    check_exposed(Settings(host=host, tls_cert=Path("some.pem")))


def token_file(folder: Path, text: str) -> Path:
    path = folder / "tokens.toml"
    path.write_text(text)
    return path


def test_only_known_tokens_are_let_in(
    tiny_models: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Health stays open; no token appears in what is told or logged."""
    path = token_file(tmp_path, f'[one]\ntoken = "{TOKEN}"\ncalls_per_minute = 2\n')

    async def scene(app: Running) -> None:
        async with grpc.aio.insecure_channel(app.address) as channel:
            assert await listed(channel, TOKEN) >= 2
            for token in (None, OTHER, TOKEN + "x", TOKEN[:-1]):
                error = await refused(listed(channel, token))
                assert error.code() is grpc.StatusCode.UNAUTHENTICATED
                assert TOKEN not in str(error)
            await listed(channel, TOKEN)
            error = await refused(listed(channel, TOKEN))
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "2 of its calls have begun within a minute" in str(error.details())
            health = health_pb2_grpc.HealthStub(channel)
            await health.Check(health_pb2.HealthCheckRequest())

    play(scene, tiny_models, tokens=path)
    assert TOKEN not in "".join(capfd.readouterr())


def test_a_token_has_limits_of_its_own() -> None:
    """Calls at once and calls a minute; what has ended makes room, others are not concerned."""
    now_s = [0.0]
    tokens = Tokens(
        {TOKEN: Bearer(max_calls=2, calls_per_minute=3), OTHER: Bearer()}, lambda: now_s[0]
    )
    said = [("user-agent", "x"), ("authorization", f"bearer {TOKEN}")]
    with tokens.place(said), tokens.place(said):
        with pytest.raises(Overloaded, match="2 of its calls run already"):
            tokens.place(said).__enter__()
        with tokens.place([("authorization", f"Bearer {OTHER}")]):
            pass
    with tokens.place(said):
        pass
    with pytest.raises(Overloaded, match="3 of its calls have begun within a minute"):
        tokens.place(said).__enter__()
    now_s[0] = 61.0
    with tokens.place(said):
        pass
    for strange in ([], [("authorization", TOKEN)], [("authorization", b"Bearer x")]):
        with pytest.raises(Unauthenticated):
            tokens.place(strange).__enter__()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no token"),
        ("[a", "not a TOML file"),
        ("a = 1", r"tokens\.a: expected a table"),
        ("[a]\nmax_calls = 1", "expected a table with a `token`"),
        ('[a]\ntoken = "short"', "at least 16 printable"),
        ("[a]\ntoken = 5", "at least 16 printable"),
        ('[a]\ntoken = "' + "é" * 20 + '"', "at least 16 printable"),
        (f'[a]\ntoken = "{TOKEN}"\nmax_calls = 0', r"tokens\.a\.max_calls: expected a whole"),
        (f'[a]\ntoken = "{TOKEN}"\nmax_calls = true', r"tokens\.a\.max_calls: expected a whole"),
        (f'[a]\ntoken = "{TOKEN}"\nlimit = 1', "no setting 'limit'; known: token, max_calls"),
        (f'[a]\ntoken = "{TOKEN}"\n[b]\ntoken = "{TOKEN}"', "is that of another name"),
    ],
)
def test_a_wrong_file_of_tokens_is_refused(tmp_path: Path, text: str, told: str) -> None:
    """By its place in the file, without a token."""
    with pytest.raises(InvalidInput, match=told) as caught:
        read_tokens(token_file(tmp_path, text))
    assert TOKEN not in str(caught.value)


def test_an_absent_file_of_tokens_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"absent\.toml: No such file .*--tokens"):
        read_tokens(tmp_path / "absent.toml")
