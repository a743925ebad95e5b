"""Phone numbers: as people write them → E.164, and masked for logs."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from functools import lru_cache

import phonenumbers

_SEVERAL = re.compile(r"[,;/|\n]|\s(?:и|или|or|and)\s|(?<=\d)\s*(?=\+)")
_MASKED = re.compile(r"[*•xXхХ#]{2,}")


def parse_phone(raw: object, region: str = "RU") -> tuple[str | None, str | None]:
    """The first *possible* number in `raw` as E.164, and if there is none, why not.

    Reads text or a number, with 8 or 7 or without a country code (then of `region`), several in one string. A number need not be
    *valid*: new ranges are in use before the tables know them.
    """
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    if raw is None or isinstance(raw, bool) or not isinstance(raw, str | int):
        return None, "no phone"
    text = str(raw).strip()
    if not text:
        return None, "no phone"
    if _MASKED.search(text):
        return None, "the phone is hidden by access rights"
    for piece in (*_SEVERAL.split(text), *_groups(text, region)):
        if number := _one(piece, region):
            return number, None
    return None, "the phone cannot be read"


def _groups(text: str, region: str) -> Iterator[str]:
    """Numbers among words and beside one another; looked for only where nothing else could be read."""
    for found in phonenumbers.PhoneNumberMatcher(text, region, phonenumbers.Leniency.POSSIBLE):
        yield found.raw_string


def _one(text: str, region: str) -> str | None:
    digits = re.sub(r"\D", "", text)
    if not 7 <= len(digits) <= 15:
        return None
    for candidate in _readings(text, digits, region):
        try:
            number = phonenumbers.parse(candidate, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return None


def _readings(text: str, digits: str, region: str) -> list[str]:
    """What the text may mean, the likeliest first."""
    if "+" in text:
        return [text] if (mended := _mended(text, digits, region)) is None else [mended]
    if _russian_eight(digits, region):
        return ["+7" + digits[1:]]
    return ["+" + digits[2:]] if digits.startswith("00") else [text, "+" + digits]


def _mended(text: str, digits: str, region: str) -> str | None:
    """+8 9xx … and +9xx …: a Russian mobile with a plus that does not belong there, unless another country has just such a number."""
    own = digits[1:] if len(digits) == 11 and digits[0] == "8" else digits
    if region not in ("RU", "KZ") or len(own) != 10 or own[0] != "9":
        return None
    with contextlib.suppress(phonenumbers.NumberParseException):
        if phonenumbers.is_valid_number(phonenumbers.parse(text, region)):
            return None
    return "+7" + own


def _russian_eight(digits: str, region: str) -> bool:
    """8 9xx … is how Russia and Kazakhstan dial at home; 7 9xx … is the same without its plus."""
    return region in ("RU", "KZ") and len(digits) == 11 and digits[0] in "78"


@lru_cache(maxsize=4096)
def exists(digits: str) -> bool:
    """Whether some country has numbers like this one, which begins with its code: an id or a time in milliseconds hardly ever does."""
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(f"+{digits}"))
    except phonenumbers.NumberParseException:
        return False


def mask(phone: str | None) -> str | None:
    """ "+79000000088" → "+7900…88", for logs and lists that many people see."""
    if not phone:
        return phone
    return f"{phone[:5]}…{phone[-2:]}" if len(phone) > 8 else "…"
