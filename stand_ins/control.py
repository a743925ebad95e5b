"""What a person may ask of a stand-in over HTTP, beside its API: plan what happens, let a client write, take the session down, see the ledger."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stand_ins.base import StandIn
from stand_ins.scenario import Client, Control, Session

_Asked = TypeVar("_Asked")


def routes(stand_in: StandIn) -> list[Route]:
    """`POST /_scenario`, `/_client` and `/_session`, `GET /_ledger`."""

    async def scenario(request: Request) -> Response:
        asked = await _asked(request, Control)
        try:
            stand_in.plan(*asked.next)
            for phone, said in asked.phones.items():
                stand_in.plan_for(phone, said)
            if asked.always is not None:
                stand_in.always(asked.always)
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        return JSONResponse(stand_in.plans())

    async def client(request: Request) -> Response:
        asked = await _asked(request, Client)
        await stand_in.write(asked.phone, asked.text, asked.contact)
        return JSONResponse({})

    async def session(request: Request) -> Response:
        await stand_in.session((await _asked(request, Session)).working)
        return JSONResponse({"working": stand_in.working})

    async def ledger(request: Request) -> Response:
        return Response(msgspec.json.encode(stand_in.ledger), media_type="application/json")

    asked = [Route(f"/_{answer.__name__}", answer, methods=["POST"]) for answer in (scenario, client, session)]
    return [*asked, Route("/_ledger", ledger)]


async def _asked(request: Request, kind: type[_Asked]) -> _Asked:
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except ValueError as error:
        raise HTTPException(400, str(error)) from error
