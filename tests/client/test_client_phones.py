"""A phone trunk among the models: one row, not one for each of its labels."""

from __future__ import annotations

from typing import Any

import pytest

from sweepnet import Model
from sweepnet.cli.models import label_rows


def model(labels: int, card: dict[str, Any], error: str = "") -> Model:
    names = tuple(f"p{number}" for number in range(labels))
    thresholds = dict.fromkeys(names, 0.5)
    return Model("m", "keyword", names, thresholds, (), card, 1, 1, 16_000, 0.6, 0.03, error)


CARD = {
    "phone_errors": {
        "librispeech, test": {"percent": 38.2},
        "speechocean762, test": {"percent": 52.6},
        "librispeech, validation": {"percent": 12.0},
    }
}


@pytest.mark.parametrize(
    ("card", "told"),
    [
        (CARD, "phone errors 38 to 53 %"),
        ({}, "-"),
        ({"phone_errors": {}}, "-"),
        ({"phone_errors": 3}, "-"),
        ({"phone_errors": {"a, test": {}}}, "-"),
    ],
)
def test_a_phone_trunk_takes_one_row(card: dict[str, Any], told: str) -> None:
    assert list(label_rows(model(39, card))) == [("39 labels", "-", told)]
    (row,) = label_rows(model(39, card, "is damaged"))
    assert row == ("39 labels", "-", "is damaged")


def test_words_take_a_row_each() -> None:
    assert list(label_rows(model(2, {}))) == [("p0", "0.500", "-"), ("p1", "0.500", "-")]
    assert list(label_rows(model(0, {}))) == [("-", "-", "-")]
