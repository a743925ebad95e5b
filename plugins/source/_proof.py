"""Whom a webhook is for, and how its sender proves that it is the sender. Shared by the sources; no plugin itself."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import datetime

from core import Refused, Request, same_hmac, same_secret

SIGNED = "whsec_"  # how a secret of Standard Webhooks begins; base64 follows
TOLERANCE = 300  # seconds between the signature and now, in either direction


def name_of(request: Request) -> str:
    """The source that is asked, as its table is called: the last part but for `/events`."""
    return request.path.strip("/").partition("/")[2].partition("/")[0]


def by_secret(request: Request, secret: str | None) -> None:
    """`?secret=…`, or the HMAC of the body in X-Webhook-Signature. Raises `Refused`; `None` and "none" leave the door open."""
    if not secret or secret == "none":  # noqa: S105  # "none": open on purpose
        return
    if request.replayed or same_secret(request.query.get("secret"), secret):
        return
    signature = request.headers.get("x-webhook-signature")
    if signature is None or not same_hmac(secret, request.body, signature):
        raise Refused


def by_standard_webhooks(request: Request, secret: str, now: datetime) -> str:
    """The message's id, once one of its signatures is ours and not older than five minutes. Raises `Refused`.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    if request.replayed:  # the message's id is not kept, either
        return ""
    number, stamp = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
    if not number or not (stamp.isascii() and stamp.isdigit()) or len(stamp) > 12:
        raise Refused("webhook-id or webhook-timestamp is missing")
    told = f"{number}.{stamp}.".encode("utf-8", "surrogatepass") + request.body
    ours = f"v1,{base64.b64encode(hmac.new(key_of(secret), told, hashlib.sha256).digest()).decode()}"
    given = request.headers.get("webhook-signature", "").split()  # several while the sender changes its secret
    if not any(same_secret(signature, ours) for signature in given):
        raise Refused("no webhook-signature is made with our secret")
    if abs(int(stamp) - now.timestamp()) > TOLERANCE:
        raise Refused("webhook-timestamp is more than five minutes away from our clock")
    return number


def key_of(secret: str) -> bytes:
    """The key in `whsec_…`. Raises ValueError."""
    text = secret.removeprefix(SIGNED)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise ValueError(f"what follows {SIGNED} is no base64; copy the secret as the sender shows it")
    return key
