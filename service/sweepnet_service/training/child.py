"""The process that trains: reads an order from stdin and tells of its work in JSON lines on stdout.

    {"event": "progress", "stage", "done", "total", "seconds_left", "message"}
    {"event": "problems", "problems": [{"file", "reason", "refused"}]}
    {"event": "budget", "steps"}
    {"event": "alive"}
    {"event": "done", "path", "data_sha256", "capture_count", "comparison", "remark"}
    {"event": "error", "kind", "where", "message"}

It dies with its parent, whose end closes stdin.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from cnn_core.errors import CoreError
from sweepnet_service.errors import SweepnetError
from sweepnet_service.progress import Progress
from sweepnet_service.training.order import Order

BEAT_S = 5.0
POLITENESS = 10
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Voice:
    """Lines for the parent; several threads may speak."""

    def __init__(self, out: IO[str]) -> None:
        self._out, self._lock = out, threading.Lock()

    def say(self, event: str, **content: Any) -> None:
        """One line."""
        with self._lock:
            self._out.write(json.dumps({"event": event, **content}) + "\n")
            self._out.flush()

    def progress(self, progress: Progress) -> None:
        """Where the training is."""
        self.say("progress", **asdict(progress))


def work(told: dict[str, Any], voice: Voice) -> None:
    """Do as ordered and tell how it went.

    What the order or the data are to blame for is told as an error; anything else ends the process,
    and whoever started it may try again.
    """
    from sweepnet_service.training.labour import done

    order, place, models = Order.from_json(told["order"]), Path(told["place"]), Path(told["models"])
    try:
        voice.say("done", **done(order, place, models, voice.say, voice.progress))
    except SweepnetError as error:
        voice.say("error", kind=type(error).__name__, where=error.where, message=error.message)
    except CoreError as error:
        voice.say("error", kind="FailedPrecondition", where="training", message=str(error))
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        traceback.print_exc()
        told_of = f"{error.strerror} on the server; make room, then let it go on (jobs resume)"
        voice.say("error", kind="FailedPrecondition", where="training", message=told_of)


def _beat(voice: Voice) -> None:
    while True:
        time.sleep(BEAT_S)
        voice.say("alive")


def _die_with_parent() -> None:
    sys.stdin.read()
    os._exit(3)


def own_stdout() -> IO[str]:
    """Standard output for the lines alone.

    Whatever else is printed, by Python, a library in C or a program that the training starts,
    belongs to the log.
    """
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return out


def main() -> None:
    """Do one order."""
    os.nice(POLITENESS)
    told = json.loads(sys.stdin.readline())
    voice = Voice(own_stdout())
    for target, arguments in ((_beat, (voice,)), (_die_with_parent, ())):
        threading.Thread(target=target, args=arguments, daemon=True).start()
    work(told, voice)


if __name__ == "__main__":
    main()
