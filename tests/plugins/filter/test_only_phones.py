import asyncio

import pytest

from core import Salon, Suppressed
from core.testing import PHONE, a_case, a_contact
from plugins.filter import only_phones
from plugins.filter.only_phones import Config


def to(phone, **more):
    return a_case(contact=a_contact(phone=phone), **more)


@pytest.mark.parametrize("listed", ["+79000000088", "8 (900) 000-00-88", "79000000088", "9000000088"])
def test_a_listed_phone_passes(listed):
    """The list is written as people write phones."""
    assert only_phones.filter(to(PHONE), Config(phones=("+79160000001", listed))) is None


def test_everybody_else_is_recorded_only():
    """What would have been sent to another phone is withheld, and the reason masks the phone."""
    verdict = Suppressed("trial run: +7916…01 is not among the listed phones (1)", withheld=True)
    assert only_phones.filter(to("+79160000001"), Config()) == verdict
    assert only_phones.filter(to("+79160000001", test=True), Config()) == verdict


@pytest.mark.parametrize("phones", [(), ("кто-нибудь",)])
def test_a_list_of_nobody(phones):
    """With nobody on the list nobody gets a message."""
    verdict = Suppressed(f"trial run: +7900…88 is not among the listed phones ({len(phones)})", withheld=True)
    assert only_phones.filter(to(PHONE), Config(phones=phones)) == verdict


def test_no_phone():
    """Without a phone nothing could have been sent, so nothing counts as told."""
    assert only_phones.filter(to(None), Config()) == Suppressed("trial run, and there is no phone to look up")


def test_the_salons_region_reads_the_list():
    """A number without a country code is of the salon's region."""
    case = to("+996555123456", salon=Salon(id=1, region="KG"))
    assert only_phones.filter(case, Config(phones=("0555 123 456",))) is None


def test_a_slip_in_the_list_stops_the_start():
    """What is no phone is named when the app starts; what is one is not."""
    with pytest.raises(ValueError, match=r"^phones: `кто-нибудь` is no phone number; write it as \+79000000088$"):
        asyncio.run(only_phones.startup(Config(phones=(PHONE, "кто-нибудь"))))
    asyncio.run(only_phones.startup(Config()))


def test_a_broken_rule_holds():
    """If this rule breaks, the message is kept back."""
    assert only_phones.on_error == "hold"
