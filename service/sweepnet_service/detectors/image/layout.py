"""What the channels of the detector's map mean: scores, sides of the box, points."""

from __future__ import annotations

from dataclasses import dataclass

BOX, TURNED, POINTS, PRESENCE = "box", "turned", "points", "presence"
SHAPES = (BOX, TURNED, POINTS, PRESENCE)
"""What is told of an object: its upright box, the corners of its turned one, its upright box with
key points, or that it is there and no place."""
CORNERS = 4
MOST_POINTS = 64


@dataclass(frozen=True)
class Layout:
    """Channels in order: a score for each label, four sides, x and y of each point."""

    labels: int = 1
    shape: str = BOX
    point_names: tuple[str, ...] = ()

    @property
    def points(self) -> int:
        """Points of an object: corners of a turned box, or key points."""
        return CORNERS if self.shape == TURNED else len(self.point_names)

    @property
    def scores(self) -> slice:
        """The channels with a score for each label."""
        return slice(0, self.labels)

    @property
    def sides(self) -> slice:
        """The channels with left, top, right, bottom; none where no place is told."""
        return slice(self.labels, self.labels + (0 if self.shape == PRESENCE else 4))

    @property
    def places(self) -> slice:
        """The channels with x and y of each point."""
        return slice(self.sides.stop, self.sides.stop + 2 * self.points)

    @property
    def channels(self) -> int:
        """All of them; in training the species' follow."""
        return self.labels + (0 if self.shape == PRESENCE else 4) + 2 * self.points


PLAIN = Layout()
"""One label, upright boxes."""
