"""A server that is told to end, and told again."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sweepnet_protos.v1 import audio_pb2
from sweepnet_protos.v1 import keyword_spotter_pb2 as pb2
from sweepnet_protos.v1 import keyword_spotter_pb2_grpc as pb2_grpc


def endless() -> Iterator[pb2.StreamingSpotRequest]:
    """Audio that never ends."""
    form = audio_pb2.AudioFormat(encoding="AUDIO_ENCODING_LINEAR16", sample_rate_hz=16_000)
    yield pb2.StreamingSpotRequest(
        config=pb2.SpotConfig(detectors=["detectors/tiny"], audio_format=form)
    )
    while True:
        yield pb2.StreamingSpotRequest(audio=bytes(320))
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_what_runs_at_once(number: signal.Signals, tiny_models: Path) -> None:
    """The first one leaves running calls the whole grace period."""
    command = [sys.executable, "-m", "sweepnet_service", "--port", "0", "--grace-s", "300"]
    with subprocess.Popen(
        [*command, "--models", str(tiny_models), "--log-level", "error"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[3]
        with grpc.insecure_channel(address) as channel:
            call = pb2_grpc.KeywordSpotterServiceStub(channel).StreamingSpot(endless())
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            assert next(call).HasField("opened")
            assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
            process.send_signal(number)
            assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
            next(call)
            assert process.poll() is None
            process.send_signal(number)
            with pytest.raises(grpc.RpcError) as caught:
                list(call)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert process.wait(60) == 0
