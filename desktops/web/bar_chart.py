"""Geometry of a small chart with stacked columns, for an SVG in a template. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

WIDTH, HEIGHT = 480, 190  # user units of the SVG
_TOP, _BOTTOM = 20, 22  # room for the highest number, and for the labels
_GAP = 0.25  # of a column's width


@dataclass(frozen=True)
class ChartColumn:
    label: str  # below the column; may be empty
    name: str  # in the table and the tooltip
    ready: int
    failed: int
    x: float = 0.0  # its left edge, set by bar_chart


@dataclass(frozen=True)
class ChartBar:
    x: float
    y: float
    width: float
    height: float
    kind: str  # ready or failed


@dataclass(frozen=True)
class ChartLabel:
    x: float
    text: str


@dataclass(frozen=True)
class BarChart:
    columns: Sequence[ChartColumn]
    bars: list[ChartBar]
    labels: list[ChartLabel]
    highest: int
    step: float  # width of a column with its gap
    width: int = WIDTH
    height: int = HEIGHT
    base: int = HEIGHT - _BOTTOM
    top: int = _TOP
    plot: int = HEIGHT - _TOP - _BOTTOM
    text_base: int = HEIGHT - 5


def bar_chart(columns: Sequence[ChartColumn]) -> BarChart:
    highest = max((column.ready + column.failed for column in columns), default=0)
    step = WIDTH / max(1, len(columns))
    placed = [replace(each, x=round(number * step, 1)) for number, each in enumerate(columns)]
    bars = [bar for column in placed for bar in _stacked(column, step, highest)]
    labels = [ChartLabel(round(each.x + step / 2, 1), each.label) for each in placed if each.label]
    return BarChart(placed, bars, labels, highest, round(step, 1))


def _stacked(column: ChartColumn, step: float, highest: int) -> list[ChartBar]:
    """Return the bars of one column, failed launches on top of those that became ready."""
    x, width = column.x + step * _GAP / 2, step * (1 - _GAP)
    base, bars = float(HEIGHT - _BOTTOM), []
    for kind in ("ready", "failed"):
        if number := getattr(column, kind):
            height = (HEIGHT - _TOP - _BOTTOM) * number / highest
            base -= height
            bars.append(ChartBar(round(x, 1), round(base, 1), round(width, 1), round(height, 1), kind))
    return bars
