"""What each method of the workshop does, without input or output over the network of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from google.longrunning import operations_pb2

from sweepnet import _calls, _convert_models
from sweepnet._flows import Flow, Step
from sweepnet.workshop import calls, convert, sending
from sweepnet.workshop.convert import CAPTURES, MODELS, OPERATIONS, SETS, named
from sweepnet.workshop.options import TrainOptions
from sweepnet.workshop.records import Capture, DataSet, Job, Version
from sweepnet.workshop.sending import Sent
from sweepnet_protos.v1 import capture_pb2, data_set_pb2, model_pb2, trainer_pb2


def train(kind: str, data: str, name: str, options: TrainOptions) -> Flow[Job]:
    """A training that was just started."""
    return convert.job((yield Step(calls.START, convert.start(kind, data, name, options))))


def compare(candidate: str, data: str, baseline: str) -> Flow[Job]:
    """A comparison that was just started."""
    request = trainer_pb2.StartComparisonRequest(
        candidate=named(MODELS, candidate),
        baseline=named(MODELS, baseline) if baseline else "",
        **convert.data(data),
    )
    return convert.job((yield Step(calls.COMPARE, request)))


def jobs() -> Flow[tuple[Job, ...]]:
    """All jobs, the newest last, page by page."""
    found: list[Job] = []
    token = ""
    while True:
        page = yield Step(_calls.LIST_OPERATIONS, _convert_models.trainings_request(token))
        found += map(convert.job, page.operations)
        token = page.next_page_token
        if not token:
            return tuple(sorted(found, key=lambda job: (job.created_s, job.name)))


def job(name: str, timeout_s: float | None) -> Flow[Job]:
    """A job that has ended, or as it is after `timeout_s`; None: as it is."""
    name = named(OPERATIONS, name)
    if timeout_s is None:
        return convert.job(
            (yield Step(_calls.GET_OPERATION, operations_pb2.GetOperationRequest(name=name)))
        )
    request = _convert_models.wait_request(name, timeout_s)
    return convert.job((yield Step(_calls.WAIT_OPERATION, request)))


def cancel(name: str) -> Flow[None]:
    """Asks a job to stop."""
    request = operations_pb2.CancelOperationRequest(name=named(OPERATIONS, name))
    yield Step(_calls.CANCEL_OPERATION, request)


def resume(name: str) -> Flow[Job]:
    """A job that goes on."""
    request = trainer_pb2.ResumeTrainingRequest(name=named(OPERATIONS, name))
    return convert.job((yield Step(calls.RESUME, request)))


def log(name: str) -> Flow[str]:
    """The last lines of a job's log."""
    request = trainer_pb2.GetTrainingLogRequest(name=named(OPERATIONS, name))
    return str((yield Step(calls.LOG, request)).text)


def forget(name: str) -> Flow[None]:
    """Forgets a job that has ended."""
    request = operations_pb2.DeleteOperationRequest(name=named(OPERATIONS, name))
    yield Step(calls.DELETE_JOB, request)


def versions(name: str) -> Flow[tuple[Version, ...]]:
    """All versions of a detector, the newest first, page by page."""
    found: list[Version] = []
    request = model_pb2.ListModelVersionsRequest(name=named(MODELS, name))
    while True:
        page = yield Step(calls.VERSIONS, request)
        found += map(convert.version, page.versions)
        request.page_token = page.next_page_token
        if not request.page_token:
            return tuple(found)


def promote(name: str, alias: str, force: bool) -> Flow[Version]:
    """The version that the alias now names."""
    request = model_pb2.PromoteModelRequest(name=named(MODELS, name), alias=alias, force=force)
    return convert.version((yield Step(calls.PROMOTE, request)).version)


def roll_back(name: str, alias: str) -> Flow[Version]:
    """The version that the alias named before."""
    request = model_pb2.RollBackModelRequest(name=named(MODELS, name), alias=alias)
    return convert.version((yield Step(calls.ROLL_BACK, request)).version)


def delete_model(name: str) -> Flow[None]:
    """Deletes a version, or a detector with all of them."""
    yield Step(calls.DELETE_MODEL, model_pb2.DeleteModelRequest(name=named(MODELS, name)))


def send(folder: str | os.PathLike[str], name: str, sent: Sent) -> Flow[DataSet]:
    """A folder as a data set on the server; what is there of it is not sent again."""
    name = named(SETS, name)
    files = sending.files_of(folder)
    told = [
        data_set_pb2.DataFile(path=x.path, size_bytes=x.size_bytes, sha256=x.sha256) for x in files
    ]
    request = data_set_pb2.CreateDataSetRequest(name=name, files=told)
    begun = (yield Step(calls.CREATE, request)).data_set
    if begun.complete:
        sent(begun.size_bytes, begun.size_bytes)
        return convert.data_set(begun)
    there = {each.path: int(each.received_bytes) for each in begun.files}
    tell = _adding(sum(there.values()), sum(file.size_bytes for file in files), sent)
    for file in files:
        for offset, piece in sending.pieces(file, there[file.path]):
            yield Step(calls.UPLOAD, _piece(name, file.path, offset, piece))
            tell(len(piece))
    finish = data_set_pb2.FinishDataSetRequest(name=name)
    return convert.data_set((yield Step(calls.FINISH, finish)).data_set)


def _piece(name: str, path: str, offset: int, content: bytes) -> data_set_pb2.UploadChunkRequest:
    return data_set_pb2.UploadChunkRequest(data_set=name, path=path, offset=offset, content=content)


def _adding(done: int, total: int, sent: Sent) -> Callable[[int], None]:
    def tell(more: int) -> None:
        nonlocal done
        done += more
        sent(done, total)

    tell(0)
    return tell


def data_sets() -> Flow[tuple[DataSet, ...]]:
    """All data sets, page by page."""
    found: list[DataSet] = []
    request = data_set_pb2.ListDataSetsRequest()
    while True:
        page = yield Step(calls.LIST_SETS, request)
        found += map(convert.data_set, page.data_sets)
        request.page_token = page.next_page_token
        if not request.page_token:
            return tuple(found)


def delete_data_set(name: str) -> Flow[None]:
    """Deletes a data set and its files."""
    yield Step(calls.DELETE_SET, data_set_pb2.DeleteDataSetRequest(name=named(SETS, name)))


def captures(detector: str, unanswered: bool) -> Flow[tuple[Capture, ...]]:
    """All captures, the oldest first, page by page."""
    found: list[Capture] = []
    request = capture_pb2.ListCapturesRequest(
        detector=named(MODELS, detector) if detector else "", unanswered=unanswered
    )
    while True:
        page = yield Step(calls.LIST_CAPTURES, request)
        found += map(convert.capture, page.captures)
        request.page_token = page.next_page_token
        if not request.page_token:
            return tuple(found)


def capture(name: str) -> Flow[Capture]:
    """A capture with its content."""
    request = capture_pb2.GetCaptureRequest(name=named(CAPTURES, name))
    told = yield Step(calls.GET_CAPTURE, request)
    return convert.capture(told.capture, told.content)


def answer(name: str, answer: bool | None) -> Flow[Capture]:
    """The capture as it is once it was answered."""
    request = convert.answered(name, answer)
    return convert.capture((yield Step(calls.ANSWER_CAPTURE, request)).capture)


def delete_capture(name: str) -> Flow[None]:
    """Deletes a capture and its answer."""
    request = capture_pb2.DeleteCaptureRequest(name=named(CAPTURES, name))
    yield Step(calls.DELETE_CAPTURE, request)


def changes(before: Job | None, now: Job) -> Iterable[Job]:
    """The job, if it has changed."""
    return () if now == before else (now,)
