"""200 means stored: the system calls show that the database was forced to disk between a webhook's arrival and its answer."""

from __future__ import annotations

import asyncio
import random
import re
import shutil
from pathlib import Path

import httpx

from tests.torture.harness import Campaign, Gateway

CALLS = "read,recvfrom,recvmsg,write,writev,sendto,sendmsg,fdatasync,fsync"
ANSWERED = re.compile(r'(write|writev|sendto|sendmsg)\(.*"HTTP/1.1 200 OK')  # not what is read: a gateway says the same
FORCED = re.compile(r"(fdatasync|fsync)\(\d+<[^>]*/vestnik\.db-wal>")


def test_disk_before_answer(tmp_path: Path) -> None:
    """Each of five webhooks: its bytes arrive, then SQLite's journal is forced to disk and the disk has said so, then 200 leaves."""
    strace = shutil.which("strace")
    assert strace, "strace is not installed, and without it nobody sees when the disk is told; install it: apt-get install strace"
    trace = tmp_path / "trace"

    async def run() -> None:
        async with Gateway(random.Random(1)) as gateway:
            campaign = Campaign(f"sqlite:///{tmp_path / 'vestnik.db'}", tmp_path / "run", gateway, random.Random(1), bookings=5)
            try:
                await campaign.server.start(
                    wrapped=(strace, "-D", "-f", "-y", "-s", "40", "-e", f"trace={CALLS}", "-o", str(trace))
                )
                campaign.book()
                async with httpx.AsyncClient(timeout=20) as http:
                    for booking in campaign.bookings:
                        said = await http.post(f"{campaign.server.address}/webhook/yclients", content=booking.body(0))
                        assert said.status_code == 200
                await campaign.server.stop()
            finally:
                campaign.end()

    (tmp_path / "run").mkdir()
    asyncio.run(run())
    lines = trace.read_text(encoding="utf-8", errors="replace").splitlines()
    arrivals = [n for n, line in enumerate(lines) if '"POST /webhook/yclients' in line]
    assert len(arrivals) == 5
    for arrival in arrivals:
        answer = next(n for n in range(arrival, len(lines)) if ANSWERED.search(lines[n]))
        assert forced(lines[arrival:answer]), "\n".join(lines[arrival : answer + 1])


def forced(lines: list[str]) -> bool:
    """Whether a call that forces the journal to disk both began and succeeded within these lines."""
    open_in: set[str] = set()
    for line in lines:
        thread, _, call = line.partition(" ")
        call = call.strip()
        if FORCED.match(call):
            if call.endswith("= 0"):
                return True
            open_in.add(thread)
        elif re.match(r"<\.\.\. f(data)?sync resumed>", call) and call.endswith("= 0") and thread in open_in:
            return True
    return False


def test_forced_sees_the_difference() -> None:
    """The check itself: a call that only began, or that failed, or on another file, is no proof."""
    assert forced(["7 fdatasync(12</d/vestnik.db-wal>) = 0"])
    assert forced(["7 fdatasync(12</d/vestnik.db-wal> <unfinished ...>", "8 write(1) = 1", "7 <... fdatasync resumed>) = 0"])
    assert not forced(["7 fdatasync(12</d/vestnik.db-wal> <unfinished ...>", "8 <... fdatasync resumed>) = 0"])
    assert not forced(["7 <... fdatasync resumed>) = 0"])
    assert not forced(["7 fdatasync(12</d/other.db-wal>) = 0", "7 fdatasync(12</d/vestnik.db-wal>) = -1 EIO"])
