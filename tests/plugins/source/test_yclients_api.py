"""`source.yclients` against a stand-in of the API: what changed page by page, and a record read again for its phone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request as Asked
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core import Event, Ignored, Later, Received, Request, Salon
from core.testing import SALON
from plugins.source.yclients import Config, normalize, poll, receive

PAYLOADS = Path(__file__).parents[2] / "payloads" / "yclients"
PARTNER, USER = "partner-1", "user-2"
CONFIG = Config(api_url="https://api.example/", partner_token=PARTNER, user_token=USER)
SINCE = datetime(2025, 8, 20, 9, 0, tzinfo=UTC)
NOW = datetime(2025, 8, 20, 22, 30, tzinfo=UTC)  # the 21st already in Moscow
HEADERS = {"accept": "application/vnd.yclients.v2+json", "authorization": "Bearer partner-1, User user-2"}


class Api:
    """Answers as YCLIENTS does: pages of `count`, at most `most` of them, `meta.total_count` where it is given."""

    def __init__(self, records: Sequence[Any] = (), total: object = None, most: int = 1000, answer: Response | None = None) -> None:
        self.records, self.total, self.most, self.answer = records, total, most, answer
        self.asked: list[Asked] = []
        routes = [Route("/api/v1/records/{company:int}", self._list), Route("/api/v1/record/{company:int}/{record:int}", self._one)]
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=routes)))

    async def _list(self, request: Asked) -> Response:
        self.asked.append(request)
        if self.answer is not None:
            return self.answer
        page, size = int(request.query_params["page"]), min(self.most, int(request.query_params["count"]))
        meta = [] if self.total is None else {"page": page, "total_count": self.total}
        return Response(json.dumps({"success": True, "data": self.records[(page - 1) * size : page * size], "meta": meta}))

    async def _one(self, request: Asked) -> Response:
        self.asked.append(request)
        if self.answer is not None:
            return self.answer
        found = [entry for entry in self.records if entry["id"] == request.path_params["record"]]
        if not found:
            return JSONResponse({"success": False, "data": None, "meta": {"message": "Не найдено"}}, 404)
        return JSONResponse({"success": True, "data": found[0], "meta": []})

    def poll(self, since: datetime | None = SINCE, salon: Salon = SALON) -> Sequence[Received]:
        found = asyncio.run(poll(since, salon, self.http, CONFIG, NOW))
        assert found is not None
        return found

    def normalize(self, item: Received, config: Config = CONFIG) -> Event | Ignored | Later:
        return asyncio.run(normalize(item, SALON, self.http, config))


def webhook(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text())
    return body


def a_record(own: int = 1213336367, **fields: Any) -> dict[str, Any]:
    return {**webhook("record_create_admin")["data"], "id": own, **fields}


def taken(body: object) -> Received:
    (item,) = receive(Request("POST", "/webhook/yclients", {}, {}, json.dumps(body).encode()), CONFIG)
    return item


# --- poll ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tokens", [(None, None), ("partner-1", None), (None, "user-2"), ("", "")])
def test_without_both_tokens_nothing_is_asked(tokens: tuple[str | None, str | None]) -> None:
    """Polling is on when both tokens are given; else it says that it cannot ask, and stays silent."""
    api = Api([a_record()])
    assert asyncio.run(poll(SINCE, SALON, api.http, Config(partner_token=tokens[0], user_token=tokens[1]), NOW)) is None
    assert api.asked == []


def test_what_is_asked() -> None:
    """One page of what changed since the point, deleted ones too, in the salon's wall clock, as the API's user."""
    api = Api()
    assert api.poll() == []
    (asked,) = api.asked
    assert asked.url.path == "/api/v1/records/962302"
    assert dict(asked.query_params) == {"changed_after": "2025-08-20T12:00:00", "with_deleted": "1", "page": "1", "count": "200"}
    assert HEADERS.items() <= dict(asked.headers).items()


@pytest.mark.parametrize(
    ("zone", "day"), [("Europe/Moscow", "2025-08-21"), ("America/New_York", "2025-08-20"), (None, "2025-08-21")]
)
def test_the_first_import_asks_for_all_coming_bookings(zone: str | None, day: str) -> None:
    """Without a point: from the salon's today on, whenever they were changed; what is there was made before us, so it is an update."""
    api = Api([a_record()])
    (item,) = api.poll(since=None, salon=Salon(id=1, timezone=zone))
    assert item.event_type == "record.updated"
    assert dict(api.asked[0].query_params) == {"start_date": day, "with_deleted": "1", "page": "1", "count": "200"}


def test_a_polled_record_is_as_a_webhook() -> None:
    """The same envelope, and what it means is the same as if the webhook had come."""
    api = Api([a_record()])
    (item,) = api.poll()
    expected = {"company_id": 962302, "resource": "record", "resource_id": 1213336367, "status": "update", "data": a_record()}
    assert json.loads(item.payload) == {**expected, "polled": True}
    assert (item.event_type, item.company_id, item.subject_id) == ("record.updated", 962302, 1213336367)
    assert (item.event_id, item.digest) == (taken(expected).event_id, taken(expected).digest)
    assert api.normalize(item) == api.normalize(taken(expected))


@pytest.mark.parametrize(
    ("fields", "event_type"),
    [
        ({"create_date": "2025-08-20T12:00:01+0300"}, "record.created"),
        ({"create_date": "2025-08-20T12:00:00+0300"}, "record.updated"),
        ({"create_date": None}, "record.updated"),
        ({"create_date": "2025-08-20T12:00:01+0300", "deleted": True}, "record.deleted"),
    ],
)
def test_created_updated_or_deleted(fields: dict[str, Any], event_type: str) -> None:
    """Deleted if it says so, created if it was made after the point, else updated."""
    assert [item.event_type for item in Api([a_record(**fields)]).poll()] == [event_type]


@pytest.mark.parametrize(
    ("records", "total", "most", "pages"),
    [
        (0, None, 1000, 1),
        (199, None, 1000, 1),
        (200, None, 1000, 2),
        (450, None, 1000, 3),
        (200, 200, 1000, 1),
        (450, 450, 1000, 3),
        (450, "450", 1000, 3),
        (120, 120, 50, 3),
        (10, 99, 1000, 2),
    ],
)
def test_pages_until_all_are_there(records: int, total: object, most: int, pages: int) -> None:
    """A short page is the last where no total is said; where one is said it counts, even if pages are shorter than asked, or it lies."""
    api = Api([a_record(own) for own in range(1, records + 1)], total, most)
    assert [item.subject_id for item in api.poll()] == list(range(1, records + 1))
    assert [asked.query_params["page"] for asked in api.asked] == [str(page) for page in range(1, pages + 1)]


def test_an_api_that_gives_the_same_page_for_ever_is_left() -> None:
    """A page with nothing new ends the round; each record is given once."""
    page = {"success": True, "data": [a_record(own) for own in range(1, 201)], "meta": {"total_count": 10_000}}
    api = Api(answer=JSONResponse(page))
    assert len(api.poll()) == 200
    assert len(api.asked) == 2


def test_what_is_no_record_in_a_page_is_passed_over() -> None:
    """Odd entries do not cost the others; a list with gaps, which PHP writes as an object, is a list."""
    page = {"success": True, "data": {"0": 7, "2": {"x": 1}, "3": a_record(5)}, "meta": []}
    assert [item.subject_id for item in Api(answer=JSONResponse(page)).poll()] == [5]


def test_one_broken_name_does_not_stop_a_salon() -> None:
    """A lone surrogate in one client's name is dropped, and the page is read, with a byte order mark too."""
    page = json.dumps({"success": True, "data": [a_record(client={"id": 1, "name": "А\ud83d", "phone": "+79000000088"})]})
    api = Api(answer=Response("\ufeff" + page))
    (item,) = api.poll()
    found = api.normalize(item)
    assert isinstance(found, Event)
    assert found.booking is not None
    assert found.booking.client_name == "А"


REFUSALS: list[tuple[Response, str]] = [
    (Response("<html>", 502), "HTTP 502"),
    (JSONResponse({"success": False, "meta": {"message": "Нет прав"}}, 403), "HTTP 403: Нет прав"),
    (JSONResponse({"success": False, "data": [], "meta": {"message": "bad user-2 and partner-1"}}), "HTTP 200: bad … and …"),
    (JSONResponse({"success": True, "data": []}, 429), "HTTP 429"),
    (Response("<html>"), "HTTP 200"),
    (JSONResponse({"success": True, "data": None}), "HTTP 200"),
    (JSONResponse([]), "HTTP 200"),
    (Response(b"[" * 100_000), "HTTP 200"),
]


@pytest.mark.parametrize(("answer", "end"), REFUSALS)
def test_a_refusal_is_one_sentence_without_tokens(answer: Response, end: str) -> None:
    """Anything but a list of records raises, so that the next round asks from the same point; the sentence holds no token."""
    with pytest.raises(RuntimeError) as caught:
        Api(answer=answer).poll()
    assert str(caught.value) == f"asked what changed in salon 962302, the API answered {end}"


def test_a_failure_on_a_later_page_gives_nothing() -> None:
    """Half a round must not move the point."""
    api = Api([a_record(own) for own in range(1, 201)] + [None], total=400)
    api.records = [*api.records[:200], *([{"id": None}] * 200)]
    assert len(api.poll()) == 200  # a page of nothing usable is an end, not a failure

    async def fails(request: httpx.Request) -> httpx.Response:
        if request.url.params["page"] == "2":
            return httpx.Response(500)
        return httpx.Response(200, json={"success": True, "data": [a_record(own) for own in range(1, 201)]})

    with pytest.raises(RuntimeError, match="HTTP 500"):
        asyncio.run(poll(SINCE, SALON, httpx.AsyncClient(transport=httpx.MockTransport(fails)), CONFIG, NOW))


# --- normalize: a record read again --------------------------------------------------------------------------------

HIDDEN = [
    "record_create_phone_masked",
    "record_create_phone_empty",
    "record_create_client_key_missing",
    "record_create_client_null_break",
]
FRESH_CLIENT = {"id": 1, "name": "Арсен", "phone": "+79000000088"}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_missing_phone_is_read_again(name: str) -> None:
    """The webhook hides the phone, the API shows it: the client is the API's, everything else is what the webhook said."""
    body = webhook(name)
    own = body["data"]["id"]
    api = Api([a_record(own, client=FRESH_CLIENT, comment="later")])
    found = api.normalize(taken(body))
    assert isinstance(found, Event)
    assert found.booking is not None
    assert (found.booking.phone, found.booking.phone_missing, found.booking.client_name) == ("+79000000088", None, "Арсен")
    assert found.booking.comment == body["data"]["comment"]
    (asked,) = api.asked
    assert asked.url.path == f"/api/v1/record/962302/{own}"
    assert HEADERS.items() <= dict(asked.headers).items()


def test_a_phone_that_is_there_is_not_asked_for() -> None:
    """Nor is anything asked for a bare deletion, an event of another resource, or where a token is missing."""
    api = Api([a_record()])
    for name in (
        "record_create_admin",
        "record_delete_data_empty",
        "staff_update",
        "finances_operation_create_2026",
        "marketplace_uninstall",
    ):
        api.normalize(taken(webhook(name)))
    api.normalize(taken(webhook("record_create_phone_masked")), Config(partner_token=PARTNER))
    assert api.asked == []


def test_a_polled_record_is_not_read_again() -> None:
    """It comes from the API already: a salon full of breaks must not cost a request for each."""
    api = Api([a_record(client=None)])
    (item,) = api.poll()
    api.normalize(item)
    assert len(api.asked) == 1


def test_a_record_without_data_is_read_again() -> None:
    """An event that carries no more than the id is filled from the API."""
    body = {"company_id": 962302, "resource": "record", "resource_id": 1213336367, "status": "create", "data": []}
    api = Api([a_record()])
    assert api.normalize(taken(body)) == api.normalize(taken(webhook("record_create_admin")))


@pytest.mark.parametrize(
    "answer",
    [
        None,
        JSONResponse({}, 403),
        JSONResponse({"success": True, "data": [1]}),
        JSONResponse({"success": True, "data": []}),
        Response("<html>"),
        JSONResponse([]),
        JSONResponse({}, 401),
    ],
)
def test_where_the_api_will_not_say_what_we_have_is_kept(answer: Response | None) -> None:
    """404, no rights, or an answer without a record: the booking stands, with the reason why there is no phone."""
    found = Api(answer=answer).normalize(taken(webhook("record_create_phone_masked")))
    assert isinstance(found, Event)
    assert found.booking is not None
    assert (found.booking.phone, found.booking.phone_missing) == (None, "the phone is hidden by access rights")
    assert found.booking.client_name == "Арсен"


def test_a_deletion_read_again_stays_a_deletion() -> None:
    """The record may be live again by then; that is told by its own event."""
    body = webhook("record_delete_full")
    body["data"]["client"]["phone"] = ""
    found = Api([a_record(client=FRESH_CLIENT)]).normalize(taken(body))
    assert isinstance(found, Event)
    assert found.action == "deleted"
    assert found.booking is not None
    assert (found.booking.cancelled, found.booking.phone) == (True, "+79000000088")


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_an_api_that_is_away_means_later(status: int) -> None:
    """A limit or an outage passes: the event waits for the phone."""
    found = Api(answer=Response("busy", status)).normalize(taken(webhook("record_create_phone_masked")))
    assert found == Later(f"the phone is missing, and the API that has it answered HTTP {status}")


def test_the_api_may_name_the_wait() -> None:
    """`Retry-After` is honoured."""
    found = Api(answer=Response("busy", 429, headers={"retry-after": "7"})).normalize(taken(webhook("record_create_phone_masked")))
    assert found == Later("the phone is missing, and the API that has it answered HTTP 429", timedelta(seconds=7))


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.PoolTimeout])
def test_an_api_that_cannot_be_reached_means_later(error: type[httpx.RequestError]) -> None:
    """Whatever broke on the way; the reason names it and holds no address or token."""

    def breaks(request: httpx.Request) -> httpx.Response:
        raise error(f"{request.url} user-2")

    http = httpx.AsyncClient(transport=httpx.MockTransport(breaks))
    found = asyncio.run(normalize(taken(webhook("record_create_phone_masked")), SALON, http, CONFIG))
    assert found == Later(f"the phone is missing, and the API that has it cannot be reached ({error.__name__})")


@pytest.mark.parametrize("ids", [{"company_id": "../1", "id": 5}, {"company_id": 5, "id": "x/../y"}, {"company_id": 5, "id": -5}])
def test_only_numbers_reach_the_address(ids: dict[str, object]) -> None:
    """An id that is text never becomes part of a path, and a test event (a negative id) is unknown to the API."""
    body = webhook("record_create_phone_masked")
    body["company_id"], body["data"]["id"] = ids["company_id"], ids["id"]
    nowhere = httpx.AsyncClient(transport=httpx.MockTransport(lambda request: pytest.fail(f"asked {request.url}")))
    assert isinstance(asyncio.run(normalize(taken(body), SALON, nowhere, CONFIG)), Event)
