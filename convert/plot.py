"""Draws points of size and quality as an SVG; never with a plotting library, never a number it was not given."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 84, 150, 48, 56
STYLE = (
    "text{font:13px sans-serif;fill:#24292f}.grid{stroke:#d0d7de}.dot{fill:#0969da}.name{font-weight:600}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.grid{stroke:#3d444d}.dot{fill:#4493f8}}"
)


@dataclass(frozen=True)
class Point:
    """One file: its name, its size in megabytes, how far it is off (0 or more)."""

    name: str
    size: float
    value: float


def draw(title: str, across: str, up: str, points: Sequence[Point]) -> str:
    """Return an SVG of `points` over a linear axis of sizes and a logarithmic one of values, zeros at its foot."""
    most = max(point.size for point in points) * 1.05
    positive = [point.value for point in points if point.value > 0]
    low, high = (floor(log10(min(positive))), ceil(log10(max(positive)))) if positive else (-1, 0)
    high = max(high, low + 1)
    foot = HEIGHT - BOTTOM

    def x(size: float) -> float:
        return LEFT + size / most * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        share = (log10(value) - low) / (high - low) if value > 0 else 0
        return foot - share * (foot - TOP)

    parts = [f'<text x="{LEFT}" y="26" class="name">{escape(title)}</text>']
    for power in range(low, high + 1):
        at = y(10.0**power)
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    for size in steps(most):
        parts.append(f'<line class="grid" x1="{x(size):.1f}" y1="{TOP}" x2="{x(size):.1f}" y2="{foot}"/>')
        parts.append(f'<text x="{x(size):.1f}" y="{foot + 18}" text-anchor="middle">{size:g}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 14}" text-anchor="middle">{across}</text>')
    middle = (TOP + foot) / 2
    parts.append(f'<text transform="translate(18 {middle:.0f}) rotate(-90)" text-anchor="middle">{up}</text>')
    for point in points:
        told = f"{point.name}: {point.size:,.1f} MB, {point.value:.4g}"
        parts.append(
            f'<g><title>{escape(told)}</title><circle class="dot" cx="{x(point.size):.1f}" cy="{y(point.value):.1f}"'
            f' r="5"/><text x="{x(point.size) + 9:.1f}" y="{y(point.value) + 4:.1f}">{escape(label(point))}</text></g>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" width="{WIDTH}">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>{''.join(parts)}</svg>\n"
    )


def label(point: Point) -> str:
    """Return what stands beside a point: its name, and that it is 0 where the axis cannot say so."""
    return point.name if point.value > 0 else f"{point.name} (0)"


def steps(most: float) -> list[float]:
    """Return round numbers from 0 to at most `most`, some five of them."""
    rough = most / 5
    power = 10.0 ** floor(log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough)
    return [step * number for number in range(floor(most / step) + 1)]
