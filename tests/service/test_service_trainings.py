"""A training becomes an operation, the operation a live model; wrong orders are told of."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf.duration_pb2 import Duration

from sweepnet_protos.v1 import model_pb2, model_pb2_grpc, trainer_pb2, trainer_pb2_grpc
from sweepnet_service.errors import FailedPrecondition, InvalidInput, ModelUnreadable, NotFound
from sweepnet_service.progress import Progress
from sweepnet_service.server import convert_jobs
from sweepnet_service.store import Library, Lineage, publishing
from sweepnet_service.training.configs import TRUNK, check_confined, ordered, settings_of
from sweepnet_service.training.jobs import Jobs
from sweepnet_service.training.keeping import Keeping
from sweepnet_service.training.order import FOLLOWS, Job, Order, Problem

IMAGE = model_pb2.MODEL_KIND_IMAGE
QUICK = {"pictures": 8, "batch": 4, "aside_share": 0.3, "detect_size_px": 64}


@pytest.fixture(scope="module")
def channel(server: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server) as opened:
        yield opened


def start(channel: grpc.Channel, folder: Path | str, name: str, **settings: Any) -> Any:
    request = trainer_pb2.StartTrainingRequest(kind=IMAGE, model=name, data_folder=str(folder))
    request.settings.update(settings)
    return trainer_pb2_grpc.TrainerServiceStub(channel).StartTraining(request)


def wait(channel: grpc.Channel, name: str, seconds: int = 60) -> Any:
    request = operations_pb2.WaitOperationRequest(name=name, timeout=Duration(seconds=seconds))
    return operations_pb2_grpc.OperationsStub(channel).WaitOperation(request)


def metadata(operation: Any) -> trainer_pb2.TrainingMetadata:
    told = trainer_pb2.TrainingMetadata()
    assert operation.metadata.Unpack(told)
    return told


def names(channel: grpc.Channel) -> list[str]:
    stub = model_pb2_grpc.ModelServiceStub(channel)
    return [model.name for model in stub.ListModels(model_pb2.ListModelsRequest()).models]


def test_a_training_ends_as_a_live_model(channel: grpc.Channel, flower_data: Path) -> None:
    """Started, watched, finished, listed; its card stands beside it."""
    begun = start(channel, flower_data, "detectors/squares", **QUICK)
    assert not begun.done
    assert metadata(begun).model == "detectors/squares"

    ended = wait(channel, begun.name)

    assert ended.done
    result = trainer_pb2.TrainingResult()
    assert ended.response.Unpack(result), ended.error.message
    assert result.model.name == "detectors/squares"
    assert list(result.model.labels) == ["squares"]
    assert metadata(ended).state == trainer_pb2.TRAINING_STATE_SUCCEEDED
    assert "detectors/squares" in names(channel)
    listed = operations_pb2_grpc.OperationsStub(channel).ListOperations(
        operations_pb2.ListOperationsRequest(name="operations")
    )
    assert begun.name in [operation.name for operation in listed.operations]


def test_a_training_can_be_cancelled(channel: grpc.Channel, flower_data: Path) -> None:
    """It ends soon, leaves no model, and its record says so."""
    begun = start(channel, flower_data, "detectors/never", **{**QUICK, "pictures": 1_000_000})
    stub = operations_pb2_grpc.OperationsStub(channel)

    stub.CancelOperation(operations_pb2.CancelOperationRequest(name=begun.name))
    ended = wait(channel, begun.name, 20)

    assert ended.done
    assert ended.error.message == "the training was cancelled"
    assert metadata(ended).state == trainer_pb2.TRAINING_STATE_CANCELLED
    assert "detectors/never" not in names(channel)
    stub.DeleteOperation(operations_pb2.DeleteOperationRequest(name=begun.name))
    with pytest.raises(grpc.RpcError, match="no training named"):
        stub.GetOperation(operations_pb2.GetOperationRequest(name=begun.name))


def test_a_failed_training_tells_why(channel: grpc.Channel, flower_data: Path) -> None:
    """In the words of the training itself."""
    empty = flower_data / "nothing-here"
    empty.mkdir(exist_ok=True)

    ended = wait(channel, start(channel, empty, "detectors/failed", **QUICK).name)

    assert ended.done
    assert "train.json: missing; expected a COCO list" in ended.error.message
    assert metadata(ended).state == trainer_pb2.TRAINING_STATE_FAILED


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"wings": 2}, "settings: no setting named 'wings'; there are"),
        ({"batch": "many"}, "settings.batch: got 'many'; expected int"),
        ({"batch": 2.5}, "settings.batch: got 2.5; expected int"),
    ],
)
def test_a_wrong_setting_is_refused_at_once(
    channel: grpc.Channel, flower_data: Path, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        start(channel, flower_data, "detectors/failed", **settings)

    assert words in caught.value.details()


@pytest.mark.parametrize(
    ("folder", "name", "words"),
    [
        ("/etc", "detectors/a", "outside of the folders that this server may read"),
        ("{data}/../..", "detectors/a", "outside of the folders that this server may read"),
        ("{data}/missing", "detectors/a", "no such folder on the server"),
        ("", "detectors/a", "data_folder: got nothing"),
        ("{data}", "detectors/A b", "model: got 'detectors/A b'; expected a name such as"),
        ("{data}", "../../x", "expected a name such as"),
    ],
)
def test_a_wrong_order_is_refused(
    channel: grpc.Channel, flower_data: Path, folder: str, name: str, words: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        start(channel, folder.format(data=flower_data), name)

    assert words in caught.value.details()


def orders(folder: Path | None, roots: tuple[Path, ...], order: Order) -> Job:
    """The job of an order to a server of these folders, which no worker takes."""
    keeping = Keeping(folder)
    try:
        return asyncio.run(Jobs(Library(folder), roots, keeping).start(order))
    finally:
        keeping.close()


def test_without_roots_or_a_folder_there_is_no_training(tmp_path: Path) -> None:
    order = Order("image", "detectors/a", tmp_path)
    with pytest.raises(FailedPrecondition, match="start it with --models DIR"):
        orders(None, (tmp_path,), order)
    with pytest.raises(FailedPrecondition, match="start it with --training-roots DIR"):
        orders(tmp_path, (), order)
    sent = Order("image", "detectors/a", Path(), data_set="datasets/d")
    with pytest.raises(FailedPrecondition, match="start it with --data-sets DIR"):
        orders(tmp_path, (), sent)
    assert list(tmp_path.iterdir()) == []


def test_a_name_belongs_to_one_kind(tmp_path: Path) -> None:
    """A word cannot take the place of the flower detector."""
    order = Order("keyword", "detectors/flower", tmp_path)
    with pytest.raises(InvalidInput, match="detectors/flower is of kind image; choose another"):
        orders(tmp_path, (tmp_path,), order)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"budget_minutes": -1.0}, "budget_minutes: got -1; expected 0.."),
        ({"budget_minutes": float("nan")}, "budget_minutes: got nan"),
        ({"false_alarms_per_hour": 0.5}, "false_alarms_per_hour: is for keyword detectors"),
        ({"base_model": "detectors/welcome"}, "base_model: detectors/welcome is of kind keyword"),
        ({"labels": ("a", "b")}, "labels: got .*; expected one kind of object"),
        ({"data_set": "datasets/d"}, "data_folder: got nothing, or a data_set too"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, given: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        orders(tmp_path, (tmp_path,), Order("image", "detectors/a", tmp_path, **given))


def test_objects_are_learnt_from_a_model_that_is_there(tmp_path: Path) -> None:
    """Named by the version that it means now; its weights are where the training begins."""
    job = orders(
        tmp_path,
        (tmp_path,),
        Order("image", "detectors/a", tmp_path, base_model="detectors/flower"),
    )
    assert job.order.base_model == "detectors/flower"
    base = Library(tmp_path).entry(job.order.base_model).path
    config, _ = ordered("image", "a", tmp_path, tmp_path, {}, base=base)
    assert config.start_from == base
    with pytest.raises(NotFound, match="no model named"):
        orders(
            tmp_path,
            (tmp_path,),
            Order("image", "detectors/a", tmp_path, base_model="detectors/nothing"),
        )


def test_no_budget_where_steps_are_not_the_measure(tmp_path: Path) -> None:
    settings = {"tune_trunk": True}
    order = Order("keyword", "detectors/a", tmp_path, settings, budget_minutes=5.0)
    with pytest.raises(InvalidInput, match="is for heads on a trunk as it is"):
        orders(tmp_path, (tmp_path,), order)


def test_a_comparison_is_of_what_the_names_mean_now(tiny_models: Path, tmp_path: Path) -> None:
    """And looks where the candidate's training looked."""
    library, data = Library(shutil.copytree(tiny_models, tmp_path / "models")), tmp_path / "data"
    data.mkdir()
    lineage = Lineage(settings={"objects": "mine", "batch": 4})
    name, file = "detectors/blobs", tiny_models / "blobs.safetensors"
    version = publishing.publish(library, name, file, lineage)
    keeping = Keeping(tmp_path / "models")
    jobs = Jobs(library, (tmp_path,), keeping)
    library.refresh()
    order = Order("", version.name, data, task="comparison")
    job = asyncio.run(jobs.start(order))
    assert (job.order.baseline, job.order.kind) == ("detectors/blobs/versions/1", "image")
    assert job.order.settings == {"objects": "mine"}
    with pytest.raises(InvalidInput, match="baseline: is detectors/blobs@live itself"):
        asyncio.run(jobs.start(replace(order, model="detectors/blobs@live")))
    keeping.close()


def test_what_cannot_be_used_is_not_compared(tmp_path: Path) -> None:
    """Told at once; and a job of a kind that nobody knows keeps no other from being listed."""
    (tmp_path / "broken.safetensors").write_bytes(b"no model")
    keeping, library = Keeping(tmp_path), Library(tmp_path)
    jobs = Jobs(library, (tmp_path,), keeping)
    names = ("detectors/broken", "detectors/welcome")
    for candidate, baseline in (names, names[::-1]):
        order = Order("", candidate, tmp_path, task="comparison", baseline=baseline)
        with pytest.raises(ModelUnreadable, match="detectors/broken: not a readable model file"):
            asyncio.run(jobs.start(order))
    assert asyncio.run(jobs.all()) == []
    told = metadata(convert_jobs.operation(library, Job("7", order, 0.0, 0.0)))
    assert told.model == names[1]
    keeping.close()


def test_a_request_that_comes_twice_starts_one_training(tmp_path: Path) -> None:
    """As after a broken connection; for another order its name is taken."""
    keeping = Keeping(tmp_path)
    jobs = Jobs(Library(tmp_path), (tmp_path,), keeping)
    order = Order("image", "detectors/a", tmp_path, QUICK)
    first, second = (asyncio.run(jobs.start(order, "mine")) for _ in range(2))
    assert first.id == second.id
    with pytest.raises(FailedPrecondition, match="was started with it, for another order"):
        asyncio.run(jobs.start(Order("image", "detectors/b", tmp_path, QUICK), "mine"))
    keeping.close()


def test_every_open_state_leads_to_an_end() -> None:
    """A failed or cancelled one may be resumed."""
    ends = {"succeeded", "failed", "cancelled"}
    for state in FOLLOWS:
        reached, front = {state}, [state]
        while front:
            front = [s for each in front for s in FOLLOWS[each] if s not in reached]
            reached |= set(front)
        assert reached & ends


@pytest.mark.parametrize("kind", ["image", "keyword"])
def test_settings_are_found_in_the_trainings_own_records(kind: str) -> None:
    """No list of them is written twice."""
    known = settings_of(kind)
    assert "seed" in known
    assert known["seed"].kind is int
    assert not {"data", "work_dir", "out"} & set(known)


def test_an_order_is_heard_by_the_shipped_trunk(tmp_path: Path) -> None:
    """Whatever form the data has; the word is the model's name."""
    plain, _ = ordered("keyword", "good_day", tmp_path, tmp_path / "place", {"seed": 4.0})
    assert (plain.data, plain.trunk, plain.train_trunk) == (tmp_path, TRUNK, False)
    assert (plain.keyword, plain.seed) == ("good day", 4)
    settings = {"keyword": "guten tag", "head_settings.steps": 5, "near_words": ["gut"]}
    own, made = ordered("keyword", "good_day", tmp_path, tmp_path / "place", settings)
    assert (own.keyword, own.head_settings.steps, own.near_words) == ("guten tag", 5, ("gut",))
    assert made == own.out == tmp_path / "place" / "good_day.safetensors"


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InvalidInput, match="kind: got 'video'; expected one of keyword, image"):
        settings_of("video")


@pytest.mark.parametrize("name", ["/etc", "../secret", "..", "a/b", "", "flowers\n"])
@pytest.mark.parametrize("setting", ["objects", "negatives"])
def test_a_setting_leads_to_no_other_folder(tmp_path: Path, setting: str, name: str) -> None:
    """Names of folders within the data are names, not paths."""
    order = Order("image", "detectors/a", tmp_path, {setting: name})
    with pytest.raises(InvalidInput, match=rf"settings\.{setting}: got .*; expected a folder's"):
        orders(tmp_path, (tmp_path,), order)


@pytest.mark.parametrize("place", ["flowers", "flowers/train", "flowers/train.json", "a/b/c/d.wav"])
def test_a_link_leads_to_no_other_folder(tmp_path: Path, place: str) -> None:
    """Unless that is one of the roots too."""
    outside, data = tmp_path / "outside", tmp_path / "data"
    outside.mkdir()
    (data / place).parent.mkdir(parents=True)
    (data / place).symlink_to(outside)
    with pytest.raises(InvalidInput, match=f"{place} is a link to a place outside"):
        check_confined(data, (data,))
    check_confined(data, (data, outside))


def test_no_folder_of_the_server_is_told() -> None:
    """Not in problems, nor in words about the progress."""
    problem = Problem("a.wav", "the same recording is there twice: /srv/secret/own/b.wav")
    progress = Progress("done", 1, 1, None, "/srv/secret/place/made.safetensors")
    job = Job("7", Order("image", "detectors/a", Path("/srv")), 0.0, 0.0, "running", progress)
    told = metadata(convert_jobs.operation(Library(None), replace(job, problems=(problem,))))
    assert told.problems[0].reason == "the same recording is there twice: b.wav"
    assert told.message == "made.safetensors"


def test_nobody_waits_for_ever(channel: grpc.Channel, flower_data: Path) -> None:
    """A timeout beyond all time is a day; the answer comes when there is one."""
    assert convert_jobs.seconds(Duration(seconds=2**60)) == 86_400
    assert convert_jobs.seconds(Duration(seconds=-(2**60))) == 0
    assert convert_jobs.seconds(Duration()) is None
    empty = flower_data / "nothing-to-wait-for"
    empty.mkdir(exist_ok=True)
    begun = start(channel, empty, "detectors/failed", **QUICK)
    assert wait(channel, begun.name, 2**60).done
