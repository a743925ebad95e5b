"""`python -m stand_ins NAME`: run one stand-in over real HTTP."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys

import httpx

from stand_ins import ALL, serving


async def _run(name: str, host: str, port: int, callback: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        stand_in = ALL[name](callback, http)
        async with serving(stand_in, host, port) as url:
            table = [f"{key} = {json.dumps(value)}" for key, value in stand_in.settings(url).items()]
            sys.stdout.write("\n".join([f"{name} stands in at {url}; in config.toml:", "", f"[send.{name}]", *table, ""]) + "\n")
            sys.stdout.flush()
            await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser("python -m stand_ins", description="Run a stand-in for a messaging API.")
    parser.add_argument("name", choices=sorted(ALL))
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--callback", default="", help="where statuses are posted: http://127.0.0.1:8080/callback/NAME")
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(given.name, given.host, given.port, given.callback))


main()
