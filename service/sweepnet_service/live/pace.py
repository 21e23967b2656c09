"""How often a stream is told: at once, or together about every so many seconds of audio."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sweepnet_service.live.replies import ChannelNews, News
from sweepnet_service.live.request import SpotRequest

SILENCE_S = 1.0
"""Without news a stream is told about so often how far it has been read."""


class Pace:
    """Holds news back until they are due; events are due at once, with all that was held back."""

    def __init__(self, request: SpotRequest) -> None:
        self._interval = request.reply_interval_s * request.rate_hz
        self._longest = max(self._interval, SILENCE_S * request.rate_hz)
        self._told_until = request.start_sample
        self._held: dict[tuple[int, str], ChannelNews] = {}
        self._held_from: dict[tuple[int, str], int] = {}

    def due(self, news: News) -> News | None:
        """What to tell now: these news and what was held back, or None."""
        if not self._interval:
            return self._told(news) if news.channels or self._silent(news) else None
        self._hold(news)
        something = self._held or self._silent(news)
        return self._rest(news) if something and self._is_due(news) else None

    def last(self, news: News) -> News:
        """The last news, with all that was held back."""
        self._hold(news)
        return self._rest(news)

    def _hold(self, news: News) -> None:
        for each in news.channels:
            key = (each.channel, each.detector)
            self._held[key] = joined(self._held[key], each) if key in self._held else each
            self._held_from.setdefault(key, each.update.read_until)

    def _rest(self, news: News) -> News:
        held, self._held, self._held_from = tuple(self._held.values()), {}, {}
        return self._told(replace(news, channels=held))

    def _is_due(self, news: News) -> bool:
        found = any(each.update.events for each in news.channels)
        passed = news.read_until - self._told_until >= self._interval
        return found or news.urgent or passed or self._held_long(news)

    def _held_long(self, news: News) -> bool:
        """Whether a channel of these is an interval ahead of what of it is held back: others may
        bring nothing for ever, and hold `read_until` where it is.
        """
        return any(
            each.update.read_until - self._held_from[each.channel, each.detector] >= self._interval
            for each in news.channels
        )

    def _silent(self, news: News) -> bool:
        return news.read_until - self._told_until >= self._longest

    def _told(self, news: News) -> News:
        self._told_until = news.read_until
        return news


def joined(first: ChannelNews, second: ChannelNews) -> ChannelNews:
    """Two news of one channel and detector as one, the first one earlier."""
    early, late = first.update, second.update
    features = late.features
    if early.features is not None and late.features is not None:
        features = np.concatenate((early.features, late.features))
    update = replace(
        late,
        windows=early.windows + late.windows,
        aggregates=late.aggregates or early.aggregates,
        events=early.events + late.events,
        explanations=early.explanations + late.explanations,
        features=features,
        window_count=early.window_count + late.window_count,
    )
    return replace(first, update=update, went_over=second.went_over or first.went_over)
