"""The parts of a report: figures -> sections of HTML."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sweepnet_service.detectors.keyword.dataset import relative_word
from sweepnet_service.detectors.keyword.evaluate.figures import (
    ENOUGH_HOURS,
    Alarm,
    Condition,
    Figures,
    Missed,
    Point,
    Share,
)
from sweepnet_service.detectors.keyword.evaluate.intervals import Estimate, poisson_rate
from sweepnet_service.detectors.keyword.evaluate.page.chart import (
    Line,
    Mark,
    det,
    histogram,
    legend,
)
from sweepnet_service.detectors.keyword.evaluate.page.sound import Sound, data_uri
from sweepnet_service.detectors.keyword.evaluate.page.words import (
    alarms_told,
    length,
    number,
    percent,
    percents,
    rate,
    rates,
    thresholds_told,
    who,
)
from sweepnet_service.detectors.keyword.evaluate.seeds import Spread, spreads
from sweepnet_service.detectors.page import Markup, joined, table, tag

TABLE_POINTS = 12
NONE = "–"


def tiles(figures: Figures) -> Markup:
    """The figures that are looked for first."""
    told = [
        tile(
            f"missed, {each.name}",
            percent(each.miss_rate.value),
            f"{percents(each.miss_rate)}; {number(len(each.misses), 'recording')}",
        )
        for each in figures.conditions
        if each.misses
    ]
    speech = figures.speech
    if speech.rate is not None:
        of = f"{rates(speech.rate)}; {speech.alarms} in {length(speech.hours)} of speech"
        told.append(tile("false alarms an hour", rate(speech.rate.value), of))
    elif speech.hours:
        of = f"in {length(speech.hours)} of speech: too little for a rate"
        told.append(tile("false alarms", str(speech.alarms), of))
    if figures.delays_s:
        late = f"90 % within {np.quantile(figures.delays_s, 0.9):.2f} s"
        told.append(tile("told after the word", f"{np.median(figures.delays_s):.2f} s", late))
    return tag("dl", *told, class_="tiles")


def tile(name: str, figure: str, more: str) -> Markup:
    big, small = tag("dd", figure, class_="big"), tag("dd", more, class_="range")
    return tag("div", tag("dt", name), big, small)


def curves(figures: Figures, heading: str) -> Markup:
    """The DET curve in each condition, with the points at the thresholds used."""
    title = tag(heading, "Misses against false alarms")
    conditions = [each for each in figures.conditions if each.misses]
    if not conditions or figures.speech.hours < ENOUGH_HOURS or not figures.curve:
        missing = "no recordings of the word" if not conditions else "less than an hour of speech"
        return joined(title, tag("p", f"There is no curve: {missing} was measured.", class_="note"))
    drawn = [
        Line(
            each.name,
            [(point.false_alarms_per_hour, point.miss_rate[each.name]) for point in figures.curve],
        )
        for each in conditions
    ]
    alarms = poisson_rate(figures.speech.alarms, figures.speech.hours)
    marks = [Mark(place, alarms, each.miss_rate) for place, each in enumerate(conditions)]
    name = (
        f"Misses against false alarms an hour for {figures.label}; the table below has the figures"
    )
    what = (
        f"Circles: at the threshold used, {thresholds_told(figures.thresholds)}, with 95 % "
        "intervals. Lower and further left is better."
    )
    rows = [
        [rate(point.false_alarms_per_hour), thresholds_told(point.thresholds)]
        + [percent(point.miss_rate[each.name]) for each in conditions]
        for point in some(figures.curve)
    ]
    head = ["false alarms an hour", "threshold", *(f"missed, {each.name}" for each in conditions)]
    numbers = frozenset(range(1, len(head)))
    as_table = table("Points of the curve", head, rows, numbers)
    return joined(
        title,
        tag("p", what, class_="note"),
        legend(drawn),
        det(name, drawn, marks),
        tag("details", tag("summary", "The curve as a table"), as_table),
    )


def some(points: Sequence[Point], most: int = TABLE_POINTS) -> list[Point]:
    """At most so many, evenly chosen, ends included."""
    places = np.unique(np.linspace(0, len(points) - 1, min(most, len(points))).round().astype(int))
    return [points[place] for place in places]


def misses(figures: Figures, heading: str) -> Markup:
    """Misses by condition, and by what the manifests tell."""
    conditions = [each for each in figures.conditions if each.misses]
    if not conditions:
        return Markup("")
    top = max(0.1, *(each.miss_rate.high for each in conditions))
    rows = [
        [
            each.name,
            percent(each.miss_rate.value),
            percents(each.miss_rate),
            between(each.miss_rate, top),
            str(len(each.misses)),
            str(each.groups),
        ]
        for each in conditions
    ]
    head = [
        "condition",
        "missed",
        "95 % interval",
        f"0 to {percent(top)}",
        "recordings",
        "voices or sessions",
    ]
    parts = [table("By condition", head, rows, frozenset({1, 2, 4, 5}))]
    attributes = dict.fromkeys(share.attribute for share in figures.shares)
    parts += [shares(figures, conditions, attribute) for attribute in attributes]
    return joined(tag(heading, "Misses"), *parts)


def shares(figures: Figures, conditions: Sequence[Condition], attribute: str) -> Markup:
    """Misses by one thing that the manifests tell of the recordings."""
    first, *others = conditions
    rows = [
        [
            share.value,
            missed_of(share, first),
            percents(share.miss_rate[first.name]) if first.name in share.miss_rate else NONE,
            *(missed_of(share, each) for each in others),
            str(share.clips),
            str(share.groups),
        ]
        for share in figures.shares
        if share.attribute == attribute
    ]
    rest = [each.name.replace(" ", "\u00a0") for each in others]
    head = ["", f"missed, {first.name}", "95 % interval", *rest, "recordings", "voices or sessions"]
    return table(f"By {attribute}", head, rows, frozenset(range(1, len(head))))


def missed_of(share: Share, condition: Condition) -> str:
    """The share missed in a condition; a dash where none of the clips was in it."""
    rate = share.miss_rate.get(condition.name)
    return percent(rate.value) if rate else NONE


def between(estimate: Estimate, top: float) -> Markup:
    """A dot at the value and a bar over the interval, from 0 to `top`."""
    low, value, high = (
        100 * min(each / top, 1) for each in (estimate.low, estimate.value, estimate.high)
    )
    bar = tag("i", style=f"left:{low:.1f}%;width:{max(high - low, 0.5):.1f}%")
    return tag(
        "div", bar, tag("b", style=f"left:{value:.1f}%"), class_="between", aria_hidden="true"
    )


def false_alarms(figures: Figures, heading: str) -> Markup:
    """False alarms by kind of negative."""
    title = tag(heading, "False alarms")
    if not figures.kinds:
        return joined(title, tag("p", "Nothing without the word was measured.", class_="note"))
    rows = []
    for kind in (figures.speech, *figures.kinds) if figures.speech.hours else figures.kinds:
        told = kind.rate
        shown = [rate(told.value), rates(told)] if told else [NONE, "less than an hour"]
        name = "all speech" if kind is figures.speech else kind.name
        rows.append([name, length(kind.hours), str(kind.alarms), *shown])
    head = ["on", "heard", "false alarms", "an hour", "95 % interval"]
    return joined(title, table("By kind of recording", head, rows, frozenset({1, 2, 3, 4})))


def delay(figures: Figures, heading: str) -> Markup:
    """How long after a word it is told."""
    if not figures.delays_s:
        return Markup("")
    middle, late = np.median(figures.delays_s), np.quantile(figures.delays_s, 0.9)
    told = (
        f"From a word's end until a live stream, sent in pieces of 30 ms, tells it: "
        f"{middle:.2f} s in the middle, {late:.2f} s in 9 of 10, {max(figures.delays_s):.2f} s at "
        f"most, over {number(len(figures.delays_s), 'word')} found."
    )
    name = f"Histogram of the delay of {len(figures.delays_s)} words; median {middle:.2f} seconds"
    return joined(tag(heading, "Delay"), tag("p", told), histogram(name, figures.delays_s))


def several(runs: Sequence[Figures], heading: str) -> Markup:
    """Mean and spread over detectors trained alike from several seeds."""
    if len(runs) < 2:
        return Markup("")
    rows = [[name, *told(spread)] for name, spread in spreads(runs).items()]
    head = ["", "mean", "standard deviation", "lowest to highest"]
    caption = f"{len(runs)} detectors, each at its own threshold"
    return joined(tag(heading, "Several seeds"), table(caption, head, rows, frozenset({1, 2, 3})))


def told(spread: Spread) -> list[str]:
    """Mean, deviation and range as they are read."""
    show = percent if spread.share else rate
    return [
        show(spread.mean),
        show(spread.deviation),
        f"{show(spread.low)} to {show(spread.high)}",
    ]


def worst(figures: Figures, sound: Sound, heading: str) -> Markup:
    """The worst misses and false alarms, to be listened to."""
    parts = []
    if figures.missed:
        parts.append(tag(heading, "Worst misses"))
        parts.append(
            tag("ul", *(missed(each, figures, sound) for each in figures.missed), class_="clips")
        )
    if figures.alarms:
        parts.append(tag(heading, "Worst false alarms"))
        parts.append(tag("ul", *(alarm(each, sound) for each in figures.alarms), class_="clips"))
    return joined(*parts)


def missed(each: Missed, figures: Figures, sound: Sound) -> Markup:
    """One miss, playable."""
    row = each.recording
    start_s, end_s = relative_word(row) or (0.0, (row.end_s or 60.0) - row.start_s)
    by = f", by {percent(each.share)} of the detectors" if len(figures.thresholds) > 1 else ""
    return item(
        row.text or figures.label,
        f"best score {each.score:.3f}",
        player(data_uri(sound, row, each.condition, start_s, end_s), f"Play the miss: {row.text}"),
        f"missed {each.condition}{by}",
        who(row),
    )


def alarm(each: Alarm, sound: Sound) -> Markup:
    """One false alarm, playable."""
    row = each.recording
    at = f"{each.kind}, {each.start_s:.1f} to {each.end_s:.1f} s"
    uri = data_uri(sound, row, "clean", each.start_s, each.end_s)
    label = f"Play the false alarm: {row.text or each.kind}"
    return item(row.text or each.kind, f"score {each.score:.3f}", player(uri, label), at, who(row))


def item(said: str, score: str, play: Markup, *facts: str) -> Markup:
    small = [tag("small", fact) for fact in facts if fact]
    return tag("li", tag("span", score, class_="score"), tag("q", said), play, *small)


def player(uri: str | None, label: str) -> Markup:
    if uri is None:
        return tag("small", "The recording cannot be read any more.")
    return tag("audio", controls="", preload="none", src=uri, aria_label=label)


def summary(figures: Figures) -> str:
    """What was found, in a sentence or two."""
    told = []
    for each in figures.conditions[:1]:
        if each.misses:
            told.append(
                f"{percent(each.miss_rate.value)} of {number(len(each.misses), 'recording')} of "
                f"“{figures.label}” were missed ({percents(each.miss_rate)})"
            )
    if figures.speech.hours:
        told.append(alarms_told(figures.speech))
    return "; ".join(told) + "." if told else "Nothing was measured."
