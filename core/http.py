"""The `http` that plugins see: an `httpx.AsyncClient` whose requests cost little and are never sent twice.

httpx's own pool grows dearer with every connection (2–4 ms of CPU a request at 16–32), so its transport is replaced by `core.wire`
(0.3 ms).
"""

from __future__ import annotations

import logging
import ssl
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import httpx
from yarl import URL

from core.errors import ConfigError
from core.pace import PacedTransport, Pacer, Rates
from core.wire import Transport

TIMEOUT = httpx.Timeout(connect=5, read=30, write=10, pool=5)


def make_client(
    *, proxy: str | None = None, ca_file: Path | None = None, concurrency: int = 128, pace: Rates = ()
) -> httpx.AsyncClient:
    """A client for gateways and sources. `concurrency` is per host: one that hangs holds up no other.

    The environment's proxies are not used: a proxy is named in config.toml. `ca_file` is trusted beside the usual authorities.
    """
    for name in ("httpx", "httpcore", "aiohttp"):  # httpx logs every address at INFO, and some addresses hold a token
        logging.getLogger(name).setLevel(logging.WARNING)
    transport: httpx.AsyncBaseTransport = Transport(_trust(ca_file), _proxy(proxy), concurrency)
    return _Client(
        transport=PacedTransport(transport, Pacer(pace)) if pace else transport,
        timeout=TIMEOUT,
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": f"vestnik/{_version()}"},
    )


def check_way_out(proxy: str | None, ca_file: Path | None) -> None:
    """Whether a client can be made of these, before anything is to be sent. Raises `ConfigError` that names the key."""
    _proxy(proxy)
    if ca_file:
        _believe(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ca_file)


class _NoCookies(httpx.Cookies):
    """Keeps none. (To look for them with the standard library costs a tenth of a request.)"""

    def extract_cookies(self, response: httpx.Response) -> None:
        return


class _Client(httpx.AsyncClient):
    """Accounts share the client, and must not share a session."""

    def build_request(self, method: str, url: httpx.URL | str, **settings: Any) -> httpx.Request:
        return super().build_request(method, _parsed(url) if isinstance(url, str) else url, **settings)

    @property
    def cookies(self) -> httpx.Cookies:
        return _NoCookies()

    @cookies.setter
    def cookies(self, cookies: object) -> None:
        return


@lru_cache(maxsize=256)
def _parsed(url: str) -> httpx.URL:
    """Gateways are called at the same few addresses; to take one apart costs a sixth of a request."""
    return httpx.URL(url)


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    if ca_file is None:
        return _usual_authorities()
    context = _authorities()
    _believe(context, ca_file)
    return context


@lru_cache(maxsize=1)
def _usual_authorities() -> ssl.SSLContext:
    """Shared by all clients: to read the list takes 20 ms."""
    return _authorities()


def _authorities() -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _believe(context: ssl.SSLContext, ca_file: Path) -> None:
    try:
        context.load_verify_locations(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        why = "not a certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigError(f"ca_file: {ca_file} cannot be used ({why}); name a PEM file") from None


def _proxy(address: str | None) -> URL | None:
    if not address:
        return None
    if not address.startswith(("http://", "https://")):
        raise ConfigError('proxy: only "http://…" and "https://…" are known')
    try:
        found = URL(address)
    except ValueError:
        found = URL()
    if not found.host:  # the address may hold a password, so it is not shown
        raise ConfigError('proxy: it names no host; write it as "http://user:password@host:3128"')
    return found


def _version() -> str:
    try:
        return version("vestnik")
    except PackageNotFoundError:  # run from a folder, not installed
        return "0"
