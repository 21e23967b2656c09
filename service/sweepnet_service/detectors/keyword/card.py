"""The card of a keyword model: what it learnt from, how, and how good it is; dict and Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnn_core.tree import count_weights
from sweepnet_service.detectors.keyword.dataset import OWN, Recording, room_rows
from sweepnet_service.detectors.keyword.detector import FEWEST_HOURS, KeywordDetector
from sweepnet_service.detectors.keyword.evaluate import CardFigures, Heard, hours
from sweepnet_service.detectors.keyword.evaluate.figures import ENOUGH_HOURS
from sweepnet_service.detectors.keyword.evaluate.intervals import clopper_pearson
from sweepnet_service.detectors.keyword.held_out import HeldOut
from sweepnet_service.detectors.keyword.material import Material
from sweepnet_service.detectors.keyword.rooms import COUNT

if TYPE_CHECKING:
    from sweepnet_service.detectors.keyword.train import TrainConfig

OF_SPEECH = (
    "The speech of the false alarm figures is dense reading; in a quiet room alarms are fewer."
)
FEW_BEFORE = (
    "Few recordings of the word were there to test on, so the miss rate is good to about "
    "15 points either way."
)
OF_MISSES = "Of other recordings by such voices"
OF_RATES = (
    "Thresholds for rates below one in the hours that they were chosen on are extrapolated from "
    "the tail of the peaks."
)
OF_SCORES = (
    "A score is the probability that its window holds the word, where recordings of the word and "
    "peaks of other sound are equally likely; a prior p adds log(p / (1 - p)) to its log odds."
)
OF_VOICES = (
    "Of the words that scores and thresholds were chosen on some are synthetic, by voices that "
    "were learnt from too: expect more misses of other voices than calibration tells."
)
OF_RATES_BEFORE = (
    "Thresholds for rates below one an hour are extrapolated from the tail of the peaks."
)
UNMEASURED = (
    "Nothing was measured on a test split: try the model on recordings that it did not learn from "
    "before you rely on it."
)
DRAWN = "none (drawn by the program)"
GENERAL = frozenset({OF_SPEECH, FEW_BEFORE, OF_RATES, OF_RATES_BEFORE, OF_VOICES, UNMEASURED})


def make(
    config: TrainConfig,
    material: Material,
    detector: KeywordDetector,
    figures: CardFigures | None,
    heard: HeldOut,
) -> dict[str, Any]:
    """The card as JSON."""
    spoken = [*material.positive, *material.weak]
    return {
        "label": config.keyword,
        "data": {
            "real_words": len(spoken),
            "somewhere": len(material.weak),
            "real_voices": sorted({row.speaker for row in spoken if row.corpus != OWN}),
            "real_unnamed": sum(row.corpus == OWN for row in spoken),
            "synthetic_words": len(material.synthetic_positive),
            "synthetic_other": len(material.synthetic_negative),
            "other_speech": totals(material.speech),
            "noise": totals(material.noise),
            "rooms": rooms(config),
            "licences": licences([*spoken, *material.speech, *material.noise]),
        },
        "settings": {
            "weights": count_weights(detector.net),
            "window_s": detector.window_s,
            "hop_s": detector.hop_s,
            **learning(config),
            "seed": config.seed,
            **({"mined": f"false alarms in {config.mine.name}"} if config.mine else {}),
        },
        **tuning(detector, config.keyword, figures, heard),
        "cautions": [*cautions(figures, heard), *config.notes],
    }


def learning(config: TrainConfig) -> dict[str, Any]:
    """How the words were learnt, as settings of a card."""
    trunk = "taken from another model" if config.trunk else asdict(config.trunk_settings)
    if config.tune_trunk:
        tuned = {**asdict(config.tune_settings), "seed": config.seed}
        return {"trunk": f"{plain(trunk)}; then tuned together with the words", "tuning": tuned}
    if config.phones_only:
        return {"trunk": trunk, "phones": "read off the trunk alone"}
    return {
        "trunk": trunk,
        "head": asdict(config.head_settings),
        "heads": config.heads,
        "path_weight": config.path_weight,
    }


def retuned(
    card: dict[str, Any],
    detector: KeywordDetector,
    label: str,
    figures: CardFigures | None,
    heard: HeldOut,
) -> dict[str, Any]:
    """The card of a model that was tuned again: what it learnt from, and how, stays."""
    notes = [each for each in card["cautions"] if not is_general(each)]
    return {
        **card,
        **tuning(detector, label, figures, heard),
        "cautions": [*cautions(figures, heard), *notes],
    }


def is_general(caution: str) -> bool:
    """Whether a caution follows from figures, not from what was learnt."""
    return caution in GENERAL or caution.startswith(OF_MISSES)


def tuning(
    detector: KeywordDetector,
    label: str,
    figures: CardFigures | None,
    heard: HeldOut,
) -> dict[str, Any]:
    """The parts of a card that follow from scores, not from training."""
    return {
        "threshold": {
            "default": detector.default_thresholds[label],
            "chosen_on": chosen_on(heard),
            "points": [asdict(point) for point in detector.operating_points[label]],
        },
        "calibration": detector.card.get("calibration"),
        "test": figures.to_dict() if figures else None,
    }


def chosen_on(heard: HeldOut) -> str:
    """The recordings behind thresholds, for people."""
    spoken = sum(is_synthetic(each) for each in heard.words)
    apart = f" ({60 * hours(heard.besides):.0f} minutes of noise and synthetic speech apart)"
    return (
        f"{hours(heard.speech):.2f} h of validation speech{apart if heard.besides else ''}, "
        f"{len(heard.words) - spoken} real and {spoken} synthetic words"
    )


def cautions(figures: CardFigures | None, heard: HeldOut) -> list[str]:
    """What holds of this training: of its figures, and of how its thresholds were chosen."""
    of_rates = (OF_RATES,) if hours(heard.speech) >= FEWEST_HOURS else ()
    of_voices = (OF_VOICES,) if any(map(is_synthetic, heard.words)) else ()
    of_test = (*of_misses(figures), OF_SPEECH) if figures else (UNMEASURED,)
    return [*of_test, *of_rates, *of_voices]


def of_misses(figures: CardFigures) -> tuple[str, ...]:
    """How sure the misses are that the card tells; nothing where no word was heard."""
    if not figures.words:
        return ()
    miss = clopper_pearson(figures.missed, figures.words)
    return (
        f"{OF_MISSES} {100 * miss.low:.0f} to {100 * miss.high:.0f} % may be missed (95 %, if each "
        f"of the {figures.words} were of a voice of its own; there are {figures.voices} voices).",
    )


def is_synthetic(heard: Heard) -> bool:
    """Whether a program spoke it."""
    return heard.recording.corpus == "synthetic"


def totals(recordings: Sequence[Recording]) -> dict[str, float]:
    """How many recordings there are of each corpus."""
    return dict(sorted(Counter(row.corpus for row in recordings).items()))


def rooms(config: TrainConfig) -> dict[str, float]:
    """How many room responses there are under each licence; those drawn have none."""
    if config.phones_only:
        return {}
    if config.data is None:
        return {DRAWN: COUNT}
    rows = room_rows(config.data)
    return dict(sorted(Counter(row["licence"] for row in rows).items()))


def licences(recordings: Sequence[Recording]) -> dict[str, float]:
    """How many recordings there are under each licence."""
    return dict(sorted(Counter(row.licence for row in recordings).items()))


def with_part(
    card: dict[str, Any], label: str, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    """The card with the part about `label` changed; of joined models every part is a card."""
    if card.get("label") == label:
        return change(card)
    if "joined" in card:
        return {**card, "joined": [with_part(part, label, change) for part in card["joined"]]}
    return card


def save(detector: KeywordDetector, out: Path) -> None:
    """The model file, and its card beside it; of joined models one card after the other."""
    detector.save(out)
    parts = [part for part in detector.card.get("joined", [detector.card]) if "label" in part]
    if parts:
        out.with_suffix(".md").write_text("\n".join(map(as_text, parts)))


def as_text(card: dict[str, Any]) -> str:
    """The card as Markdown."""
    data, settings, threshold, test = (
        card[part] for part in ("data", "settings", "threshold", "test")
    )
    lines = [
        f"# {card['label']}: keyword model",
        "",
        f"{settings['weights']:,} weights; a score each {1000 * settings['hop_s']:.0f} ms from a "
        f"window of {settings['window_s']:.2f} s.",
        "",
        "## Figures",
        "",
        *figure_lines(card["label"], threshold, test),
        *score_lines((card.get("calibration") or {}).get(card["label"])),
        *estimate_lines(card.get("estimate")),
        "## Learnt from",
        "",
        f"- {data['real_words']} recordings of the word by {voices(data)}, "
        f"{data['synthetic_words']} by espeak-ng and flite{somewhere(data)}",
        f"- other speech: {listed(data['other_speech'])}; synthetic {data['synthetic_other']}",
        f"- noise: {listed(data['noise'])}",
        f"- room responses, under each licence: {listed(data.get('rooms', {}))}",
        f"- licences, recordings under each: {listed(data['licences'])}",
        "",
        "## Settings",
        "",
        *(f"- {name}: {plain(value)}" for name, value in settings.items()),
        "",
        "## Cautions",
        "",
        *(f"- {caution}" for caution in card["cautions"]),
    ]
    return "\n".join(lines) + "\n"


def figure_lines(label: str, threshold: dict[str, Any], test: dict[str, Any] | None) -> list[str]:
    """The measured part of the card."""
    lines = [f"Threshold {threshold['default']:.3f}, chosen on {threshold['chosen_on']}.", ""]
    if test is None:
        return [*lines, "Not measured: there was no test speech.", ""]
    return [
        *lines,
        f"On the test split at that threshold: {test['missed']} of {test['words']} recordings of "
        f'"{label}" missed ({100 * test["miss_rate"]:.0f} %, {test["voices"]} voices); '
        f"{alarms_told(test['false_alarms'], test['speech_hours'])} of other speech; "
        f"{test['noise_false_alarms']} in {60 * test['noise_hours']:.0f} minutes of noise.",
        "",
        "| false alarms an hour, expected | threshold | on test | missed on test |",
        "|---|---|---|---|",
        *(
            f"| {rate_of(own)} | {own['threshold']:.4f} | "
            f"{rate_on_test(found, test)} | {100 * found['miss_rate']:.0f} % |"
            for own, found in zip(threshold["points"], test["points"], strict=True)
        ),
        "",
    ]


def estimate_lines(estimate: dict[str, Any] | None) -> list[str]:
    """How good a model of few recordings should be, by leaving each of them out."""
    if estimate is None:
        return []
    return ["## Estimate", "", *(f"- {each}" for each in estimate["sentences"]), ""]


def rate_on_test(point: dict[str, Any], test: dict[str, Any]) -> str:
    """The false alarms of one operating point on the test speech."""
    count = round(point["false_alarms_per_hour"] * test["speech_hours"])
    return alarms_told(count, test["speech_hours"])


def alarms_told(count: int, of_hours: float) -> str:
    """So many false alarms; an hour of speech is needed to claim a rate."""
    if of_hours < ENOUGH_HOURS:
        return f"{count} false alarms in {60 * of_hours:.0f} minutes"
    return f"{count} false alarms in {of_hours:.2f} h ({count / of_hours:.1f} an hour)"


def rate_of(point: dict[str, Any]) -> str:
    """The rate of an operating point, and whether it was too rare to be counted; what was counted
    in speech too short to choose a rate on.
    """
    rate, behind = point["false_alarms_per_hour"], point.get("measured_hours", 0)
    if 0 < behind < FEWEST_HOURS:
        return f"{rate * behind:.0f} in {60 * behind:.1f} minutes"
    return f"{rate:g}, extrapolated" if 0 < rate * behind < 1 else f"{rate:g}"


def score_lines(calibration: dict[str, Any] | None) -> list[str]:
    """What a score means and how far that holds; nothing for a model of before calibration."""
    if calibration is None:
        return []
    return [
        "## Scores",
        "",
        f"{OF_SCORES} Platt scaling of {calibration['words']} words and "
        f"{calibration['other_peaks']} other peaks in {calibration['hours']:.2f} h.",
        "",
        *reliability_lines(
            "Fitted on four fifths of those voices and measured on the last, five times",
            calibration["reliability"],
        ),
        *reliability_lines("On the test split", calibration.get("test")),
        *unmeasured_lines(calibration),
    ]


def unmeasured_lines(calibration: dict[str, Any]) -> list[str]:
    """That nobody knows how reliable scores are, where it is so."""
    if calibration["reliability"] or calibration.get("test"):
        return []
    return ["How reliable that is was not measured: voices are too few.", ""]


def reliability_lines(where: str, told: dict[str, Any] | None) -> list[str]:
    """How far scores are from probabilities; nothing where that was not measured."""
    if told is None:
        return []
    return [
        f"{where}: expected calibration error {100 * told['error']:.1f} %, {told['bits']:.2f} bits "
        "left to learn (1 where scores tell nothing).",
        "",
        "| mean score | held the word, at equal odds | words | other peaks |",
        "|---|---|---|---|",
        *(
            f"| {each['score']:.3f} | {100 * each['share']:.1f} % | {each['words']} | "
            f"{each['others']} |"
            for each in told["bins"]
        ),
        "",
    ]


def somewhere(data: dict[str, Any]) -> str:
    """How many of the real recordings are learnt from without the word's place."""
    count = data.get("somewhere", 0)
    return f"; of {count} recordings it is known only that they hold the word" if count else ""


def voices(data: dict[str, Any]) -> str:
    """Who said the word."""
    named, own = data["real_voices"], data.get("real_unnamed", 0)
    told = [f"{len(named)} voices ({', '.join(named)})"] if named or not own else []
    return " and ".join([*told, *([f"unnamed voices ({own} recordings)"] if own else [])])


def plain(value: Any) -> str:
    """A setting, or several under one name, for people."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return str(value)


def listed(counts: dict[str, float]) -> str:
    return ", ".join(f"{name} {count:g}" for name, count in counts.items()) or "none"
