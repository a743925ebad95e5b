"""`vestnik link`: the address that a client opens to bind a bot, so that messages reach him there."""

from __future__ import annotations

import secrets
from datetime import datetime

from core import retry
from core.config import Configuration
from core.errors import VestnikError
from core.hooks import Hooks
from core.http import make_client
from core.phones import parse_phone
from core.pipeline import route
from core.store import Store


async def make(
    config: Configuration, hooks: Hooks, store: Store, phone: str, channel: str | None, company: int | None, now: datetime
) -> str:
    """The link of one client. Raises `VestnikError` where no bot is on, or the messenger says no."""
    number, missing = parse_phone(phone, config.salon_of(company).region)
    if number is None:
        raise VestnikError(f"{phone}: {missing}; write it as +79000000088")
    bots = [hop for hop in route.bots(hooks, company) if channel in (None, hop.channel.name)]
    if not bots:
        raise VestnikError(f"[send]: no bot for {channel or 'any channel'} is on; switch on one that clients bind, with its token")
    if len(bots) > 1:
        raise VestnikError(f"several bots are on; say which: --channel {' or '.join(hop.channel.name for hop in bots)}")
    plugin, token = bots[0].plugin, secrets.token_urlsafe(16)
    settings = plugin.config_for(company)
    async with make_client(proxy=getattr(settings, "proxy", None), ca_file=getattr(settings, "ca_file", None)) as http:
        try:
            found = await hooks.ask_async("link", plugin, company, token=token, http=http)
        except ValueError as error:  # the plugin's own sentence
            raise VestnikError(f"[{plugin.name}] {error}") from error
        except Exception as error:
            raise VestnikError(f"[{plugin.name}] no link was made: {retry.judge(error).reason}") from error
    await store.people.add_token(token, number, now)
    return str(found)
