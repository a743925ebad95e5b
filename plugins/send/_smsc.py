"""What the codes and states of SMSC mean. No plugin itself."""

from __future__ import annotations

from datetime import timedelta

from core import Codes, Statuses

CODES = Codes(
    recipient={"7": "the number is wrong", "8": "no SMS can reach the number"},
    content={
        "1": "SMSC finds a parameter wrong",
        "5": "SMSC finds the date wrong",
        "6": "the text or the sender's name is forbidden",
    },
    account={
        "2": "login, password or our IP address is not accepted",
        "3": "no money left",
        "4": "our IP address is blocked for too many errors",
    },
    # The same request within a minute, or too many at once: it may be the one whose answer we never saw. `check` knows it by our id.
    unclear={"9": "SMSC may have this very message already"},
    after={"4": timedelta(minutes=10)},
)
STATES = Statuses(
    sent="-1 0",
    delivered="1",
    read="2",
    failed={
        "3": "not delivered in time",
        "20": "no SMS can reach the number",
        "22": "the number is wrong",
        "23": "forbidden",
        "24": "no money left",
        "25": "the number cannot be reached",
    },
)
