"""The suite of the stage render."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.model import Channel, Message, Notice
from core.testing.contracts.cases import notices
from core.testing.contracts.common import Contract, spelled, suite, tried
from core.testing.values import SMS, TELEGRAM, WHATSAPP, a_notice

channels = st.sampled_from([WHATSAPP, SMS, TELEGRAM, Channel("plain")])
READY = "Ваш заказ готов"


class RenderContract(Contract):
    @tried
    @given(notice=notices, channel=channels)
    def test_says_only_what_it_knows(self, notice: Notice, channel: Channel) -> None:
        """Parts are texts with something in them; a message has a text, fits its channel, and has no None and no label without a word."""
        found, config = self.subject, self.subject.config()
        pieces = found.asked("parts", notice=notice, channel=channel, config=config) if found.has("parts") else {}
        found.demand(isinstance(pieces, dict), "parts", f"answered {pieces!r}", "return a dict of texts by name, {} for none")
        for name, piece in pieces.items():
            found.demand(
                isinstance(piece, str) and piece.strip() and "None" not in piece,
                "parts",
                f"gave {name} as {piece!r} for {spelled(notice)}",
                "leave out what is not known",
            )
        if not found.has("render"):
            return
        message = found.asked("render", notice=notice, channel=channel, parts=pieces, config=config)
        if message is None:
            return
        found.demand(
            isinstance(message, Message), "render", f"answered {message!r}", "return a Message, or None to leave it to the next"
        )
        text = message.text
        tell = f"wrote {text!r} over {channel.name} for {spelled(notice)}"
        found.demand(text and text == text.strip(), "render", tell, "write a text without blanks or empty lines around it")
        found.demand(len(text) <= channel.length, "render", tell, f"stay within channel.length ({channel.length})")
        found.demand("None" not in text, "render", tell, "leave out the line whose part is not known")
        found.demand(
            not [line for line in text.splitlines() if line.rstrip().endswith(":")],
            "render",
            tell,
            "leave out the label whose part is not known",
        )

    def test_leaves_a_ready_text_alone(self) -> None:
        """A text that was rendered elsewhere leaves as it came."""
        if not self.subject.has("render"):
            return
        notice = a_notice(type="message", booking=None, text=READY)
        said = self.subject.asked("render", notice=notice, channel=SMS, parts={}, config=self.subject.config())
        self.subject.demand(
            said is None or said.text == READY,
            "render",
            f"answered {spelled(said)} to a notice whose text is ready",
            "return None where notice.booking is None, or notice.text as it is",
        )


def renderer(plugin: ModuleType, *, config: Mapping[str, Any] | None = None) -> type[RenderContract]:
    """The suite for a renderer. `config` are keys of its table."""
    return suite(RenderContract, "render", plugin, config or {})  # type: ignore[return-value]
