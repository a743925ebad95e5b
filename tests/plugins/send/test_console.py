"""The terminal as a transport."""

from __future__ import annotations

import asyncio
import io
import re
from typing import Any

import pytest

from core import Address, Channel, Message, Sent
from core.hooks import check_module
from plugins.send import console

TEXT = "✅ *Вы записаны!*\n\n💰 Стоимость: ~2000 руб~ 1000 руб (скидка 50%)\n📍 Малаховка, Южная улица, 38"


class Screen(io.StringIO):
    """A terminal that remembers."""

    def isatty(self) -> bool:
        return True


def _send(text: str, config: console.Config = console.Config(), reference: str = "ref1") -> Any:
    return asyncio.run(console.send(Message(text, "booking_created"), Address("+79000000088", reference=reference), config))


def test_fits_the_hooks() -> None:
    """The loader takes it, and it reports no delivery."""
    assert set(check_module("send", "console", console)) == {"channel", "send"}
    assert console.channel(console.Config()) == Channel("whatsapp", ("*", "*"), ("~", "~"), reports_delivery=False, concurrency=1)


def test_stands_in_for_sms() -> None:
    """As SMS it shows short, plain texts."""
    assert console.channel(console.Config(channel="sms")) == Channel("sms", short=True, reports_delivery=False, concurrency=1)


def test_a_pipe_gets_the_exact_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal the text comes byte for byte, with channel, masked phone and notification above it."""
    assert _send(TEXT) == Sent("console-ref1")
    assert capsys.readouterr().out == f"--- whatsapp · +7900…88 · booking_created\n{TEXT}\n---\n"


def test_a_pipe_that_knows_few_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Characters that the output cannot show become question marks, not an error."""
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="cp1251", write_through=True))
    assert _send("✅ да") == Sent("console-ref1")
    assert raw.getvalue().decode("cp1251").splitlines()[1] == "? да"


def test_without_reference(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a reference the id still is one, and different texts have different ones."""
    one, other = _send("a", reference=""), _send("b", reference="")
    assert one.id != other.id
    assert re.fullmatch(r"console-[0-9a-f]{12}", one.id)
    assert "booking_created" in capsys.readouterr().out


def test_a_terminal_shows_what_the_client_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the marks are gone, the words are bold and struck through, and the phone is masked."""
    screen = Screen()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    _send(TEXT)
    shown = screen.getvalue()
    assert "\x1b[1mВы записаны!\x1b[0m" in shown
    assert "\x1b[9m2000 руб\x1b[0m" in shown
    assert "+7900…88" in shown
    assert "*" not in shown
    assert "~" not in shown
    assert "79000000088" not in shown


@pytest.mark.parametrize(
    ("text", "plain", "styles"),
    [
        ("*да*", "да", [(0, 2, "bold")]),
        ("~нет~ да", "нет да", [(0, 3, "strike")]),
        ("~*a*~", "a", [(0, 1, "bold"), (0, 1, "strike")]),
        ("2*3*4", "2*3*4", []),
        ("* не список *", "* не список *", []),
        ("*не\nдальше*", "*не\nдальше*", []),
        ("~~", "~~", []),
        ("[red]просто текст[/red]", "[red]просто текст[/red]", []),
    ],
)
def test_marks(text: str, plain: str, styles: list[tuple[int, int, str]]) -> None:
    """Marks count as in WhatsApp: around words, on one line, one inside the other."""
    seen = console.seen(text)
    assert seen.plain == plain
    assert sorted((span.start, span.end, str(span.style)) for span in seen.spans) == styles
