"""The renderer bonus: its piece, its own message, and the suite that every renderer passes."""

from __future__ import annotations

from pathlib import Path

from core.testing import SMS, WHATSAPP, a_booking, a_notice, an_app, contracts, load

PRIVATE = Path(__file__).parents[1]
plugin = load(PRIVATE / "render" / "bonus.py")


def test_the_piece() -> None:
    """Five percent of 2000, bold where the channel has marks; nothing where there is no price."""
    assert plugin.parts(a_notice(), WHATSAPP, plugin.Config()) == {"bonus": "*100* баллов"}
    assert plugin.parts(a_notice(), SMS, plugin.Config(percent=10)) == {"bonus": "200 баллов"}
    assert plugin.parts(a_notice(booking=a_booking(services=[])), WHATSAPP, plugin.Config()) == {}


def test_its_own_message() -> None:
    """It thanks after a visit, and leaves all other texts to the next."""
    said = plugin.render(a_notice(type="visit_thanks"), {"bonus": "*100* баллов"})
    assert said.text == "Спасибо, что были у нас! Начислено: *100* баллов"
    assert plugin.render(a_notice(), {}) is None


def test_the_piece_in_the_salons_own_text(tmp_path: Path) -> None:
    """`{bonus}` in a file of texts, once [render.booking] names the part."""
    own = tmp_path / "texts.toml"
    own.write_text('booking_created = "Вы записаны! Начислим {bonus}."', encoding="utf-8")
    with an_app(path=PRIVATE, render={"bonus": {}, "booking": {"texts": str(own), "parts": ["bonus"]}}) as app:
        assert app.book(a_booking()).texts == ["Вы записаны! Начислим *100* баллов."]


TestContract = contracts.renderer(plugin)
