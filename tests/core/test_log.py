"""What the log shows, and what it never shows."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import hooks, log
from core.config import build

PHONES = [
    ("+79000000088", "+7900…88"),
    ("+375291234567", "+3752…67"),
    ("+4915112345678", "+4915…78"),
    ("+998901234567", "+9989…67"),
    ("79000000088", "79000…88"),
    ("89000000088", "89000…88"),
    ("8 900 000-00-88", "8 900…88"),
    ("+7 (900) 000-00-88", "+7 (9…88"),
    ("+7 900 000 00 88", "+7 90…88"),
    ("7(900)0000088", "7(900…88"),
    ("79000000088@c.us", "79000…88@c.us"),
    ("375291234567@s.whatsapp.net", "37529…67@s.whatsapp.net"),
    ("phone=%2B79000000088&x=1", "phone=%2B79…88&x=1"),
    ('{"phone":"79000000088"}', '{"phone":"79000…88"}'),
    ("т.89000000088.", "т.89000…88."),
    ("tel:+79000000088,+79000000099", "tel:+7900…88,+7900…99"),
    ("381641234567", "38164…67"),
    ("4915112345678", "49151…78"),
    ("375291234567", "37529…67"),
    ("998901234567", "99890…67"),
    ("12025550123", "12025…23"),
    ("phone=381641234567", "phone=38164…67"),
    ('{"phone":"381641234567"}', '{"phone":"38164…67"}'),
]
NO_PHONES = [
    "962302",
    "record=1234567890",
    "record=381641234567",
    "salon=381641234567",
    "company_id=381641234567",
    "1764000000",
    "1764000000123",
    "1213336367",
    "1101000001",
    "106540352242922",
    "20251124060427",
    "0.79000000088",
    "79000000088.5",
    "evt_79000000088",
    "a79000000088",
    "79000000088b",
    "1234567890123456789",
    "79000000088123456",
    "2026-11-24T06:04:27.123Z",
    "+123",
]


def say(event: str, *, level: int = logging.INFO, error: BaseException | None = None, **fields: object) -> None:
    """As any module of ours logs."""
    logging.getLogger("vestnik").log(level, "%s", log.line(event, **fields), exc_info=error)


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """The log goes to a string; afterwards logging is as it was."""
    names = [None, "vestnik", "uvicorn.access", "uvicorn.error", *log._QUIET]
    before = [
        (logger, logger.level, logger.handlers[:], logger.propagate, logger.disabled) for logger in map(logging.getLogger, names)
    ]
    secrets = dict(log._secrets)
    stream = io.StringIO()
    log.set_up(stream)
    yield stream
    for logger, level, handlers, propagate, disabled in before:
        logger.setLevel(level)
        logger.handlers, logger.propagate, logger.disabled = handlers, propagate, disabled
    log._secrets.clear()
    log._secrets.update(secrets)


def test_one_event_is_one_line(written: io.StringIO) -> None:
    """Time in UTC, level, then event, salon, outcome and plugin, whatever their order; `None` is left out, odd values are quoted."""
    say(
        "sent",
        reason="client wrote 2 min ago",
        plugin="console",
        salon=962302,
        outcome="suppressed",
        rule=None,
        empty="",
        seconds=0.5,
    )
    line = written.getvalue()
    stamp, rest = line.split(" ", 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp)
    assert rest == (
        'INFO vestnik event=sent salon=962302 outcome=suppressed plugin=console reason="client wrote 2 min ago" empty="" seconds=0.5\n'
    )


def test_times_are_utc(written: io.StringIO) -> None:
    """The stamp is the record's moment in UTC, to the millisecond."""
    record = logging.makeLogRecord({"created": 1_787_216_400.5, "msg": "x", "name": "n", "levelname": "INFO"})
    assert log.Formatter().format(record) == "2026-08-20T09:00:00.500Z INFO n x"


@pytest.mark.parametrize(("text", "shown"), PHONES)
def test_phones_are_shortened(text: str, shown: str) -> None:
    """A number that stands alone keeps its first five characters and its last two."""
    assert log.masked(text) == shown
    assert log.masked(f"to {text} now") == f"to {shown} now"


@pytest.mark.parametrize("text", NO_PHONES)
def test_ids_and_times_stay_readable(text: str) -> None:
    """What is no phone is left alone: ids, decimals, hashes, times."""
    assert log.masked(text) == text


def test_phones_are_shortened_in_every_part_of_a_record(written: io.StringIO) -> None:
    """Message, arguments, fields, and the text of exceptions and their causes."""
    say("sent", phone="+79000000088")
    logging.getLogger("other").warning("to %s and %s", "+79000000077", {"chat": "79000000066@c.us"})
    try:
        try:
            raise KeyError("+79000000055")
        except KeyError as error:
            raise ValueError("no +79000000044") from error
    except ValueError as error:
        say("failed", level=logging.ERROR, error=error)
    text = written.getvalue()
    assert not re.search(r"\d{9}", text)
    assert all(f"+7900…{end}" in text for end in (88, 77, 55, 44))
    assert "79000…66@c.us" in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("POST /webhook/x?secret=abc&x=1", "POST /webhook/x?secret=…&x=1"),
        ("/callback/x?token=a.b-c", "/callback/x?token=…"),
        ("/x?a=1&api_key=abc HTTP", "/x?a=1&api_key=… HTTP"),
        ("/x?key=abc", "/x?key=…"),
        ("webhook_token=abc", "webhook_token=…"),
        ("/x?login=me&psw=abc", "/x?login=me&psw=…"),
        ("event=sent key=evt_1", "event=sent key=evt_1"),
    ],
)
def test_secrets_in_addresses_are_hidden(text: str, shown: str) -> None:
    """The value of secret=, token= and, in a query, key= is not shown; a field of our own called key is."""
    assert log.masked(text) == shown


def test_known_secrets_are_hidden_wherever_they_stand(written: io.StringIO) -> None:
    """A kept secret is gone from messages, arguments, paths, and tracebacks, spelled plainly or as in an address."""
    log.keep_secret("123456:AA/b+c d")
    log.keep_secret("hunter22")
    log.keep_secret("hunter22-long")
    say("failed", reason="POST /bot123456:AA/b+c d/send", other="/bot123456%3AAA%2Fb%2Bc%20d/send")
    logging.getLogger("other").error("%s", {"token": "hunter22-long"})
    try:
        raise ValueError("hunter22")
    except ValueError as error:
        say("failed", error=error)
    text = written.getvalue()
    assert "AA/b" not in text
    assert "AA%2Fb" not in text
    assert "hunter" not in text
    assert "-long" not in text
    assert "/bot…/send" in text


@pytest.mark.parametrize(
    ("table", "text", "shown"),
    [
        ({"token": "123:AAliteral"}, "/bot123:AAliteral/getMe", "/bot…/getMe"),
        ({"webhook_secret": "sup3r-s3cret"}, "got sup3r-s3cret", "got …"),
        ({"proxy": "http://user:pr0x%79pass@host:3128"}, "http://user:pr0x%79pass@host pr0xypass", "http://user:…@host …"),
        ({"base_url": "https://u:pa55word@host/x"}, "pa55word", "…"),
    ],
)
def test_a_secret_that_stands_in_the_file_is_one_all_the_same(
    written: io.StringIO, tmp_path: Path, table: dict[str, str], text: str, shown: str
) -> None:
    """By the name of its key, or as the password in an address, also where no environment variable holds it."""
    hooks.load(build({"send": {"telegram": table}}, tmp_path / "config.toml", {}))
    logging.getLogger("x").warning(text)
    assert written.getvalue().endswith(f"WARNING x {shown}\n")


def test_core_and_salons_have_secrets_too(written: io.StringIO, tmp_path: Path) -> None:
    """The operator's token, the database's password, and what one salon's table holds; "none" is none, nor is the key's own name."""
    raw = {
        "server": {"token": "operat0rs"},
        "database": {"url": "postgresql://me:dbpassw0rd@host/x"},
        "source": {"yclients": {"secret": "none"}},
        "send": {"smsc": {"password": "password"}},
        "salon": {"7": {"send": {"smsc": {"password": "sms-passw0rd", "login": "my-login"}}}},
    }
    hooks.load(build(raw, tmp_path / "config.toml", {}))
    logging.getLogger("x").warning("operat0rs dbpassw0rd sms-passw0rd my-login none, no password")
    assert written.getvalue().endswith("WARNING x … … … my-login none, no password\n")


def test_a_short_secret_is_hidden_where_it_stands_alone() -> None:
    """ "hook" is a poor secret, and part of words that the log needs."""
    log.keep_secret("hook")
    assert log.masked("webhook_token=x hook, hooks; a=hook") == "webhook_token=… …, hooks; a=…"


def test_no_secret_and_a_tiny_one_are_not_kept(written: io.StringIO) -> None:
    """An unset secret, an empty one, and one shorter than four characters would blank out half the log."""
    for value in (None, "", "abc"):
        log.keep_secret(value)
    assert log.masked("abcdef") == "abcdef"


def test_a_message_cannot_pretend_to_be_a_line(written: io.StringIO) -> None:
    """Line breaks of the message are spelled out, and a traceback is indented."""
    logging.getLogger("other").warning("one\n2026-08-20T09:00:00.500Z INFO vestnik event=sent\rx")
    say("sent", reason='a\nb "c" \\')
    try:
        raise ValueError("first\nsecond")
    except ValueError as error:
        say("failed", error=error)
    lines = written.getvalue().splitlines()
    assert lines[0].endswith(r"WARNING other one\n2026-08-20T09:00:00.500Z INFO vestnik event=sent\rx")
    assert lines[1].endswith(r'reason="a\nb \"c\" \\"')
    assert lines[3] == "    Traceback (most recent call last):"
    assert lines[-2:] == ["    ValueError: first", "    second"]


def test_libraries_are_quiet(written: io.StringIO) -> None:
    """httpx prints addresses and uvicorn's access log prints queries: not here. Their warnings are shown."""
    for name in ("httpx", "httpcore.connection", "aiohttp.access", "databases", "asyncpg", "uvicorn.access"):
        logging.getLogger(name).info("GET https://gate.example/bot1:SECRET")
    logging.getLogger("uvicorn.access").error("GET /?secret=abc")
    logging.getLogger("databases").warning("slow")
    logging.getLogger("uvicorn.error").info("Started")
    assert [line.split(" ", 1)[1] for line in written.getvalue().splitlines()] == [
        "WARNING databases slow",
        "INFO uvicorn.error Started",
    ]


def test_what_is_below_the_level_is_not_shown(written: io.StringIO) -> None:
    """The level is INFO."""
    say("detail", level=logging.DEBUG)
    assert written.getvalue() == ""


def test_setting_up_again_does_not_double_the_lines(written: io.StringIO) -> None:
    """The second call replaces the first one's stream."""
    second = io.StringIO()
    log.set_up(second)
    say("once")
    assert written.getvalue() == ""
    assert second.getvalue().count("event=once") == 1


def test_a_record_that_cannot_be_written_shows_no_arguments(written: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong format string is reported by its place, without the phone that it was given."""
    ours = next(handler for handler in logging.getLogger().handlers if isinstance(handler, log._Handler))
    ours.handle(logging.LogRecord("other", logging.WARNING, __file__, 7, "%d", ("+79000000088",), None))
    assert re.fullmatch(r"a record of other cannot be written \(.*test_log\.py:7\)\n", written.getvalue())
    assert capsys.readouterr().err == ""


def test_stderr_is_where_it_goes(written: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a stream the lines go to stderr, so that stdout stays the commands' own."""
    log.set_up()
    say("started")
    out, err = capsys.readouterr()
    assert (out, err.split(" ", 1)[1]) == ("", "INFO vestnik event=started\n")
