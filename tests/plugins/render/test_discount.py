from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import Service
from core.testing import SMS, TELEGRAM, WHATSAPP, a_booking, a_notice, a_service
from plugins.render import discount
from plugins.render.discount import Config


def price(*services, channel=WHATSAPP, **notice):
    """The price of a booking with these services, or `None` where nothing is said."""
    given = a_notice(**{"booking": a_booking(services=services or None), **notice})
    return discount.parts(given, channel, Config()).get("price")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([(2000, 2000)], "2000 руб"),
        ([(1000, 2000)], "~2000 руб~ 1000 руб (скидка 50%)"),
        ([(0, 500)], "~500 руб~ 0 руб (скидка 100%)"),
        ([("1250.5", "1250.5")], "1250,50 руб"),
        ([("1250.50", "2501")], "~2501 руб~ 1250,50 руб (скидка 50%)"),
        ([("1250.00", "1250.00")], "1250 руб"),
        ([("1E+3", "1E+3")], "1000 руб"),
        ([(12345, 12345)], "12345 руб"),
        ([(5900, 8900)], "~8900 руб~ 5900 руб (скидка 34%)"),
        ([(1000, 2000), (500, 1000)], "~3000 руб~ 1500 руб (скидка 50%)"),
        ([(1000, 2000), (3000, 3000)], "~5000 руб~ 4000 руб (скидка 20%)"),
        ([(100, 200), (0, 0)], "~200 руб~ 100 руб (скидка 50%)"),
        ([(1000, 1500), (2000, 1500)], "3000 руб"),
        ([(3000, 2000)], "3000 руб"),
    ],
)
def test_totals(lines, said):
    """The sum now, against the sum before; struck through only if the old sum is higher, and percents are never added up."""
    assert price(*[a_service(cost=cost, first_cost=first) for cost, first in lines]) == said


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (1990, "~2000 руб~ 1990 руб (скидка 1%)"),
        ("1990.02", "~2000 руб~ 1990,02 руб"),
        (1999, "~2000 руб~ 1999 руб"),
        (1970, "~2000 руб~ 1970 руб (скидка 2%)"),
        (1950, "~2000 руб~ 1950 руб (скидка 3%)"),
        (10, "~2000 руб~ 10 руб (скидка 100%)"),
        ("10.02", "~2000 руб~ 10,02 руб (скидка 99%)"),
    ],
)
def test_percents(new, said):
    """Percents are rounded half up, so 2.5 is 3, and left out where less than one is left."""
    assert price(a_service(cost=new, first_cost=2000)) == said


@pytest.mark.parametrize(
    ("services", "why"),
    [
        ((), "no services"),
        ((a_service(cost=0),), "both totals are 0"),
        ((a_service(cost=0, first_cost=-5),), "nothing to strike through"),
        ((a_service(cost=-100, first_cost=200),), "less than nothing"),
        ((Service("Стрижка"),), "cost unknown"),
        ((a_service(), Service("Укладка")), "one cost unknown"),
        ((Service("Стрижка", cost=Decimal("NaN")),), "no number"),
        ((Service("Стрижка", cost=Decimal("sNaN")),), "no number at all"),
        ((Service("Стрижка", cost=Decimal("Infinity")),), "endless"),
        ((Service("Стрижка", cost=Decimal("1E+40")),), "absurd"),
        ((a_service(cost="0.001", first_cost="0.001"),), "less than a kopeck"),
        ((a_service(cost=11100, cost_to_pay=0),), "a subscription pays"),
        ((a_service(cost_to_pay=0), a_service(cost_to_pay=0)), "a subscription pays all"),
    ],
)
def test_nothing_is_said(services, why):
    """Where the price is unknown, zero, absurd, or paid by a subscription, there is no price line."""
    assert price(*services) is None, why


def test_no_booking_has_no_price():
    """An event without a booking costs nothing."""
    assert price(booking=None) is None


@pytest.mark.parametrize(
    ("services", "said"),
    [
        ((a_service(cost=2000, cost_to_pay=0), a_service(cost=500, cost_to_pay=500)), "2500 руб"),
        ((a_service(cost=1000, first_cost=2000, cost_to_pay=0),), "~2000 руб~ 1000 руб (скидка 50%)"),
        ((Service("Стрижка", cost=Decimal(2000), first_cost=Decimal(2000)),), "2000 руб"),
        ((a_service(cost_to_pay="sNaN"),), "2000 руб"),
    ],
)
def test_no_subscription(services, said):
    """Only where nothing is left to pay throughout, and no discount explains it, a subscription pays."""
    assert price(*services) == said


def test_an_unknown_first_cost_is_no_discount():
    """Where the price before is not said, the price now stands alone."""
    assert price(Service("Стрижка", cost=Decimal(2000))) == "2000 руб"


def test_what_reads_the_same_is_not_struck_through():
    """A difference of less than a kopeck is none."""
    assert price(a_service(cost="2000.001", first_cost="2000.004")) == "2000 руб"


@pytest.mark.parametrize(
    ("channel", "said", "small"),
    [
        (WHATSAPP, "~2000 руб~ 1000 руб (скидка 50%)", "~2000 руб~ 1999 руб"),
        (TELEGRAM, "<s>2000 руб</s> 1000 руб (скидка 50%)", "<s>2000 руб</s> 1999 руб"),
        (SMS, "1000 руб (было 2000 руб, скидка 50%)", "1999 руб (было 2000 руб)"),
    ],
)
def test_strike_through_follows_the_channel(channel, said, small):
    """Marks in WhatsApp, tags in Telegram, words where nothing can be struck through."""
    assert price(a_service(cost=1000, first_cost=2000), channel=channel) == said
    assert price(a_service(cost=1999, first_cost=2000), channel=channel) == small


def test_a_cancellation_has_the_price_that_is_announced():
    """A cancellation tells what the client knows."""
    known = a_booking(services=(a_service(cost=700),))
    assert price(a_service(cost=2000), type="booking_cancelled", announced=known) == "700 руб"
    assert price(a_service(cost=2000), type="booking_updated", announced=known) == "2000 руб"


def test_the_currency_is_the_salons():
    """A salon elsewhere writes its own currency."""
    notice = a_notice(booking=a_booking(services=(a_service(cost="12.5", first_cost=25),)))
    assert discount.parts(notice, WHATSAPP, Config(currency="₸")) == {"price": "~25 ₸~ 12,50 ₸ (скидка 50%)"}


odd = st.none() | st.decimals(allow_nan=True, allow_infinity=True) | st.decimals(-10, 10**7, places=3)


@settings(deadline=None)
@given(st.lists(st.builds(Service, st.text(), st.none(), odd, odd, odd), max_size=4), st.sampled_from([WHATSAPP, TELEGRAM, SMS]))
def test_whatever_the_figures(services, channel):
    """No figures raise, and none give a bare zero, a minus, or an exponent."""
    said = price(*services, channel=channel)
    assert said is None or (said[0] in "~<123456789" or said.startswith(("0 руб (было ", "0,"))), said
    assert said is None or not any(mark in said for mark in ("-", "E", "None", "NaN")), said
