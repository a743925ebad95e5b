"""Proof of where a request comes from: what is believed, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta

import msgspec
import pytest

from core import Refused, prove, prove_hmac, same_hmac, same_jwt, same_secret
from core.testing import NOON

SHA256 = hmac.new(b"key", b"body", hashlib.sha256).hexdigest()
SHA512 = hmac.new(b"key", b"body", hashlib.sha512).hexdigest()


@pytest.mark.parametrize("given", [None, "", "S3cret", "s3cret ", "ы", "\udcff"])
def test_another_secret_is_refused(given: str | None) -> None:
    """Whatever is not the secret to the letter, also what no text can be."""
    assert not same_secret(given, "s3cret")
    with pytest.raises(Refused, match=r"^the key of the form is wrong$"):
        prove(given, "s3cret", "the key of the form is wrong")


def test_the_secret_is_believed() -> None:
    """The right one raises nothing."""
    prove("s3cret", "s3cret")


@pytest.mark.parametrize("given", [None, "", "anything"])
def test_nobody_is_believed_while_no_secret_is_set(given: str | None) -> None:
    """An empty secret proves nothing, not even an empty one."""
    with pytest.raises(Refused):
        prove(given, "")
    with pytest.raises(Refused):
        prove_hmac("", b"body", hmac.new(b"", b"body", hashlib.sha256).hexdigest())


@pytest.mark.parametrize("given", [SHA256, SHA256.upper(), f"sha256={SHA256}", f" {SHA256} "])
def test_signature(given: str) -> None:
    """The hex HMAC of the raw body, in either case, with or without the algorithm's name."""
    assert same_hmac("key", b"body", given)
    prove_hmac("key", b"body", given)


@pytest.mark.parametrize("given", [None, "", SHA256[:-1], SHA512, f"sha512={SHA256}", "ы"])
def test_wrong_signature(given: str | None) -> None:
    """Another body, key or algorithm, a part of it, or none."""
    with pytest.raises(Refused, match=r"^wrong signature$"):
        prove_hmac("key", b"body", given)
    with pytest.raises(Refused):
        prove_hmac("other", b"body", SHA256)
    with pytest.raises(Refused):
        prove_hmac("key", b"other", SHA256)


def test_sha512() -> None:
    """Where a gateway signs with SHA-512, that is what counts."""
    prove_hmac("key", b"body", SHA512, "sha512")
    with pytest.raises(Refused):
        prove_hmac("key", b"body", SHA256, "sha512")


def jwt(claims: object, key: str = "key", now: datetime = NOON) -> bool:
    signed = b".".join(base64.urlsafe_b64encode(msgspec.json.encode(part)).rstrip(b"=") for part in ({"alg": "HS256"}, claims))
    proof = base64.urlsafe_b64encode(hmac.new(b"key", signed, hashlib.sha256).digest()).rstrip(b"=")
    return same_jwt(key, b".".join((signed, proof)).decode(), now)


def test_jwt() -> None:
    """A JWT under our secret counts until it runs out; one without an end, or with a strange one, never."""
    soon = int((NOON + timedelta(minutes=1)).timestamp())
    assert jwt({"exp": soon})
    assert not jwt({"exp": soon}, now=NOON + timedelta(minutes=1))
    assert not jwt({"exp": soon}, key="other")
    for claims in ({}, {"exp": "never"}, {"exp": None}, [], "x"):
        assert not jwt(claims)
