"""An example for each verb, as `--help` and docs/commands.md tell it."""

from __future__ import annotations

import typer

EXAMPLES = {
    "spot": "sweepnet spot meeting.mp3 --labels meeting.txt",
    "detect": "sweepnet detect garden.jpg --json",
    "batch": "sweepnet batch calls/ --out words.csv --rows finds",
    "listen": "sweepnet listen --false-alarms-per-hour 0.5",
    "models": "sweepnet models --json",
    "models show": "sweepnet models show welcome --card",
    "models versions": "sweepnet models versions good_day --server localhost",
    "models promote": "sweepnet models promote good_day/versions/3 --server localhost",
    "models rollback": "sweepnet models rollback good_day --server localhost",
    "models compare": "sweepnet models compare good_day/versions/3 datasets/own --server localhost",
    "models delete": "sweepnet models delete good_day/versions/1 --server localhost",
    "data": "sweepnet data --server localhost",
    "data delete": "sweepnet data delete datasets/own-1f3a5b7c --server localhost",
    "jobs": "sweepnet jobs --server localhost",
    "jobs watch": "sweepnet jobs watch 5a2a8866cb614d77 --server localhost",
    "jobs cancel": "sweepnet jobs cancel 5a2a8866cb614d77 --server localhost",
    "jobs resume": "sweepnet jobs resume 5a2a8866cb614d77 --server localhost",
    "jobs log": "sweepnet jobs log 5a2a8866cb614d77 --server localhost",
    "jobs delete": "sweepnet jobs delete 5a2a8866cb614d77 --server localhost",
    "review": "sweepnet review --server localhost --detector good_day",
    "review list": "sweepnet review list --server localhost",
    "review answer": "sweepnet review answer 20261121t183002-1f3a5b7c yes --server localhost",
    "review fetch": "sweepnet review fetch 20261121t183002-1f3a5b7c --out a.wav --server localhost",
    "review delete": "sweepnet review delete --all --server localhost",
    "demo": "sweepnet demo --fast",
    "doctor": "sweepnet doctor --json",
    "serve": "sweepnet serve --models models --port 50051",
    "worker": "sweepnet worker --models models",
    "train keyword": 'sweepnet train keyword recordings --keyword "good day"',
    "train personal": "sweepnet train personal me/ --keyword computer",
    "train trunk": "sweepnet train trunk speech.csv --out models/trunk.safetensors",
    "train image": "sweepnet train image --data photos --out models/flower.safetensors",
    "evaluate keyword": "sweepnet evaluate keyword welcome recordings",
    "evaluate image": "sweepnet evaluate image --data photos",
    "export": "sweepnet export welcome --onnx",
    "bench": "sweepnet bench recordings --word welcome --model welcome",
    "retune": "sweepnet retune models/good_day.safetensors recordings",
    "join": "sweepnet join welcome models/good_day.safetensors --out models/both.safetensors",
}


def example(path: str) -> str | None:
    """What `--help` of a verb ends with."""
    return f"Example: {EXAMPLES[path]}" if path in EXAMPLES else None


def add_examples(name: str, group: typer.Typer) -> None:
    """Put their examples to the verbs of a group; those of their own stay."""
    for info in group.registered_commands:
        verb = info.name or (info.callback.__name__ if info.callback else "")
        info.epilog = info.epilog or example(f"{name} {verb}")
