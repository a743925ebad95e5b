"""What a run found → a table (markdown) and a plot (SVG), medians and spans over the rounds."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

Found = Mapping[str, Sequence[float]]
SHOWN = {"sqlite": "SQLite, FULL", "postgresql": "PostgreSQL"}


def write(folder: Path, name: str, found: Found, options: argparse.Namespace) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.md").write_text(table(found, options), encoding="utf-8")
    (folder / f"{name}.svg").write_text(plot(ratios(found, options.databases)), encoding="utf-8")


def ratios(found: Found, kinds: Sequence[str]) -> dict[str, list[float]]:
    """Ours by theirs, round by round."""
    return {
        f"{what}, {SHOWN[kind]}": [ours / bare for ours, bare in zip(found[f"{kind} {what}"], found[f"bare {what}"], strict=True)]
        for what in ("accepts", "journeys")
        for kind in kinds
    }


def table(found: Found, options: argparse.Namespace) -> str:
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores shared with the load generator, the gateway and the database; "
        f"{options.rounds} rounds, {options.past:,} past events; load average before the run {options.others:.1f}. Median (lowest–highest).",
        "",
        "| | per second | of the bare stack in the same round |",
        "|---|---|---|",
    ]
    rated = ratios(found, options.databases)
    for what, bare in (("accepts", "Starlette and msgspec, nothing kept"), ("journeys", "receives and POSTs, nothing kept")):
        lines.append(f"| {what}: {bare} | {_span(found[f'bare {what}'])} | 1 |")
        for kind in options.databases:
            ratio = _span(rated[f"{what}, {SHOWN[kind]}"], 2)
            lines.append(f"| {what}: {SHOWN[kind]} | {_span(found[f'{kind} {what}'])} | {ratio} |")
    lines += ["", "| webhook → gateway, ms | p50 | p99 |", "|---|---|---|"]
    for kind in options.databases:
        for load in ("idle", "half load"):
            p50, p99 = (_span(found[f"{kind} {load} {rank}"], 1) for rank in ("p50", "p99"))
            lines.append(f"| {SHOWN[kind]}, {load} | {p50} | {p99} |")
    lines += ["", "| memory, MB | at rest | at most, under load |", "|---|---|---|"]
    for kind in options.databases:
        rest, most = (_span(found[f"{kind} memory {when}"]) for when in ("at rest", "under load"))
        lines.append(f"| {SHOWN[kind]} | {rest} | {most} |")
    return "\n".join(lines) + "\n"


def plot(bars: Mapping[str, Sequence[float]]) -> str:
    """Each ratio as a bar up to its median, every round as a dot; the line is the bare stack."""
    left, width, step = 190, 420, 34
    height = step * len(bars) + 50
    most = max(1.0, *(max(values) for values in bars.values()))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 70}" height="{height}" font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for n, (name, values) in enumerate(bars.items()):
        y, end = 20 + n * step, left + median(values) / most * width
        lines.append(f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{name}</text>')
        lines.append(f'<rect x="{left}" y="{y}" width="{end - left:.1f}" height="20" fill="#7aa6c2"/>')
        lines.append(f'<text x="{end + 8:.1f}" y="{y + 15}">{median(values):.2f}</text>')
        lines += [f'<circle cx="{left + value / most * width:.1f}" cy="{y + 10}" r="2.5" fill="#24506b"/>' for value in values]
    bare = left + width / most
    lines.append(f'<line x1="{bare:.1f}" y1="10" x2="{bare:.1f}" y2="{height - 30}" stroke="#b04030"/>')
    lines.append(
        f'<text x="{bare:.1f}" y="{height - 12}" text-anchor="middle" fill="#b04030">the bare stack of the same round = 1</text>'
    )
    return "\n".join([*lines, "</svg>"]) + "\n"


def _span(values: Sequence[float], digits: int = 0) -> str:
    low, middle, high = (f"{value:,.{digits}f}" for value in (min(values), median(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({low}–{high})"
