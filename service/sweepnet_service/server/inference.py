"""inference.GRPCInferenceService: what clients made for Triton or KServe speak."""

from __future__ import annotations

import math
from importlib.metadata import version
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from sweepnet_protos.kserve import grpc_predict_v2_pb2 as pb2
from sweepnet_protos.kserve import grpc_predict_v2_pb2_grpc as pb2_grpc
from sweepnet_service.engine import Engine
from sweepnet_service.errors import InvalidInput, SweepnetError, shown
from sweepnet_service.server.statuses import Guard
from sweepnet_service.store import Library, name_alone, version_name
from sweepnet_service.store.names import COLLECTION
from sweepnet_service.windows import Tensor, WindowModel, described, scored

Context = grpc.aio.ServicerContext[Any, Any]
Values = NDArray[Any]
KINDS = {"FP32": ("<f4", "fp32_contents"), "UINT8": ("u1", "uint_contents")}
VERSION = "1"
"""Of a file that stands by itself."""


class Inference(pb2_grpc.GRPCInferenceServiceServicer):
    """Windows in, scores out."""

    def __init__(self, engine: Engine, guard: Guard) -> None:
        self._engine, self._guard = engine, guard

    async def ServerLive(
        self, request: pb2.ServerLiveRequest, context: Context
    ) -> pb2.ServerLiveResponse:
        """Always, where it can answer."""
        return pb2.ServerLiveResponse(live=True)

    async def ServerReady(
        self, request: pb2.ServerReadyRequest, context: Context
    ) -> pb2.ServerReadyResponse:
        """Until it begins to end."""
        return pb2.ServerReadyResponse(ready=self._guard.ready)

    async def ServerMetadata(
        self, request: pb2.ServerMetadataRequest, context: Context
    ) -> pb2.ServerMetadataResponse:
        """Name and version."""
        return pb2.ServerMetadataResponse(name="sweepnet", version=version("sweepnet"))

    async def ModelReady(
        self, request: pb2.ModelReadyRequest, context: Context
    ) -> pb2.ModelReadyResponse:
        """Whether the detector can be used."""
        async with self._guard.reported(context, "ModelReady"):
            try:
                await self._engine.run(self._model, request.name, request.version)
            except SweepnetError:
                return pb2.ModelReadyResponse(ready=False)
            return pb2.ModelReadyResponse(ready=True)

    async def ModelMetadata(
        self, request: pb2.ModelMetadataRequest, context: Context
    ) -> pb2.ModelMetadataResponse:
        """What the detector takes and gives."""
        async with self._guard.reported(context, "ModelMetadata"):
            model = await self._engine.run(self._model, request.name, request.version)
            return pb2.ModelMetadataResponse(
                name=request.name,
                versions=[self._number(request.name, request.version)],
                platform=model.platform,
                inputs=[_metadata(model.input)],
                outputs=[_metadata(model.output)],
            )

    async def ModelInfer(
        self, request: pb2.ModelInferRequest, context: Context
    ) -> pb2.ModelInferResponse:
        """The scores of these windows."""
        async with self._guard.reported(context, "ModelInfer"):
            self._engine.admit()
            return await self._engine.run(self._inferred, request)

    def _model(self, name: str, number: str) -> WindowModel:
        library = self._engine.library
        return described(library.load(resource_name(library, name, number)))

    def _number(self, name: str, number: str) -> str:
        """The number of the version that answers."""
        library = self._engine.library
        version = library.entry(resource_name(library, name, number)).version
        return VERSION if version is None else str(version.number)

    def _inferred(self, request: pb2.ModelInferRequest) -> pb2.ModelInferResponse:
        library = self._engine.library
        detector = library.load(resource_name(library, request.model_name, request.model_version))
        model = described(detector)
        _check_outputs(request, model)
        scores = scored(detector, given(request, model.input))
        told = pb2.ModelInferResponse.InferOutputTensor(
            name=model.output.name, datatype=model.output.datatype, shape=scores.shape
        )
        return pb2.ModelInferResponse(
            model_name=request.model_name,
            model_version=self._number(request.model_name, request.model_version),
            id=request.id,
            parameters={"labels": pb2.InferParameter(string_param=",".join(model.labels))},
            outputs=[told],
            raw_output_contents=[scores.astype("<f4").tobytes()],
        )


def resource_name(library: Library, name: str, number: str) -> str:
    """`detectors/welcome` of `welcome` or of itself; with a number, that version of it.

    A file that stands by itself is its own version 1.
    """
    whole = COLLECTION + name_alone(name)
    if not number:
        return whole
    if not number.isdecimal():
        raise InvalidInput("model_version", f"got {shown(number)}; expected a whole number")
    entry = library.entries.get(whole)
    alone = library.versions is None if entry is None else entry.version is None
    if number == VERSION and alone:
        return whole
    return version_name(whole, int(number))


def given(request: pb2.ModelInferRequest, wanted: Tensor) -> Values:
    """The one input's values in its shape; raises InvalidInput where they are not as wanted."""
    if [each.name for each in request.inputs] != [wanted.name]:
        names = [shown(each.name) for each in request.inputs[:3]]
        raise InvalidInput("inputs", f"got {names}; expected one, named {wanted.name!r}")
    tensor = request.inputs[0]
    shape = tuple(tensor.shape)
    fits = len(shape) == len(wanted.shape) and all(
        got >= 0 and want in (-1, got) for got, want in zip(shape, wanted.shape, strict=True)
    )
    if tensor.datatype != wanted.datatype or not fits:
        raise InvalidInput(
            f"inputs.{wanted.name}",
            f"got {shown(tensor.datatype)} of shape {shown(list(shape))}; expected "
            f"{wanted.datatype} of shape {list(wanted.shape)}, -1 for any length",
        )
    return _values(request, wanted, shape)


def _values(request: pb2.ModelInferRequest, wanted: Tensor, shape: tuple[int, ...]) -> Values:
    kind, field = KINDS[wanted.datatype]
    raw = request.raw_input_contents
    if len(raw) == 1 and len(raw[0]) == math.prod(shape) * np.dtype(kind).itemsize:
        return np.frombuffer(raw[0], kind).reshape(shape)
    plain = getattr(request.inputs[0].contents, field)
    if raw or len(plain) != math.prod(shape):
        got = f"{[len(each) for each in raw[:3]]} raw bytes" if raw else f"{len(plain)} values"
        raise InvalidInput(
            f"inputs.{wanted.name}", f"got {got}; expected those of shape {list(shape)}"
        )
    values = np.array(plain, np.float64 if kind == "<f4" else np.int64)
    if kind == "u1" and (values > 255).any():
        raise InvalidInput(f"inputs.{wanted.name}", "got values above 255; expected 0 to 255")
    return values.astype(kind).reshape(shape)


def _check_outputs(request: pb2.ModelInferRequest, model: WindowModel) -> None:
    for wanted in request.outputs:
        if wanted.name != model.output.name:
            raise InvalidInput(
                "outputs", f"got {shown(wanted.name)}; expected {model.output.name!r}"
            )


def _metadata(tensor: Tensor) -> pb2.ModelMetadataResponse.TensorMetadata:
    return pb2.ModelMetadataResponse.TensorMetadata(
        name=tensor.name, datatype=tensor.datatype, shape=tensor.shape
    )
