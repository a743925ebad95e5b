"""`vestnik stats` and the page, of what is neither sent nor silent: put off, unreadable, refused, callbacks of no use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.conftest import TOKEN, Clock, Driver, body, drive, settings
from tests.telling import with_gateway
from tests.test_cli import PLAIN, cells, vestnik, written

GATEWAY = """from core import Channel, DeliveryStatus, Refused, Sent, hookimpl

@hookimpl
def channel():
    return Channel("whatsapp", reports_delivery=True)

@hookimpl
async def send(message):
    return Sent("k1")

@hookimpl
def callback(request):
    if request.query.get("key") != "right":
        raise Refused
    number = request.body.decode().split(":")
    return [DeliveryStatus(number[1], id=number[0])]
"""
TABLE = {"secret": "right", "salon": "branch", "id": "id", "status": "event", "created": ["new"], "deleted": ["gone"], "start": "at", "phone": "tel", "changed": "ch"}  # fmt: skip


def below(out: str, title: str) -> list[list[str]]:
    """The rows of one table."""
    _, found, rest = out.partition(f"{title}\n")
    assert found, out
    return cells(rest.partition("└")[0])


def test_what_stats_tells_apart(tmp_path: Path, database_url: str) -> None:
    """Each kind under a title of its own, with what a person can copy: ids, counts, the salon's word for a booking."""
    folder, now = tmp_path / "mine" / "send", datetime.now(UTC)
    folder.mkdir(parents=True)
    (folder / "kurier.py").write_text(GATEWAY, encoding="utf-8")
    quiet = {"from": f"{now + timedelta(hours=2):%H:%M}", "to": f"{now + timedelta(hours=1):%H:%M}"}  # it is night all day
    text = PLAIN.replace("[send.console]", "[send.kurier]").replace("[server]", f'[database]\nurl = "{database_url}"\n[server]')
    written(tmp_path, f'{text}[plugins]\npath = ["mine"]\n')
    keys: dict[str, str] = {}

    async def story(app: Driver) -> None:
        silent = await app.tell(body("record_create_by_bot_comment", id=5, resource_id=5))
        assert silent["rule"] == "own_comment"
        later = await app.tell(body("record_create_discount50", date="2099-08-21 14:30:00", datetime="2099-08-21T14:30:00+00:00"))
        assert (later["status"], later["rule"]) == ("deferred", "quiet_hours")
        for n in (1, 2):
            keys[f"unread {n}"] = (await app.tell(b'{"id": 7', path="/webhook/json?secret=right"))["event_id"]
            app.clock.now += timedelta(seconds=1)
        assert (await app.post(b"{}", "/webhook/json?secret=wrong")).status_code == 401
        for _ in range(2):
            assert (await app.post(b"k1:sent", "/callback/kurier?key=wrong")).status_code == 401
        for content in (b"nonsense +79000000088", b"k9:sent", b"k8:sent"):
            assert (await app.post(content, "/callback/kurier?key=right")).status_code == 200
        await app.settle()
        (odd,) = await app.rows("SELECT reason, payload FROM callbacks WHERE status = 'unreadable'")
        assert odd == {"reason": "IndexError: list index out of range in kurier.py:16", "payload": "nonsense +79000000088"}

    raw = settings(
        database_url, source={"json": TABLE}, filter={"quiet_hours": quiet, "past_visit": None}, plugins={"path": [str(folder.parent)]},
        send={"console": None, "kurier": {}}, salon={"962302": {"timezone": "UTC"}},
    )  # fmt: skip
    drive(raw, tmp_path, story, clock=Clock(now))
    code, out, err = vestnik(tmp_path, "stats")
    assert (code, err) == (0, "")
    assert below(out, "Rules that kept silent") == [["own_comment", "1"]]
    ((rule, times, until),) = below(out, "Put off for now")
    assert (rule, times) == ("quiet_hours", "1")
    assert now < datetime.fromisoformat(f"{until}+00:00") < now + timedelta(days=1)
    assert below(out, "Refused webhooks (lost for ever)") == [["json", "1"]]
    assert below(out, "Refused callbacks (most gateways repeat them for a while)") == [["kurier", "2"]]
    odd = below(out, "Callbacks that were of no use")
    assert [row[:3] for row in odd] == [["kurier", "about no message of ours", "2"], ["kurier", "cannot be read", "1"]]
    unread = below(out, "Unreadable events, newest first (vestnik replay, once they can be read)")
    assert [row[0] for row in unread] == [keys["unread 2"], keys["unread 1"]]
    code, traced, _ = vestnik(tmp_path, "trace", unread[0][0])
    assert code == 0
    assert f"  → unreadable: {unread[0][3]}\n" in traced
    assert "9000000088" not in out


def test_a_booking_is_called_as_its_sender_calls_it(tmp_path: Path, database_url: str) -> None:
    """An id that is no number stands on the page, in `stats` and in `trace`, and not the number that we make of it."""
    found = {
        "branch": 962302, "id": "A-1/<b>", "event": "new", "at": "2099-08-21T14:30:00+03:00", "tel": "+79000000088", "ch": "2025-08-20T08:00:00Z",
    }  # fmt: skip
    now, keys = datetime.now(UTC), []
    written(tmp_path, PLAIN.replace("[server]", f'[database]\nurl = "{database_url}"\n[server]'))

    async def story(app: Driver) -> None:
        told = await app.tell(found, path="/webhook/json?secret=right")
        assert told["status"] == "processed"
        keys.append(str(told["record_id"]))
        page = (await app.http.get("/", headers={"authorization": f"Bearer {TOKEN}"})).text
        assert "A-1/&lt;b&gt;" in page
        assert keys[0] not in page
        async with app.vestnik.run.store.engine.connection() as connection:
            await connection.execute("UPDATE webhook_events SET status = 'parked'")

    drive(settings(database_url, source={"json": TABLE}, filter={"past_visit": None}), tmp_path, story, clock=Clock(now))
    for words in (("stats",), ("trace", "A-1/<b>")):
        code, out, _ = vestnik(tmp_path, *words)
        assert (code, "A-1/<b>" in out, keys[0] in out) == (0, True, False)


def test_a_rule_that_waits_too_long_is_named(play: Callable[..., Any], tmp_path: Path) -> None:
    """It lets an event go once the visit has begun: the message expires, and the reason is the rule."""
    (tmp_path / "filter").mkdir()
    (tmp_path / "filter" / "patient.py").write_text(
        "from datetime import timedelta\nfrom core import Deferred, hookimpl\n\n@hookimpl\ndef filter(case, now):\n"
        "    until = case.booking.visit_at + timedelta(hours=1)\n    return Deferred(until, 'after the visit') if now < until else None\n",
        encoding="utf-8",
    )

    async def story(app: Driver) -> None:
        told = await app.tell(body("record_create_discount50"))
        assert (told["status"], told["rule"]) == ("deferred", "patient")
        await app.settle(2 * 86400)
        told = await app.story(told["event_id"])
        assert [(row["status"], row["error"]) for row in told["notifications"]] == [
            ("expired", "its time is over: patient put it off (after the visit)")
        ]
        assert "after the visit" in (await app.rows("SELECT reason FROM journal WHERE verdict = 'expired'"))[0]["reason"]

    tables = with_gateway(tmp_path)
    play(
        story, plugins={"path": [".", *tables["plugins"]["path"]]}, send=tables["send"], filter={"past_visit": None, "patient": {}}
    )


def test_a_rule_that_puts_a_message_off_too_long_is_named(play: Callable[..., Any], tmp_path: Path) -> None:
    """The same where the rule speaks up only when the message is about to leave."""
    (tmp_path / "filter").mkdir()
    (tmp_path / "filter" / "late.py").write_text(
        "from datetime import timedelta\nfrom core import Deferred, hookimpl\n\nASKED = []\n\n@hookimpl\ndef filter(case, now):\n"
        "    ASKED.append(now)\n    until = case.booking.visit_at + timedelta(hours=1)\n"
        "    return Deferred(until, 'after the visit') if len(ASKED) > 1 and now < until else None\n",
        encoding="utf-8",
    )

    async def story(app: Driver) -> None:
        told = await app.tell(body("record_create_discount50"))
        await app.settle(2 * 86400)
        told = await app.story(told["event_id"])
        assert [(row["status"], row["error"]) for row in told["notifications"]] == [("expired", "late: after the visit")]

    play(story, plugins={"path": ["."]}, filter={"past_visit": None, "late": {}})
