"""`sweepnet train keyword|image|trunk|personal`: train here, with a flag for each setting."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import typer

from sweepnet_service.threads import limit_threads

limit_threads()

from sweepnet_service.commands.ending import clear_ending  # noqa: E402
from sweepnet_service.commands.flags import Flag, given, with_flags  # noqa: E402
from sweepnet_service.commands.meter import metered  # noqa: E402
from sweepnet_service.commands.places import (  # noqa: E402
    MODELS_VARIABLE,
    check_writable,
    model_file,
    pictures_folder,
)
from sweepnet_service.commands.train_personal import train_personal  # noqa: E402
from sweepnet_service.commands.train_trunk import train_trunk  # noqa: E402
from sweepnet_service.commands.verdicts import told_verdicts  # noqa: E402
from sweepnet_service.errors import InvalidInput  # noqa: E402
from sweepnet_service.store.names import SUFFIX  # noqa: E402
from sweepnet_service.training.configs import (  # noqa: E402
    KINDS,
    PLAIN,
    configured,
    settings_of,
    train,
    training_module,
)

INTERRUPTED = 130
WORK, OUT, TRUNK, DATA, TEACHER = "work_dir", "out", "trunk", "data", "teacher"
START = "start_from"
ADD_TO = "add_to"
KEYWORD, ALSO, SYNTHESIZE = "keyword", "also", "synthesize"
TRAIN_TRUNK, TUNE_TRUNK = "train_trunk", "tune_trunk"
DATASET, CHECK = "dataset", "check_only"
PHASES, MORE = "phases", "detect_more_px"
DEFAULT_TRUNK = "welcome"
PLACES = {
    DATA: "Folder with the data to learn from.",
    "folder": "A data set of your own beside the shipped models' data.",
    TRUNK: "Keyword model, by its name or its file, whose phone trunk is used. Default welcome.",
    "mine": "Speech without the word: what the model takes for it there is learnt from too.",
    ADD_TO: "Keyword model, by its name or its file, that gets the words besides its own; its "
    "trunk is used unless --trunk names another.",
    START: "Image model, by its name or its file, or the work folder of an earlier training: "
    "its weights are the first ones.",
    TEACHER: "Image model, by its name or its file, that labels what is missing in incomplete "
    "photos.",
    WORK: "Folder that keeps the state: the same command goes on from there. Beside the model "
    "by default.",
    OUT: "Model file to write; its card is put beside it.",
}
KEYWORD_PLACES = {
    DATA: "The same as DATA.",
    OUT: "Model file to write, its card beside it. Default: the word's name, here.",
}
SPECIAL = (
    Flag(
        DATASET,
        Path,
        "Data set: a folder with positive/ and negative/, audio files with label tracks, a CSV "
        "manifest, or the shipped models' data.",
        metavar="[DATA]",
        place=True,
    ),
    Flag(KEYWORD, list[str], "Word or phrase to find; several: a head each on one trunk."),
    Flag(
        SYNTHESIZE,
        str,
        "How many clips of the word, and of others, the system's speech programs speak (default "
        "1200, 0: none); or the word to speak and find.",
        metavar="COUNT|WORD",
    ),
    Flag(TRAIN_TRUNK, bool, "Train the phone trunk anew, which takes hours of speech and time."),
    Flag(
        TUNE_TRUNK,
        bool,
        "Learn the words together with the trunk. It pays with hundreds of recordings of each word "
        "and hours of other speech, and takes about 10 minutes of one core for each 800 steps; "
        "with fewer, heads on the trunk as it is (the default) are the better choice.",
    ),
    Flag(
        "phones_only",
        bool,
        "Read each word off the trunk's phones alone: seconds, without speech programs or "
        "recordings where the trunk's file tells how such words do.",
    ),
    Flag("features", str, "What a trunk is trained on: log-mel (the default) or pcen."),
    Flag(
        "near_words", list[str], "What sounds like the word, in place of what its spelling tells."
    ),
    Flag(
        "pronunciations",
        list[str],
        'The word\'s phones, as "w eh l k ah m"; several: the best counts. Default: the speech '
        "programs'.",
    ),
    Flag("path_weight", float, "Weight of the word's phones beside heads. Default: by the trunk."),
    Flag("splice", int, "How many words are put together from readers' sentences. Default 0."),
    Flag(
        "heads",
        int,
        "How many heads the mean is taken of; every second one learns with noise. Words that "
        "nobody recorded gain by 4. Default 2.",
    ),
    Flag(
        "head_settings.widest",
        int,
        "Dilation of a head's last convolution: 8 makes windows of 1.60 s, 6 of 1.49 s. Default 8.",
    ),
    Flag(CHECK, bool, "Tell which recordings can be learnt from, and end."),
)

IMAGE_SPECIAL = (
    Flag(
        DATASET,
        Path,
        "Labelled pictures: a folder as COCO, Pascal VOC or YOLO keep them, or the shipped "
        "models' data.",
        metavar="[DATA]",
        place=True,
    ),
    Flag(
        PHASES,
        list[str],
        "Side of the input in pixels and the share of the training up to which it has it, again "
        "for each. Default 192:0.65 and 256:1.",
        metavar="SIDE:UNTIL",
    ),
    Flag(
        MORE,
        list[int],
        "Further side in pixels at which the finished detector looks at a picture, again for each.",
    ),
    Flag(
        "detect_mirrored",
        bool,
        "The finished detector looks at a picture in a mirror too, for twice the time, and answers "
        "with the mean.",
    ),
    Flag(
        "detect_fused",
        bool,
        "Of an object found at several sizes the finished detector tells the mean of the boxes in "
        "place of the best one.",
    ),
    Flag(
        "detect_voters",
        int,
        "How many neighbouring places at most the finished detector lets vote on an object: a box "
        "becomes the mean of those that agree, its score the mean of the best. Default 1.",
    ),
)

app = typer.Typer(
    help="Train a detector here, or on a server (`sweepnet train --server HOST --help`).",
    no_args_is_help=True,
)


def command(kind: str) -> Callable[..., None]:
    """The verb that trains detectors of this kind."""
    special = SPECIAL if kind == "keyword" else IMAGE_SPECIAL
    named = {flag.name for flag in special} | {ALSO}
    flags = (
        *special,
        *_places(kind),
        *(flag for flag in _settings(kind) if flag.name not in named),
    )

    def verb(**values: Any) -> None:
        _train(kind, given(values, flags))

    verb.__doc__ = f"Train {'an image' if kind == 'image' else 'a keyword'} detector."
    return with_flags(clear_ending(f"train {kind}")(verb), flags)


def _places(kind: str) -> list[Flag]:
    owner = training_module(kind).TrainConfig
    hints = get_type_hints(owner)
    optional = {WORK, DATA} if kind == "image" else {WORK, OUT}
    told = PLACES if kind == "image" else {**PLACES, **KEYWORD_PLACES}
    return [
        Flag(
            field.name,
            Path,
            told.get(field.name, ""),
            required=hints[field.name] is Path and field.name not in optional,
            metavar="PATH",
        )
        for field in fields(owner)
        if hints[field.name] in (Path, Path | None)
    ]


def _settings(kind: str) -> list[Flag]:
    return [
        Flag(
            setting.name,
            setting.kind if setting.kind in PLAIN[:-1] else list[str],
            _told(setting.default),
            required=setting.default is MISSING,
        )
        for setting in settings_of(kind).values()
    ]


def _told(default: Any) -> str:
    shown = ", ".join(default) if isinstance(default, tuple) else default
    return "" if default is MISSING or shown == "" else f"Default {shown}."


def _train(kind: str, values: dict[str, Any]) -> None:
    check_only = bool(values.pop(CHECK, False))
    values = with_words(values) if kind == "keyword" else with_pictures(values)
    places = {name: value for name, value in values.items() if isinstance(value, Path)}
    out = places[OUT]
    places.setdefault(WORK, work_beside(out, values[KEYWORD] if ADD_TO in places else ""))
    phases, more = values.pop(PHASES, None), values.pop(MORE, ())
    settings = {name: value for name, value in values.items() if name not in places}
    config = configured(kind, with_models(kind, places), settings)
    if phases:
        config = replace(config, phases=phases_of(phases))
    if more:
        config = replace(config, detect_more_px=tuple(more))
    if check_only:
        told_verdicts(config, sys.stdout, to_train=False)
        return
    check_writable(out)
    try:
        if kind == "keyword":
            told_verdicts(config, sys.stderr, to_train=True)
        with metered() as report:
            made = train(kind, config, report)
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on from {places[WORK]}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    except OSError as error:
        # A full disk is told of without a name; most is written where the state is kept.
        error.filename = error.filename or str(places[WORK])
        raise
    print(made)


def work_beside(out: Path, added: str = "") -> Path:
    """The folder beside a model file in which its training keeps its state; words that are added
    to a file one after the other have one each.
    """
    name = "-".join(filter(None, (out.stem, re.sub(r"\W+", "-", added))))
    return out.with_name(f".{name}-training")


def with_words(values: dict[str, Any]) -> dict[str, Any]:
    """The values with the words to find, the data set and the file to write by their own names.

    Raises InvalidInput where no word is given, or the data set is given twice.
    """
    values = dict(values)
    words = list(values.pop(KEYWORD, ()))
    spoken = values.pop(SYNTHESIZE, None)
    if spoken is not None:
        try:
            values[SYNTHESIZE] = int(spoken)
        except ValueError:
            words += [spoken] if spoken not in words else []
    if not words:
        raise InvalidInput(KEYWORD, "is not given; expected the word to find (--keyword WORD)")
    values[KEYWORD], values[ALSO] = words[0], tuple(words[1:])
    values = with_data(values)
    values.setdefault(OUT, Path(re.sub(r"\W+", "_", words[0]) + SUFFIX))
    return values


def with_data(values: dict[str, Any]) -> dict[str, Any]:
    """The values with the data set by its own name. Raises InvalidInput where it is given twice."""
    values = dict(values)
    dataset = values.pop(DATASET, None)
    if dataset is not None and DATA in values:
        raise InvalidInput(DATA, f"got {dataset} and --data {values[DATA]}; give one of them")
    if dataset is not None:
        values[DATA] = dataset
    return values


def with_pictures(values: dict[str, Any]) -> dict[str, Any]:
    """As `with_data`. Raises InvalidInput where no data set is given, or there is none."""
    values = with_data(values)
    if DATA not in values:
        raise InvalidInput(DATA, "is not given; expected a folder of labelled pictures")
    return {**values, DATA: pictures_folder(values[DATA])}


def phases_of(texts: Sequence[str]) -> tuple[Any, ...]:
    """The phases of an image training, written SIDE:UNTIL. Raises InvalidInput."""
    from sweepnet_service.detectors.image.config import Phase

    try:
        pairs = [text.split(":") for text in texts]
        return tuple(Phase(float(until), int(side)) for side, until in pairs)
    except ValueError:
        raise InvalidInput(
            PHASES, f"got {', '.join(texts)}; expected SIDE:UNTIL, such as 192:0.65 and 256:1"
        ) from None


def with_models(kind: str, places: dict[str, Path]) -> dict[str, Path]:
    """The places with the files of the models that may be given by their names: the one whose
    trunk a keyword shares, the one that it is added to, an image detector's teacher and start.
    """
    named = {name: places[name] for name in (TRUNK, ADD_TO, TEACHER, START) if name in places}
    found = {name: path if path.exists() else model_at(path) for name, path in named.items()}
    if kind == "keyword" and TRUNK not in found:
        found[TRUNK] = found[ADD_TO] if ADD_TO in found else model_at(Path(DEFAULT_TRUNK))
    return {**places, **found}


def model_at(name: Path) -> Path:
    """The file of a model that is given by its name."""
    more = os.environ.get(MODELS_VARIABLE)
    return model_file(str(name), Path(more) if more else None)


for _kind in KINDS:
    app.command(_kind)(command(_kind))
app.command("trunk")(train_trunk)
app.command("personal")(train_personal)
