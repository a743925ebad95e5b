"""What every transport would write again: reading a callback, a form, a list, a time, and an answer that its gateway does not document."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qsl

import httpx
import msgspec

from core.model import Request, Retry, SendResult, Unclear

_LATEST = 4_102_444_800  # 2100: a larger number is in milliseconds, or nonsense


def otherwise(response: httpx.Response) -> SendResult:
    """What an answer means whose body has no documented code: only what HTTP itself says was not taken may be tried again."""
    status = response.status_code
    if status == 429:
        return Retry("too many requests", retry_after(response), scope="transport")
    if status in (401, 403):
        return Retry(f"HTTP {status}: the key is not accepted", scope="transport", alert=True)
    if 300 <= status < 400:
        return Retry(f"HTTP {status}: base_url points elsewhere", scope="transport", alert=True)
    if status < 300:
        return Unclear(f"HTTP {status} without the id of a message")
    if status >= 500 or status in (408, 499):
        return Unclear(f"HTTP {status}: it may have been taken")
    return Unclear(f"HTTP {status} with nothing that is documented")


def retry_after(response: httpx.Response) -> timedelta | None:
    """The seconds in the header `Retry-After`, at most a day; `None` where there are none."""
    text = response.headers.get("retry-after", "").strip()
    return timedelta(seconds=min(int(text), 86_400)) if text.isdecimal() and len(text) < 10 else None


def posted(request: Request) -> dict[str, Any]:
    """The JSON object of a callback. Raises ValueError where it is none: the body is then kept as unreadable."""
    found = decoded(request.body)
    if not isinstance(found, dict):
        raise ValueError("the body is not a JSON object")
    return found


def listed(response: httpx.Response) -> list[dict[str, Any]]:
    """The JSON objects of a list that a gateway answered; `[]` where the body is none."""
    return objects(decoded(response.content))


def objects(found: object) -> list[dict[str, Any]]:
    """The JSON objects in a list; `[]` for anything else."""
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def decoded(raw: bytes) -> Any:
    """JSON, also with a broken letter in it (half of an emoji in a client's name); `None` for what is none, or nested without end."""
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        pass
    try:
        text = json.dumps(json.loads(raw.decode("utf-8", "replace").removeprefix("\ufeff")), ensure_ascii=False)
        return json.loads(text.encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def form(request: Request) -> dict[str, str]:
    """The fields of a posted form, in either of the two ways a form travels; `{}` where the body is none."""
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/"):
        return dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))
    whole = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode(errors="replace") + request.body)
    values = {part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in whole.walk()}
    return {str(name): value.decode(errors="replace") for name, value in values.items() if isinstance(value, bytes)}


def moment(value: object) -> datetime | None:
    """A time as gateways write it, in UTC: seconds or milliseconds since 1970, also as text, or ISO 8601 with a zone."""
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else None
    if isinstance(value, str) and not value.isdecimal():
        try:
            at = datetime.fromisoformat(value)
            return at.astimezone(UTC) if at.tzinfo else None
        except (ValueError, OverflowError):
            return None
    if isinstance(value, bool) or not isinstance(value, int | float | str) or len(str(value)) > 20:
        return None
    seconds = float(value) if float(value) < _LATEST else float(value) / 1000
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < _LATEST else None
