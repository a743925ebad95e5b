"""How the client is set up that plugins see."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import httpx
import pytest

from core.errors import ConfigError
from core.http import make_client
from core.pace import PacedTransport
from core.wire import Transport


def test_wrong_settings_are_sentences(tmp_path: Path) -> None:
    """A proxy of an unknown kind, a missing and an unreadable ca_file each stop the start, and none shows the proxy's password."""
    with pytest.raises(ConfigError, match=r'^proxy: only "http://…" and "https://…" are known$'):
        make_client(proxy="socks5://user:secret@127.0.0.1:1080")
    with pytest.raises(ConfigError, match=r"^ca_file: .*/none\.pem cannot be used \(No such file or directory\); name a PEM file$"):
        make_client(ca_file=tmp_path / "none.pem")
    (tmp_path / "bad.pem").write_text("not a certificate")
    with pytest.raises(ConfigError, match=r"^ca_file: .*/bad\.pem cannot be used .*; name a PEM file$"):
        make_client(ca_file=tmp_path / "bad.pem")


def test_the_settings_plugins_may_count_on() -> None:
    """5 s to connect, 30 s to read, 10 s to write, 5 s for a connection; no redirects; our name."""
    http = make_client()
    assert http.timeout == httpx.Timeout(connect=5, read=30, write=10, pool=5)
    assert http.follow_redirects is False
    assert http.headers["user-agent"].startswith("vestnik/")


OUR_OWN = """-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUWjWG6qaaK8YKKqrMgn+B05rCxnYwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNDA3MTYyMVoYDzIxMjYxMDMx
MDcxNjIxWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATt2NwUx+zP1LHz9XJTlKlzuMAU3kU4Pf32iwKzItkxfCsbx6DnuL7m
LKCI1uES4dZCbaPgbMzrkRksBj5yR3oSo28wbTAdBgNVHQ4EFgQUh/tWYCqdpyRw
maAPGUAIKvXjIDcwHwYDVR0jBBgwFoAUh/tWYCqdpyRwmaAPGUAIKvXjIDcwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDRwAwRAIgTxrdrAWBaKjaM1GRXuX70dqGnN+zyzxdw9me18xT2kkCIF8H
DAXX60IEnZ9eHR2KSKJsxvV8+i5D8Fv9oFnqpetm
-----END CERTIFICATE-----
"""  # signed by itself, of no use to anybody: its key is gone


def test_a_file_of_authorities_is_trusted_beside_the_usual_ones(tmp_path: Path) -> None:
    """`ca_file` adds to the authorities; it does not replace them."""
    (tmp_path / "own.pem").write_text(OUR_OWN)
    usual = trusted(make_client())
    assert len(usual) > 50
    assert trusted(make_client(ca_file=tmp_path / "own.pem")) == usual | {ssl.PEM_cert_to_DER_cert(OUR_OWN)}


def trusted(http: httpx.AsyncClient) -> set[bytes]:
    transport = http._transport
    assert isinstance(transport, Transport)
    return set(transport.trust.get_ca_certs(binary_form=True))


def test_make_client_paces_when_told_to() -> None:
    """`pace` wraps the client's transport; without it there is no wrapper to pay for."""

    async def kinds() -> tuple[bool, bool]:
        async with make_client(pace=((5, 1.0), (200, 60.0))) as paced, make_client() as plain:
            return isinstance(paced._transport, PacedTransport), isinstance(plain._transport, PacedTransport)

    assert asyncio.run(kinds()) == (True, False)
