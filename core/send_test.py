"""`vestnik send-test`: one message over the real transport, told step by step."""

from __future__ import annotations

from datetime import timedelta

from rich.console import Console

from core import retry
from core.config import Configuration
from core.errors import VestnikError
from core.hooks import Hooks
from core.http import make_client
from core.ids import new_id
from core.model import Address, Notice, Sent
from core.phones import mask, parse_phone
from core.pipeline import route
from core.pipeline.render import render
from core.runtime import utc_now

TEXT = "Проверка связи: сообщения от салона доходят."


async def send(config: Configuration, hooks: Hooks, phone: str, channel: str | None, company: int | None, console: Console) -> None:
    """Raises `VestnikError` where nothing could be sent."""
    salon = config.salon_of(company)
    number, missing = parse_phone(phone, salon.region)
    if number is None:
        raise VestnikError(f"{phone}: {missing}; write it as +79000000088")
    hops = [hop for hop in route.hops(hooks, config, company) if channel in (None, hop.channel.name)]
    if not hops:
        raise VestnikError(
            f"[route] channels: no transport carries {channel or 'any of them'}; switch one on in {config.path.name}"
        )
    hop = hops[0]
    settings = hop.plugin.config_for(company)
    console.print(
        f"1. route: {hop.channel.name} over {hop.plugin.short}, account {hop.account or 'of all salons'}, to {mask(number)}"
    )
    async with make_client(proxy=getattr(settings, "proxy", None), ca_file=getattr(settings, "ca_file", None)) as http:
        if "probe" in hop.plugin.calls:
            try:
                wrong = await hooks.ask_async("probe", hop.plugin, company, http=http)
            except Exception as error:
                wrong = retry.judge(error).reason
            console.print(f"2. probe: {'the account works' if wrong is None else wrong}")
        rendered = render(hooks, Notice("message", None, None, frozenset(), salon, TEXT), hop.channel)
        if rendered.message is None:
            raise VestnikError(f"render: {rendered.error}")
        console.print(f"3. render: {rendered.message.text}")
        address = Address(number, reference=new_id("v", utc_now(), 23))
        try:
            said = await hooks.ask_async(
                "send", hop.plugin, company, message=rendered.message, address=address, http=http, now=utc_now()
            )
        except Exception as error:
            said = retry.judge(error)
        console.print(f"4. send: {type(said).__name__} {getattr(said, 'reason', None) or getattr(said, 'id', '') or ''}")
        if not isinstance(said, Sent):
            raise VestnikError(f"{hop.plugin.name} did not take it: {said.reason}")
        if hop.channel.reports_delivery and "check" in hop.plugin.calls:
            from core.model import Attempt

            found = await hooks.ask_async(
                "check",
                hop.plugin,
                company,
                attempt=Attempt(said.id, address.reference, number, utc_now() - timedelta(0)),
                http=http,
            )
            console.print(f"5. delivery: {found.status if found else 'not known yet'}")
        elif hop.channel.reports_delivery:
            console.print(f"5. delivery: reported to /callback/{hop.plugin.short}; `vestnik serve` takes it in")
        else:
            console.print("5. delivery: this transport does not report it")
