"""СТОП and СТАРТ: what a client said, and the one short answer to it, over the channel that it was said on."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

from core.model import Case, Contact, EventFacts, Suppressed
from core.pipeline import filter as rules
from core.pipeline import route
from core.runtime import Runtime
from core.store.callbacks import StoredCallback
from core.store.rows import OURS, Notification

_ALIKE = str.maketrans(
    "сторае", "ctopae"
)  # keyboards are left in the other alphabet: "CTOП" is three Latin letters and one Russian
_SAID = {"стоп": route.OPTED_OUT, "stop": route.OPTED_OUT, "старт": route.OPTED_IN, "start": route.OPTED_IN}
_WORDS = {word.translate(_ALIKE): kind for word, kind in _SAID.items()}
_AROUND = " \t\r\n\u00a0.!,;:…«»\"'“”„()*_~-–—\u200b\u200e\ufe0f\ufeff"
_DEADLINE = timedelta(hours=1)  # later it would answer nothing


def meant(text: str) -> str | None:
    """The whole message is the word, in any case, with a full stop, an exclamation mark or quotes: "Стоп, я перепутала" and "стоп?" are none."""
    return _WORDS.get(text.strip(_AROUND).lower().translate(_ALIKE))


def answer(run: Runtime, row: StoredCallback, phone: str, kind: str, now: datetime) -> Notification | None:
    """`None` where the transport is off, or no rule heeds the word: the answer would not be true."""
    salons = [company for company in run.config.salons if _account(run, row.transport, company) == row.account]
    company = row.account or (salons[0] if len(salons) == 1 else None)
    way = route.answer(run.hooks, row.transport, company)
    if not way or not _heeded(run, company, phone, now):
        return None
    return Notification(
        notification_id=f"n_{uuid4().hex[:20]}", event_id=f"answer {row.id}", source=OURS, company_id=company, record_id=None, phone=phone,
        notification_type=kind, channel=way[0].channel.name, transport=row.transport, account=row.account, reference=f"v{uuid4().hex[:23]}",
        due_at=now, deadline_at=now + _DEADLINE, created_at=now,
    )  # fmt: skip


def _account(run: Runtime, name: str, company: int) -> int | None:
    plugin = route.transport(run.hooks, name, company)
    return plugin.account(company) if plugin else None


def _heeded(run: Runtime, company: int | None, phone: str, now: datetime) -> bool:
    """Whether a rule keeps silent for a client who said СТОП, and not for the same one who did not."""
    facts, salon = EventFacts("", "created", now, now), run.config.salon_of(company)
    silent = [
        isinstance(rules.ask(run.hooks, Case("message", None, None, frozenset(), facts, contact, salon), now).verdict, Suppressed)
        for contact in (Contact(phone, opted_out_at=now), Contact(phone))
    ]
    return silent == [True, False]
