"""What a gateway's own words mean, said once as a table: codes of answers (`Codes`) and states of messages (`Statuses`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, TypeVar

import httpx
import msgspec

from core.gateway import moment, otherwise, retry_after
from core.model import DeliveryStatus, Rejected, Retry, Scope, SendResult, Sent, Unclear

T = TypeVar("T")
_NONE: Mapping[str, Any] = MappingProxyType({})


class Codes:
    """The documented codes of a gateway, by what follows from them: `Codes(recipient={"7 8": "no SMS can reach the number"})`.

    A key holds one code or several, parted by blanks; numbers and texts count the same.

    `sent`: it has this message already. `recipient`: it never reaches this client, the next channel may. `content`: the text or template
    is wrong. `account`: a person has to mend it (key, money, session, the name of the sender). `limited`: the account has to wait. `later`: this
    message has to wait. `unclear`: it may have been taken. `after`: how long to wait, by code. `within`: it may have been taken, and the
    gateway knows a repeat for so long, by code of `later`.

    Raises ValueError where a code stands in two groups, or has a wait and no group.
    """

    def __init__(
        self,
        *,
        sent: str = "",
        recipient: Mapping[str, str] = _NONE,
        content: Mapping[str, str] = _NONE,
        account: Mapping[str, str] = _NONE,
        limited: Mapping[str, str] = _NONE,
        later: Mapping[str, str] = _NONE,
        unclear: Mapping[str, str] = _NONE,
        after: Mapping[str, timedelta] = _NONE,
        within: Mapping[str, timedelta] = _NONE,
    ) -> None:
        reasoned = {
            "recipient": recipient, "content": content, "account": account, "limited": limited, "later": later, "unclear": unclear,
        }  # fmt: skip
        _apart("Codes", {"sent": dict.fromkeys(sent.split(), ""), **reasoned})
        _timed("after", after, {"account": account, "limited": limited, "later": later})
        _timed("within", within, {"later": later})
        waits, known = dict(_each(after)), dict(_each(within))
        self._meanings: dict[str, SendResult] = {code: Sent(None) for code in sent.split()}
        self._meanings |= {code: Rejected(reason) for code, reason in _each(recipient)}
        self._meanings |= {code: Rejected(reason, scope="content") for code, reason in _each(content)}
        self._meanings |= {code: down(reason, waits.get(code)) for code, reason in _each(account)}
        self._meanings |= {code: Retry(reason, waits.get(code), scope="transport") for code, reason in _each(limited)}
        self._meanings |= {code: Retry(reason, waits.get(code), within=known.get(code)) for code, reason in _each(later)}
        self._meanings |= {code: Unclear(reason) for code, reason in _each(unclear)}

    def get(self, code: object) -> SendResult | None:
        """What a code means; `None` if it is not documented."""
        return self._meanings.get(str(code))

    def reason(self, code: object, unknown: str) -> str:
        """The sentence behind a code, else `unknown`."""
        return getattr(self.get(code), "reason", unknown)

    def judge(self, response: httpx.Response, code: object, sent: object = None, *, after: object = None) -> SendResult:
        """What an answer means: `Sent` for a 2xx with the id of a message, else what its code says, else `otherwise`.

        A limit is waited for as long as this table says, else `after` seconds (of the body), else as long as `Retry-After` says.
        """
        if response.is_success and not isinstance(sent, bool) and isinstance(sent, str | int) and sent != "":
            return Sent(str(sent))
        known = self.get(code)
        if isinstance(known, Retry) and known.scope == "transport" and not known.alert and known.after is None:
            return msgspec.structs.replace(known, after=_seconds(after) or retry_after(response))
        return known or otherwise(response)


class Statuses:
    """The documented states of a message, parted by blanks: `Statuses(sent="0 1", delivered="2", failed={"5": "out of reach"})`."""

    def __init__(self, *, sent: str = "", delivered: str = "", read: str = "", failed: Mapping[str, str] = _NONE) -> None:
        words = {"sent": sent, "delivered": delivered, "read": read}
        _apart("Statuses", {**{name: dict.fromkeys(codes.split(), "") for name, codes in words.items()}, "failed": failed})
        self._meanings = {code: DeliveryStatus("sent") for code in sent.split()}
        self._meanings |= {code: DeliveryStatus("delivered") for code in delivered.split()}
        self._meanings |= {code: DeliveryStatus("read") for code in read.split()}
        self._meanings |= {code: DeliveryStatus("failed", reason=reason or None) for code, reason in _each(failed)}

    def report(
        self,
        code: object,
        id: str | None = None,  # noqa: A002
        *,
        reference: str | None = None,
        phone: str | None = None,
        at: object = None,
        reason: str | None = None,
        binding: str | None = None,
        cause: SendResult | None = None,
    ) -> DeliveryStatus | None:
        """The status that a state means, of the message with this id; `None` if it is not documented.

        `at` is read by `moment`; `reason` is one that says more than the table, and so does `cause`, what the code of a failure means (of
        `Codes.get`): a refused text is one
        alert, an account that does not work is paused. What is no text there is left out.
        """
        known = self._meanings.get(str(code))
        if known is None:
            return None
        reason, binding = _text(reason) or getattr(cause, "reason", None) or known.reason, _text(binding)
        scope = blamed(cause) if known.status == "failed" else "recipient"
        after = getattr(cause, "after", None) if scope == "transport" else None
        return DeliveryStatus(
            known.status, id, _text(reference), _text(phone), moment(at), reason, binding=binding, scope=scope, after=after
        )

    def reports(self, code: object, id: str | None = None, **more: Any) -> tuple[DeliveryStatus, ...]:  # noqa: A002
        """As `report`, for `callback`: one item, or none."""
        found = self.report(code, id, **more)
        return (found,) if found else ()


def down(reason: str, after: timedelta | None = None) -> Retry:
    """The account is out of order until a person mends it: `Retry` that pauses it and alerts."""
    return Retry(reason, after, scope="transport", alert=True)


def blamed(cause: SendResult | None) -> Scope:
    """What is wrong where a message has failed by this cause: a limit or a moment's trouble is no reason to leave the account alone any more."""
    if isinstance(cause, Rejected):
        return cause.scope
    return "transport" if isinstance(cause, Retry) and cause.alert else "recipient"


def _text(value: object) -> str | None:
    """Bodies of gateways are given as they came, and say what they like."""
    return value if isinstance(value, str) and value else None


def _apart(table: str, groups: Mapping[str, Mapping[str, str]]) -> None:
    """Raises ValueError where a code is said twice, or its reason is none."""
    seen: dict[str, str] = {}
    for group, codes in groups.items():
        for code, reason in _each(codes):
            if seen.setdefault(code, group) != group:
                raise ValueError(f"{table}: `{code}` stands in {seen[code]} and in {group}; leave it in one")
            if not isinstance(reason, str):
                raise ValueError(f"{table}: the reason of `{code}` is {reason!r}; write a sentence")


def _timed(name: str, lengths: Mapping[str, timedelta], groups: Mapping[str, Mapping[str, str]]) -> None:
    """Raises ValueError where a length is none, or of a code that none of these groups has."""
    known = {code for group in groups.values() for code, _ in _each(group)}
    named = " or ".join(filter(None, (", ".join(f"`{group}`" for group in list(groups)[:-1]), f"`{list(groups)[-1]}`")))
    for code, length in _each(lengths):
        if code not in known:
            raise ValueError(f"Codes: {name} has `{code}`, which stands in no group {named}; mend its name")
        if not isinstance(length, timedelta):
            raise ValueError(f"Codes: {name} of `{code}` is {length!r}; write a timedelta: timedelta(hours=24)")


def _seconds(value: object) -> timedelta | None:
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        value = int(value)
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 86_400
    return timedelta(seconds=value) if fits else None  # type: ignore[arg-type]


def _each(table: Mapping[str, T]) -> Iterator[tuple[str, T]]:
    for codes, meaning in table.items():
        for code in codes.split():
            yield code, meaning
