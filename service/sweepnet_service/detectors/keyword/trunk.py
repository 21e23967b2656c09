"""The phone trunk: log-mel frames -> 160 values each 30 ms that tell phones apart, learnt with CTC.

One trunk serves every keyword: its phone output is left away and a small head put in its place.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnn_core import checkpoint
from cnn_core.arrays import Array, Integers
from cnn_core.layers import BatchNorm, Conv1d, Dropout, Identity, Relu, Sequential, Sum
from cnn_core.losses import ctc
from cnn_core.optim import AdamW, clip_norm
from cnn_core.schedules import cosine
from sweepnet_service.detectors.keyword.bank import Bank
from sweepnet_service.detectors.keyword.frontend import FrontEnd
from sweepnet_service.detectors.keyword.phones import PHONES
from sweepnet_service.detectors.keyword.spectral import Spectral
from sweepnet_service.progress import Progress, Report

CHANNELS = 160
MARGIN = 31
STEPS = 1_000_000


@dataclass(frozen=True)
class TrunkSettings:
    """How the trunk is trained; `batch_frames` counts 10 ms frames, padding included."""

    epochs: int = 25
    rate: float = 3e-3
    warmup: float = 0.05
    weight_decay: float = 0.01
    clip: float = 5.0
    dropout: float = 0.1
    batch_frames: int = 10_000
    seed: int = 0


@dataclass(frozen=True)
class Transcribed:
    """Copies of the same utterances as features, their phones and who speaks."""

    copies: tuple[Bank, ...]
    phones: tuple[Integers, ...]
    speakers: tuple[str, ...] = ()
    chosen: Integers | None = None
    """The utterances to learn from; all where there is none."""

    @property
    def rows(self) -> Integers:
        return np.arange(len(self.phones)) if self.chosen is None else self.chosen


def build_trunk(rng: np.random.Generator, bands: int = 40, dropout: float = 0.1) -> Sequential:
    """The trunk without its phone output: (N, T, bands) -> (N, (T - 62) / 3, 160)."""
    first = convolution(rng, bands, 128, kernel=5)
    second = convolution(rng, 128, CHANNELS, kernel=5, stride=3)
    blocks = [residual(rng, CHANNELS, dilation, dropout) for dilation in (1, 1, 2, 2, 3)]
    return Sequential((*first, *second, *blocks))


def build_phone_net(rng: np.random.Generator, settings: TrunkSettings, bands: int) -> Sequential:
    """The trunk with its phone output: (N, T, bands) -> logits (N, T', 1 + phones)."""
    trunk = build_trunk(rng, bands, settings.dropout)
    output = Conv1d.create(rng, CHANNELS, 1 + len(PHONES), kernel=1)
    return Sequential((*trunk.layers, output))


def without_output(net: Sequential) -> Sequential:
    """A phone network without its last layer."""
    return Sequential(net.layers[:-1])


def convolution(
    rng: np.random.Generator,
    channels_in: int,
    channels_out: int,
    kernel: int,
    stride: int = 1,
    dilation: int = 1,
) -> tuple[Any, ...]:
    """Valid convolution, batch norm, ReLU."""
    weights = Conv1d.create(
        rng, channels_in, channels_out, kernel, stride=stride, dilation=dilation, bias=False
    )
    return weights, BatchNorm.create(channels_out), Relu()


def residual(rng: np.random.Generator, channels: int, dilation: int, dropout: float) -> Sum:
    """x + dropout(ReLU(norm(conv3(x)))), x cropped to fit."""
    inner = convolution(rng, channels, channels, kernel=3, dilation=dilation)
    return Sum((Identity(), Sequential((*inner, Dropout(dropout)))))


def train_trunk(
    speech: Transcribed,
    spectral: Spectral,
    settings: TrunkSettings,
    checkpoint_path: Path,
    report: Report,
    begin: Sequential | None = None,
) -> Sequential:
    """The trained phone network, whose first weights are those of `begin`, random without it.

    Goes on from `checkpoint_path` if it exists: undisturbed where `settings` are the same, at the
    learning rate of the longer schedule where there are more epochs now.
    """
    bands = spectral.features.bands
    net = begin or build_phone_net(np.random.default_rng(settings.seed), settings, bands)
    optimiser = AdamW(weight_decay=settings.weight_decay)
    state, first = optimiser.init(net), 0
    if checkpoint_path.exists():
        trees, record = checkpoint.load(checkpoint_path, like={"net": net, "state": state})
        net, state, first = trees["net"], trees["state"], record["epoch"]
    start = time.monotonic()
    for epoch in range(first, settings.epochs):
        losses = []
        for values, lengths, labels, step, rng in epoch_batches(speech, spectral, settings, epoch):
            loss, grads = phone_gradient(net, values, lengths, labels, rng)
            grads = clip_norm(grads, settings.clip)
            rate = cosine(step, STEPS, settings.rate, round(settings.warmup * STEPS))
            net, state = optimiser.step(net, state, grads, rate)
            losses.append(loss)
        record = {"epoch": epoch + 1, "settings": asdict(settings)}
        checkpoint.save(checkpoint_path, {"net": net, "state": state}, record)
        left = (time.monotonic() - start) / (epoch + 1 - first) * (settings.epochs - epoch - 1)
        message = f"loss {np.mean(losses):.3f} per phone"
        report(Progress("trunk", epoch + 1, settings.epochs, left, message))
    return net


def phone_gradient(
    net: Sequential,
    values: Array,
    lengths: Integers,
    labels: list[Integers],
    rng: np.random.Generator,
) -> tuple[float, Sequential]:
    """CTC loss per phone of a batch, and its gradient."""
    logits, pull = net.vjp(values, rng)
    losses, slopes = ctc(logits, lengths, labels)
    possible = np.isfinite(losses)
    phones = max(1, sum(len(label) for label, fits in zip(labels, possible, strict=True) if fits))
    _, grads = pull(slopes / np.float32(phones))
    return float(np.sum(losses[possible]) / phones), grads


def epoch_batches(
    speech: Transcribed, spectral: Spectral, settings: TrunkSettings, epoch: int
) -> Iterator[tuple[Array, Integers, list[Integers], int, np.random.Generator]]:
    """The batches of an epoch, shuffled: values, output lengths, labels, step of STEPS, rng."""
    rng = np.random.default_rng((settings.seed, epoch))
    choice = rng.integers(0, len(speech.copies), len(speech.phones))
    every = np.stack([bank.lengths for bank in speech.copies])
    lengths = every[choice, np.arange(len(choice))]
    plan = pack(lengths[speech.rows], settings.batch_frames, rng)
    for number, places in enumerate(plan):
        rows = speech.rows[places]
        frames = [speech.copies[choice[row]][row] for row in rows]
        values = spectral(pad(frames, spectral.features), rng)
        labels = [speech.phones[row] for row in rows]
        done = round(STEPS * (epoch + number / len(plan)) / settings.epochs)
        yield values, np.maximum(lengths[rows] // 3, 1), labels, done, rng


def pack(lengths: Integers, limit: int, rng: np.random.Generator) -> list[Integers]:
    """Rows of similar length in batches of at most `limit` frames with padding, shuffled."""
    order = np.argsort(lengths * rng.uniform(0.95, 1.05, len(lengths)))
    batches: list[list[int]] = [[]]
    longest = 0
    for row in order:
        longest = max(longest, int(lengths[row]) + 2 * MARGIN)
        if batches[-1] and (len(batches[-1]) + 1) * longest > limit:
            batches.append([])
            longest = int(lengths[row]) + 2 * MARGIN
        batches[-1].append(int(row))
    shuffled = rng.permutation(len(batches))
    return [np.array(batches[index]) for index in shuffled]


def pad(frames: list[Array], features: FrontEnd, margin: int = MARGIN) -> Array:
    """Rows of frames in one array with silence before and after, float32 (N, T, bands)."""
    longest = max(map(len, frames)) + 2 * margin
    values = np.full((len(frames), longest, features.bands), features.silence, np.float32)
    for row, part in zip(values, frames, strict=True):
        row[margin : margin + len(part)] = part
    return values
