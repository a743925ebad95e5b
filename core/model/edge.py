"""The HTTP edge: what comes in, as sources and transports see it, and what may be answered."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from core.model.sending import CallbackItem


class Request(Struct, frozen=True):
    """One HTTP request, as a source or a transport sees it."""

    method: str
    path: str
    headers: Mapping[str, str]  # by lower-case names
    query: Mapping[str, str]  # the first value of each name
    body: bytes  # raw, at most 1 MiB
    replayed: bool = False  # an unreadable body is read again: it was proven then, and headers and query are not kept


class Received(Struct, frozen=True):
    """One event as it arrived, ready to be stored."""

    event_id: str  # the inbox key: the same event sent twice has the same one
    event_type: str  # "record.created"
    payload: str  # `normalize` reads it again from the stored row
    company_id: int | str | None = None  # the salon
    subject_id: int | str | None = None  # the sender's own id of the booking, any text or number
    transport_id: str | None = None  # the sender's own delivery id (a header), kept for the story, never a key
    digest: str | None = None  # of the sender's data: a poll that finds the same again passes it over
    unreadable: str | None = None  # why the body could not be read; it is stored all the same
    test: bool = False  # a test booking


class Reply(Struct, frozen=True):
    """An answer of the plugin's own, where the sender wants more than our JSON."""

    items: tuple[Received | CallbackItem, ...] = ()  # stored before it is sent
    body: str = ""
    content_type: str = "application/json"
    status: int = 200


class Example(Struct, frozen=True):
    """A recorded body for `vestnik demo`, with its dates moved to the future."""

    title: str
    body: bytes
