"""A report of figures as one HTML file that needs nothing else: no scripts, no other files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sweepnet_service.detectors.keyword.evaluate.figures import Figures
from sweepnet_service.detectors.keyword.evaluate.page import sections
from sweepnet_service.detectors.keyword.evaluate.page.probabilities import probabilities
from sweepnet_service.detectors.keyword.evaluate.page.sound import Sound, clean
from sweepnet_service.detectors.keyword.evaluate.page.words import percent, rate
from sweepnet_service.detectors.page import Markup, joined, style, table, tag

HOW = (
    "Scores and events come from the code that serves: each recording is a stream of its own.",
    "A word is found where an event lies on it, give or take 0.3 s; every event on a recording "
    "without the word is a false alarm.",
    "Intervals hold 95 %: of misses by a bootstrap over voices or sessions, not clips, five or "
    "more; of false alarms the exact one of Poisson counts. Less than an hour tells no rate.",
    "The delay counts the audio that a stream needs; computing comes on top.",
    "As probabilities count the best score on each recording of the word and peaks of other sound "
    "that lie 1 s apart, silence left out; both kinds weigh the same.",
)


@dataclass(frozen=True)
class About:
    """What a report is about: its title, facts (model, data, date) by name, remarks on how it was
    measured, and the cautions of the model's card, which speak of other recordings.
    """

    title: str
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    cautions: Sequence[str] = ()


def write_report(
    path: Path,
    figures: Sequence[Figures],
    about: About,
    sound: Sound = clean,
    seeds: Mapping[str, Sequence[Figures]] | None = None,
) -> None:
    """Write the page of one label or several; `seeds` are further detectors' figures by label.

    The file is written whole or not at all.
    """
    page = whole_page(figures, about, sound, seeds or {})
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)


def whole_page(
    figures: Sequence[Figures], about: About, sound: Sound, seeds: Mapping[str, Sequence[Figures]]
) -> str:
    """The text of the page."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", about.title),
        tag("style", style()),
    )
    alone = len(figures) == 1
    body = [tag("h1", about.title)]
    if alone:
        body.append(tag("p", sections.summary(figures[0]), class_="lede"))
    else:
        body.append(overview(figures))
    for each in figures:
        runs = [each, *seeds.get(each.label, ())]
        body.append(part(each, runs, sound, heading="h2" if alone else "h3"))
    page = tag("html", head, tag("body", tag("main", *body), footer(about)), lang="en")
    return f"<!doctype html>\n{page}\n"


def part(figures: Figures, runs: Sequence[Figures], sound: Sound, heading: str) -> Markup:
    """All about one label."""
    title = [] if heading == "h2" else [tag("h2", f"“{figures.label}”")]
    return tag(
        "section",
        *title,
        *(tag("p", f"Caution: {caution}", class_="note") for caution in figures.cautions),
        sections.tiles(figures),
        sections.curves(figures, heading),
        sections.misses(figures, heading),
        sections.false_alarms(figures, heading),
        sections.delay(figures, heading),
        probabilities(figures, heading),
        sections.several(runs, heading),
        sections.worst(figures, sound, heading),
        id=f"label-{figures.label.replace(' ', '-')}",
    )


def overview(figures: Sequence[Figures]) -> Markup:
    """A line for each of several labels."""
    names = list(dict.fromkeys(each.name for row in figures for each in row.conditions))
    rows = []
    for row in figures:
        missed = {each.name: percent(each.miss_rate.value) for each in row.conditions}
        alarms = row.speech.rate
        rows.append(
            [row.label]
            + [missed.get(name, "–") for name in names]
            + [rate(alarms.value) if alarms else "–", f"{row.speech.hours:.2f} h"]
        )
    head = ["", *(f"missed, {name}" for name in names), "false alarms an hour", "of speech"]
    return table("At the thresholds used", head, rows, frozenset(range(1, len(head))))


def footer(about: About) -> Markup:
    """How it was measured, and on what; what the model's card cautions against."""
    facts = [joined(tag("dt", name), tag("dd", value)) for name, value in about.facts.items()]
    remarks = [tag("li", text) for text in (*about.notes, *HOW)]
    told = [tag("h2", "How this was measured"), tag("dl", *facts), tag("ul", *remarks)]
    if about.cautions:
        told.append(tag("h3", "What the model’s card says of its own figures"))
        told.append(tag("ul", *(tag("li", text) for text in about.cautions)))
    return tag("footer", *told)


__all__ = ["About", "Sound", "clean", "write_report"]
