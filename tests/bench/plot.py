"""Ratios as bars (SVG): each up to its median, every round a dot, and a line at 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from xml.sax.saxutils import escape

from msgspec import Struct

_LEFT, _WIDTH, _STEP, _HEAD = 260, 420, 28, 34


class Panel(Struct, frozen=True):
    """Bars that share a scale. One without values is left out."""

    title: str
    bars: Mapping[str, Sequence[float]]


def plot(panels: Sequence[Panel]) -> str:
    drawn: list[str] = []
    top = 10
    for panel in panels:
        bars = {name: values for name, values in panel.bars.items() if values}
        if bars:
            drawn += _panel(panel.title, bars, top)
            top += _HEAD + _STEP * len(bars) + 14
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 70}" height="{top}" font-family="sans-serif" font-size="13">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *drawn, "</svg>"]) + "\n"


def _panel(title: str, bars: Mapping[str, Sequence[float]], top: int) -> list[str]:
    most = max(1.0, *(max(values) for values in bars.values()))
    lines = [f'<text x="10" y="{top + 18}" font-weight="bold">{escape(title)}</text>']
    for n, (name, values) in enumerate(bars.items()):
        y, end = top + _HEAD + n * _STEP, _LEFT + median(values) / most * _WIDTH
        lines.append(f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(name)}</text>')
        lines.append(f'<rect x="{_LEFT}" y="{y}" width="{end - _LEFT:.1f}" height="18" fill="#7aa6c2"/>')
        lines += [f'<circle cx="{_LEFT + value / most * _WIDTH:.1f}" cy="{y + 9}" r="2.5" fill="#24506b"/>' for value in values]
        furthest = _LEFT + max(*values, median(values)) / most * _WIDTH
        lines.append(f'<text x="{furthest + 8:.1f}" y="{y + 14}">{median(values):.2f}</text>')
    one, low = _LEFT + _WIDTH / most, top + _HEAD + _STEP * len(bars)
    return [*lines, f'<line x1="{one:.1f}" y1="{top + _HEAD - 6}" x2="{one:.1f}" y2="{low}" stroke="#b04030"/>']
