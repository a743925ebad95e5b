"""What a run found → tables (markdown) and a plot (SVG): medians and spans over the rounds, ratios taken round by round."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from tests.bench.plot import Panel, plot

Found = Mapping[str, Sequence[float]]
SHOWN = {
    "bare": "bare: Starlette and msgspec, nothing kept",
    "forgetful": "own edge: our server, endpoint and source, nothing kept",
    "sqlite": "SQLite, FULL",
    "sqlite full": "SQLite, FULL, with the past",
    "postgresql": "PostgreSQL",
    "postgresql full": "PostgreSQL, with the past",
}
SUBJECTS = tuple(SHOWN)
OURS = SUBJECTS[2:]
_COSTS = (("cpu", 3), ("database cpu", 3), ("generator", 2))


def write(folder: Path, name: str, found: Found, options: argparse.Namespace) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.md").write_text(table(found, options), encoding="utf-8")
    (folder / f"{name}.svg").write_text(plot(panels(found)), encoding="utf-8")


def table(found: Found, options: argparse.Namespace) -> str:
    filled = f"{options.past:,} past events where it says so" if any("full" in name for name in found) else "no past events"
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores shared with the load generator, the gateway and the database; "
        f"{options.rounds} rounds, {filled}; load average before the run {options.others:.1f}. "
        "Median (lowest–highest); a ratio is taken within its round. CPU is user and system time of all threads, seconds for each 1,000; "
        "the generator's is its share of one core.",
        "",
    ]
    for part in (_accepts, _journeys, _latency, _memory, _nodes):
        lines += part(found)
    return "\n".join(lines)


def _accepts(found: Found) -> list[str]:
    heads = ["accepts", "per second", "of bare", "of own edge", "of its empty database", "server CPU", "database CPU", "generator"]
    rows = [
        [
            SHOWN[s],
            _span(found[name]),
            _ratio(found, name, "bare accepts"),
            _ratio(found, name, "forgetful accepts"),
            _of_empty(found, name),
            *_costs(found, name),
        ]
        for s in SUBJECTS
        if (name := f"{s} accepts") in found
    ]
    return _grid(heads, rows)


def _journeys(found: Found) -> list[str]:
    shown = SHOWN | {"bare": "bare: receives and POSTs, nothing kept"}
    heads = ["journeys", "per second", "of bare", "of its empty database", "server CPU", "database CPU", "generator"]
    rows = [
        [shown[s], _span(found[name]), _ratio(found, name, "bare journeys"), _of_empty(found, name), *_costs(found, name)]
        for s in SUBJECTS
        if (name := f"{s} journeys") in found
    ]
    return _grid(heads, rows)


def _latency(found: Found) -> list[str]:
    rows = []
    for kind in OURS:
        for load in ("idle", "half load", "settle idle", "settle half load"):
            if (name := f"{kind} {load}") + " p50" in found:
                what = load.replace("settle", "beyond the wait of settle,")
                p50, p99 = (_span(found[f"{name} {rank}"], 1) for rank in ("p50", "p99"))
                rows.append([f"{SHOWN[kind]}, {what}", p50, p99, _of_empty(found, f"{name} p50"), _of_empty(found, f"{name} p99")])
    return _grid(["webhook → gateway, ms", "p50", "p99", "p50 of its empty database", "p99 of its empty database"], rows)


def _memory(found: Found) -> list[str]:
    rows = [
        [SHOWN[kind], *(_span(found[f"{kind} memory {when}"]) for when in ("at rest", "under load"))]
        for kind in OURS
        if f"{kind} memory at rest" in found
    ]
    return _grid(["memory, MB", "at rest", "at most, under load"], rows)


def _nodes(found: Found) -> list[str]:
    rows = []
    for name in found:
        if name.endswith("nodes journeys"):
            _, slots, _, nodes, _, _ = name.split()
            one = f"postgresql {slots} slots 1 nodes journeys"
            rows.append([f"{slots} requests open at once by each node", nodes, _span(found[name]), _ratio(found, name, one)])
    return _grid(["journeys, PostgreSQL, a gateway that takes 50 ms", "nodes", "per second", "of one node"], rows)


def panels(found: Found) -> list[Panel]:
    """What is worth a glance: every ratio of the tables."""
    bases = [
        ("accepts, of bare", "accepts", "bare", SUBJECTS[1:]),
        ("accepts, of our own edge that keeps nothing", "accepts", "forgetful", OURS),
        ("journeys, of bare", "journeys", "bare", OURS),
    ]
    made = [
        Panel(title, {SHOWN[s].partition(":")[0]: ratios(found, f"{s} {what}", f"{base} {what}") for s in whose})
        for title, what, base, whose in bases
    ]
    falls = {
        f"{SHOWN[kind]}, {what}": ratios(found, f"{kind} full {what}", f"{kind} {what}")
        for what in ("accepts", "journeys", "half load p50", "half load p99")
        for kind in ("sqlite", "postgresql")
    }
    made.append(Panel("with the past, of its empty database (of latency, less is better)", falls))
    nodes = [name for name in found if name.endswith("nodes journeys")]
    made.append(
        Panel(
            "journeys on several nodes, of one node",
            {
                f"{(words := name.split())[1]} open at once, {words[3]} nodes": ratios(
                    found, name, f"postgresql {words[1]} slots 1 nodes journeys"
                )
                for name in nodes
            },
        )
    )
    return made


def ratios(found: Found, name: str, base: str) -> list[float]:
    """Round by round; none where one of the two was not measured."""
    if name not in found or base not in found or name == base:
        return []
    return [ours / theirs for ours, theirs in zip(found[name], found[base], strict=True)]


def _ratio(found: Found, name: str, base: str) -> str:
    values = ratios(found, name, base)
    return _span(values, 2) if values else "1" if name == base else ""


def _of_empty(found: Found, name: str) -> str:
    return _ratio(found, name, name.replace(" full", "")) if " full" in name else ""


def _costs(found: Found, name: str) -> list[str]:
    return [_span(found[f"{name} {cost}"], digits) if f"{name} {cost}" in found else "" for cost, digits in _COSTS]


def _grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A markdown table, without the columns that nothing stands in; nothing at all where there is no row."""
    if not rows:
        return []
    kept = [n for n in range(len(heads)) if n == 0 or any(row[n] for row in rows)]
    lines = [[heads[n] for n in kept], ["---" for _ in kept], *([row[n] for n in kept] for row in rows)]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]


def _span(values: Sequence[float], digits: int = 0) -> str:
    low, middle, high = (f"{value:,.{digits}f}" for value in (min(values), median(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({low}–{high})"
