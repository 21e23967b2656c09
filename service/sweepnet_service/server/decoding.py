"""Requests that are no message are INVALID_ARGUMENT, as they are within streams; grpc.aio by itself
would tell UNKNOWN, as if the server had failed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from sweepnet_service.server.statuses import abort, status_of

Details: TypeAlias = grpc.HandlerCallDetails
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"


class Decoding(grpc.aio.ServerInterceptor):
    """Decodes single requests itself."""

    async def intercept_service(
        self, continuation: Callable[[Details], Awaitable[Handler]], details: Details
    ) -> Handler:
        handler = await continuation(details)
        if handler is None or handler.unary_unary is None:
            return handler
        answer, decode = handler.unary_unary, handler.request_deserializer
        assert decode is not None  # bytes are no message of any service here

        async def decoded(data: bytes, context: Any) -> Any:
            try:
                request = decode(data)
            except DecodeError as error:
                await abort(context, status_of(error))
            return await answer(request, context)

        return grpc.unary_unary_rpc_method_handler(
            decoded, response_serializer=handler.response_serializer
        )
