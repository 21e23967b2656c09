"""Who can reach the server, and who can read along: loopback, TLS, mutual TLS, or plain text."""

from __future__ import annotations

import ipaddress
import ssl
from pathlib import Path

import grpc

from sweepnet_service.errors import InvalidInput
from sweepnet_service.server.settings import Settings


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def check_exposed(settings: Settings) -> None:
    """Raises InvalidInput where others could read along and nobody said that they may."""
    if settings.tls_cert or settings.allow_plain_text or is_loopback(settings.host):
        return
    raise InvalidInput(
        "host",
        f"{settings.host} lets other machines in, and what is sent would not be encrypted. Give "
        "--tls-cert and --tls-key, or say --allow-plain-text where the network itself is private",
    )


def credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """For TLS, mutual where clients need a certificate; None for plain text.

    Raises InvalidInput for files that are not what they should be.
    """
    if not settings.tls_cert:
        if settings.tls_key or settings.tls_client_ca:
            raise InvalidInput("tls_cert", "missing; TLS needs --tls-cert and --tls-key together")
        return None
    if not settings.tls_key:
        raise InvalidInput("tls_key", "missing; TLS needs --tls-cert and --tls-key together")
    _check_pair(settings.tls_cert, settings.tls_key)
    pair = (_bytes(settings.tls_key, "tls_key"), _bytes(settings.tls_cert, "tls_cert"))
    if not settings.tls_client_ca:
        return grpc.ssl_server_credentials([pair])
    _check_authorities(settings.tls_client_ca)
    roots = _bytes(settings.tls_client_ca, "tls_client_ca")
    return grpc.ssl_server_credentials([pair], roots, require_client_auth=True)


def _check_pair(certificate: Path, key: Path) -> None:
    """gRPC itself would only log what is wrong, and then not listen."""
    for path, setting in ((certificate, "tls_cert"), (key, "tls_key")):
        _bytes(path, setting)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # A key that asks for a password would wait at the terminal for it.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        raise InvalidInput(
            "tls_cert",
            f"{certificate} and {key} are no certificate and its key ({_reason(error)}); expected "
            "two PEM files, the key without a password",
        ) from None


def _check_authorities(path: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(path)
    except ssl.SSLError as error:
        raise InvalidInput(
            "tls_client_ca", f"{path} holds no certificates ({_reason(error)}); expected a PEM file"
        ) from None


def _bytes(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        flag = setting.replace("_", "-")
        raise InvalidInput(setting, f"{path}: {error.strerror} (--{flag})") from None


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or type(error).__name__
