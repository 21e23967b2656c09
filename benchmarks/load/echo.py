"""A bare server of the same transport: each message is answered at once by bytes of an update.

It decodes nothing and scores nothing, so it is what grpc.aio itself holds on this machine.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
import wire

from sweepnet_protos.v1 import keyword_spotter_pb2 as pb

WINDOWS = 3
"""Of a reply to 80 ms: two or three windows of one label."""


def update(read_until: int) -> bytes:
    """An update as large as the spotter's."""
    windows = [
        pb.WindowScore(start_sample=read_until + 480 * n, end_sample=read_until, scores=[0.5])
        for n in range(WINDOWS)
    ]
    channel = pb.ChannelUpdate(
        detector="detectors/welcome",
        windows=windows,
        aggregates=[pb.Aggregate(label="welcome", maximum=0.5, mean=0.5, softmax=0.5)],
        read_until=read_until,
    )
    told = pb.SpotUpdate(read_until=read_until, channels=[channel])
    return pb.StreamingSpotResponse(update=told).SerializeToString()


OPENED = pb.StreamingSpotResponse(opened=pb.SpotOpened()).SerializeToString()
# As many replies as any run needs, so that none is made while it is measured.
REPLIES = [update(wire.CHUNK_SAMPLES * n) for n in range(1, 4_000)]


async def echo(requests: AsyncIterator[bytes], _: Any) -> AsyncIterator[bytes]:
    """A reply to each message."""
    count = 0
    async for _message in requests:
        yield REPLIES[count - 1] if count else OPENED
        count += 1


class Handler(grpc.GenericRpcHandler):
    """One method, in bytes."""

    def service(self, call: Any) -> Any:
        return grpc.stream_stream_rpc_method_handler(echo)


async def serve() -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"echo listens at 127.0.0.1:{port} ", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    wire.run(serve())
