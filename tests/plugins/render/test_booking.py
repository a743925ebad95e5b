import asyncio
import os
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import Booking, Channel, Message, Salon, Service, Staff
from core.testing import SMS, TELEGRAM, VISIT, WHATSAPP, a_booking, a_notice, a_service
from plugins.render import booking, discount
from plugins.render.booking import Config

PLAIN = Channel("plain")
LATER = a_booking(visit_at=VISIT + timedelta(minutes=90))


def message(notice, channel=WHATSAPP, config=Config(), **own):
    """The message as core makes it: everybody's parts, then the text."""
    parts = {**booking.parts(notice, channel), **discount.parts(notice, channel, discount.Config()), **own}
    return booking.render(notice, channel, parts, config)


def text(channel=WHATSAPP, config=Config(), **notice):
    return message(a_notice(**notice), channel, config).text


def services(*titles):
    return tuple(a_service(title) for title in titles)


CREATED = """\
✅ *Вы записаны!*

📅 21 августа в 14:30
💇 МУЖСКАЯ СТРИЖКА
👤 Мастер: Бари
💰 Стоимость: ~2000 руб~ 1000 руб (скидка 50%)
📍 Малаховка, Южная улица, 38

Для отмены или переноса напишите мне здесь 👇"""

UPDATED = """\
📝 *Ваша запись изменена*

📅 21 августа в 16:00
💇 МУЖСКАЯ СТРИЖКА
👤 Мастер: Бари
💰 Стоимость: 2000 руб
📍 Малаховка, Южная улица, 38

Если есть вопросы - пишите!"""

CANCELLED = """\
❌ *Ваша запись отменена*

Была на: 21 августа в 16:00
Услуга: МУЖСКАЯ СТРИЖКА

Хотите записаться на другое время? Напишите мне!"""

CHEAPER = a_booking(services=(a_service(cost=1000, first_cost=2000),))

# --- the texts, to the byte


@pytest.mark.parametrize(
    ("kind", "now", "wanted"),
    [("booking_created", CHEAPER, CREATED), ("booking_updated", LATER, UPDATED), ("booking_cancelled", LATER, CANCELLED)],
)
def test_the_texts_in_whatsapp(kind, now, wanted):
    """Each text is exactly the promised one, to the byte, when all parts are known."""
    assert text(type=kind, booking=now) == wanted


@pytest.mark.parametrize(
    ("kind", "now", "wanted"),
    [
        ("booking_created", CHEAPER, "Вы записаны: 21 августа в 14:30, МУЖСКАЯ СТРИЖКА, мастер Бари. Малаховка, Южная улица, 38"),
        ("booking_updated", LATER, "Запись изменена: 21 августа в 16:00, МУЖСКАЯ СТРИЖКА, мастер Бари. Малаховка, Южная улица, 38"),
        ("booking_cancelled", LATER, "Запись отменена: 21 августа в 16:00, МУЖСКАЯ СТРИЖКА. Тел. +74950000000"),
    ],
)
def test_the_texts_in_sms(kind, now, wanted):
    """SMS has its own short, plain texts."""
    assert text(SMS, type=kind, booking=now) == wanted


def test_tags_in_telegram():
    """Bold and strike-through are tags where the channel wants tags."""
    assert text(TELEGRAM, booking=CHEAPER) == CREATED.replace("*Вы записаны!*", "<b>Вы записаны!</b>").replace(
        "~2000 руб~", "<s>2000 руб</s>"
    )


def test_words_where_nothing_can_be_marked():
    """A channel without marks gets the text without bold, and the discount in words."""
    plain = CREATED.replace("*", "").replace("~2000 руб~ 1000 руб (скидка 50%)", "1000 руб (было 2000 руб, скидка 50%)")
    assert text(PLAIN, booking=CHEAPER) == plain


def test_the_message_carries_its_parts():
    """A channel with approved templates finds every part by name, and the notification's type."""
    made = message(a_notice(booking=CHEAPER))
    assert made.type == "booking_created"
    assert made.parameters == {
        "date": "21 августа в 14:30",
        "services": "МУЖСКАЯ СТРИЖКА",
        "staff": "Бари",
        "price": "~2000 руб~ 1000 руб (скидка 50%)",
        "address": "Малаховка, Южная улица, 38",
        "salon": "Барбершоп",
        "salon_phone": "+74950000000",
        "client": "Арсен",
    }


# --- what is not known


DATE, TITLE, STAFF, PRICE = "📅 21 августа в 14:30\n", "💇 МУЖСКАЯ СТРИЖКА\n", "👤 Мастер: Бари\n", "💰 Стоимость: 2000 руб\n"


@pytest.mark.parametrize(
    ("missing", "lines"),
    [
        ({"visit_at": None}, [DATE]),
        ({"services": None}, [TITLE, PRICE]),
        ({"services": ()}, [TITLE, PRICE]),
        ({"services": (a_service(""), a_service("  ", 0))}, [TITLE]),
        ({"services": (Service("МУЖСКАЯ СТРИЖКА"),)}, [PRICE]),
        ({"staff": None}, [STAFF]),
        ({"staff": Staff(" ")}, [STAFF]),
        ({"visit_at": None, "services": None, "staff": None}, [DATE, TITLE, STAFF, PRICE]),
    ],
)
def test_a_missing_part_takes_its_line_along(missing, lines):
    """What is not known is not mentioned; the other lines stay as they are."""
    wanted = CREATED.replace("~2000 руб~ 1000 руб (скидка 50%)", "2000 руб")
    for line in lines:
        wanted = wanted.replace(line, "")
    assert text(booking=a_booking(**missing)) == wanted


def test_no_address():
    """Without an address the price is the last line of the block."""
    assert text(booking=CHEAPER, salon=Salon(id=1)) == CREATED.replace("📍 Малаховка, Южная улица, 38\n", "")


@pytest.mark.parametrize("nothing", [None, Booking()])
def test_nothing_known_at_all(nothing):
    """Heading and closing line, with one blank line between."""
    assert text(booking=nothing, salon=Salon(id=1)) == "✅ *Вы записаны!*\n\nДля отмены или переноса напишите мне здесь 👇"
    assert text(SMS, booking=nothing, salon=Salon(id=1)) == "Вы записаны"
    assert (
        text(type="booking_cancelled", booking=nothing)
        == "❌ *Ваша запись отменена*\n\nХотите записаться на другое время? Напишите мне!"
    )


@pytest.mark.parametrize(
    ("missing", "wanted"),
    [
        ({"visit_at": None}, "Вы записаны: МУЖСКАЯ СТРИЖКА, мастер Бари. Малаховка, Южная улица, 38"),
        ({"services": None}, "Вы записаны: 21 августа в 14:30, мастер Бари. Малаховка, Южная улица, 38"),
        ({"staff": None}, "Вы записаны: 21 августа в 14:30, МУЖСКАЯ СТРИЖКА. Малаховка, Южная улица, 38"),
        ({"visit_at": None, "services": None}, "Вы записаны: мастер Бари. Малаховка, Южная улица, 38"),
        ({"visit_at": None, "services": None, "staff": None}, "Вы записаны: Малаховка, Южная улица, 38"),
    ],
)
def test_a_missing_part_takes_its_separator_along(missing, wanted):
    """In SMS a piece goes with the words and the comma in front of it."""
    assert text(SMS, booking=a_booking(**missing)) == wanted


def test_sms_without_what_the_salon_did_not_say():
    """Without an address and a phone of the salon the SMS ends with what is known."""
    assert text(SMS, salon=Salon(id=1)) == "Вы записаны: 21 августа в 14:30, МУЖСКАЯ СТРИЖКА, мастер Бари"
    assert text(SMS, salon=Salon(id=1), type="booking_cancelled") == "Запись отменена: 21 августа в 14:30, МУЖСКАЯ СТРИЖКА"


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_a_blank_part_is_an_unknown_one(blank):
    """A plugin that gives an empty piece does not leave an empty label."""
    assert "Стоимость" not in message(a_notice(), price=blank).text


# --- services, dates, cancellations


def test_several_services():
    """Services are joined by commas in their order, also two of the same name."""
    now = a_booking(services=services("Стрижка", "Борода", "Борода"))
    assert "\n💇 Стрижка, Борода, Борода\n" in text(booking=now)
    assert "14:30, Стрижка, Борода, Борода, мастер" in text(SMS, booking=now)


@pytest.mark.parametrize(
    ("titles", "line"),
    [
        (("Стрижка",), "Услуга: Стрижка"),
        (("Стрижка", " "), "Услуга: Стрижка"),
        (("Стрижка", "Борода"), "Услуги: Стрижка, Борода"),
    ],
)
def test_the_label_of_a_cancellation(titles, line):
    """One service has the label in the singular, several in the plural."""
    assert f"\n{line}\n" in text(type="booking_cancelled", booking=a_booking(services=services(*titles)))


def test_a_cancellation_tells_what_is_announced():
    """Those services in that order and that time that the client knows, whatever the deletion carried."""
    known = a_booking(services=services("Борода", "Стрижка"))
    now = a_booking(visit_at=VISIT + timedelta(days=3), services=services("Стрижка"))
    wanted = CANCELLED.replace("16:00", "14:30").replace("Услуга: МУЖСКАЯ СТРИЖКА", "Услуги: Борода, Стрижка")
    assert text(type="booking_cancelled", announced=known, booking=now) == wanted
    assert text(type="booking_cancelled", announced=known, booking=None) == wanted


def test_a_change_tells_the_state_now():
    """A change tells where the booking stands, not where it stood."""
    assert text(type="booking_updated", announced=a_booking(), booking=LATER) == UPDATED


@pytest.mark.parametrize(
    ("visit_at", "said"),
    [
        ("2026-08-21T14:30:00+03:00", "21 августа в 14:30"),
        ("2026-08-21T14:30:00+10:00", "21 августа в 14:30"),
        ("2026-08-21T23:59:00-11:00", "21 августа в 23:59"),
        ("2027-01-01T00:00:00+03:00", "1 января в 00:00"),
        ("2028-02-29T09:05:59+03:00", "29 февраля в 09:05"),
        ("2026-05-09T10:00:00+03:00", "9 мая в 10:00"),
    ],
)
def test_the_date_is_the_salons_wall_clock(visit_at, said):
    """Day and time are the digits of the booking, in Russian, whatever the offset."""
    notice = a_notice(booking=a_booking(visit_at=datetime.fromisoformat(visit_at)))
    assert booking.parts(notice, WHATSAPP)["date"] == said


def test_the_servers_zone_does_not_matter(monkeypatch):
    """A server in another zone writes the same."""
    import time

    monkeypatch.setenv("TZ", "America/Los_Angeles")
    time.tzset()
    try:
        assert text(booking=CHEAPER) == CREATED
    finally:
        monkeypatch.undo()
        time.tzset()


# --- names that could break the formatting


def test_marks_in_names_do_not_format_in_whatsapp():
    """Marks of a name are replaced by look-alikes, so that only our own bold and strike-through count."""
    now = a_booking(services=(a_service("*АКЦИЯ* ~30 мин", 1000, 2000),), staff=Staff("`Ба_ри`"))
    assert text(booking=now) == CREATED.replace("МУЖСКАЯ СТРИЖКА", "∗АКЦИЯ∗ ∼30 мин").replace("Бари", "'Баˍри'")


def test_names_stay_as_they_are_where_nothing_formats():
    """In SMS a star is a star."""
    now = a_booking(services=services("*АКЦИЯ* <b>"), staff=Staff("Ба_ри"))
    assert text(SMS, booking=now).startswith("Вы записаны: 21 августа в 14:30, *АКЦИЯ* <b>, мастер Ба_ри.")


def test_names_are_escaped_in_telegram():
    """A name cannot open a tag or break the message."""
    now = a_booking(services=services("Стрижка <b> & *борода*"), staff=Staff('"Бари"'))
    wanted = '💇 Стрижка &lt;b&gt; &amp; *борода*\n👤 Мастер: "Бари"\n'
    assert wanted in text(TELEGRAM, booking=now)


@pytest.mark.parametrize("name", ["Стрижка\nи борода", "  Стрижка \t и\r\nборода ", "Стрижка\u2028и борода"])
def test_a_name_stays_on_its_line(name):
    """A line break inside a name is a space."""
    assert "\n💇 Стрижка и борода\n" in text(booking=a_booking(services=services(name)))


@pytest.mark.parametrize("name", ["{date}", "{0}", "{", "{staff.name}", "{a|b}", "%s", "\\g<0>"])
def test_a_name_is_never_read_as_a_text(name):
    """Braces in a name are braces."""
    assert f"\n💇 {name}\n" in text(booking=a_booking(services=services(name)))
    assert f", {name}, " in text(SMS, booking=a_booking(services=services(name)))


# --- length


def test_sms_drops_the_address_first():
    """What does not fit into two parts loses the address, and keeps everything else whole."""
    now = a_booking(services=services("Окрашивание в один тон, стрижка и укладка феном"), staff=Staff("Константинопольская Анна"))
    said = text(SMS, booking=now)
    assert (
        said == "Вы записаны: 21 августа в 14:30, Окрашивание в один тон, стрижка и укладка феном, мастер Константинопольская Анна"
    )
    assert len(said) + len(". Малаховка, Южная улица, 38") > 134


def test_sms_cuts_the_services_next():
    """If that is not enough the services are cut short, to the last character that fits."""
    now = a_booking(services=services(*["Окрашивание корней"] * 9))
    said = text(SMS, booking=now)
    titles = "Окрашивание корней, Окрашивание корней, Окрашивание корней, Окрашивание корней, Окрашив…"
    assert said == f"Вы записаны: 21 августа в 14:30, {titles}, мастер Бари"
    assert len(said) == 134


def test_sms_drops_what_would_be_a_stump():
    """Services of which nothing legible would remain are left out, and then the staff is cut."""
    now = a_booking(services=services("Стрижка"), staff=Staff("Имя" * 60))
    said = text(SMS, booking=now)
    assert said == "Вы записаны: 21 августа в 14:30, мастер " + ("Имя" * 60)[:93] + "…"
    assert len(said) == 134


@pytest.mark.parametrize(("spare", "kept"), [(0, True), (1, False)])
def test_two_sms_are_134_characters(spare, kept):
    """The address stays up to the very last character of the second part."""
    rest = len("Вы записаны: 21 августа в 14:30, МУЖСКАЯ СТРИЖКА, мастер Бари. ")
    salon = Salon(id=1, address="А" * (134 - rest + spare))
    assert (salon.address in text(SMS, salon=salon)) is kept


def test_an_emoji_counts_twice_in_sms():
    """The length is counted as the operator counts it."""
    rest = len("Вы записаны: 21 августа в 14:30, МУЖСКАЯ СТРИЖКА, мастер Бари. ")
    salon = Salon(id=1, address="А" * (134 - rest - 1) + "🏠")
    assert "🏠" not in text(SMS, salon=salon)


def test_a_long_text_is_cut_at_a_line():
    """What a channel cannot carry ends with a whole line."""
    kept = CREATED.partition("\n💰")[0]
    for length in (len(kept), len(kept) + 20):
        assert text(msgspec.structs.replace(WHATSAPP, length=length), booking=CHEAPER) == kept
    assert text(msgspec.structs.replace(WHATSAPP, length=len(CREATED)), booking=CHEAPER) == CREATED


def test_a_cut_leaves_no_tag_or_entity_open():
    """One endless line is cut between characters, and what Telegram reads stays whole."""
    channel = msgspec.structs.replace(TELEGRAM, length=10)
    ready = a_notice(booking=None, type="message", text="123456&&&&")
    assert booking.render(ready, channel, {}, Config()).text == "123456…"
    short = msgspec.structs.replace(TELEGRAM, length=13)
    assert text(short) == "✅ Вы записаны"[:12] + "…"


# --- texts that need no renderer, and ones that nobody wrote


@pytest.mark.parametrize("channel", [WHATSAPP, SMS, PLAIN])
def test_a_ready_made_text_is_left_alone(channel):
    """A text written elsewhere goes out as it is, marks, braces and blank lines included."""
    ready = "Чек № 5\n\n\n*Итого:* {5} < 6 & ~7~ "
    made = message(a_notice(type="receipt", booking=None, text=ready), channel)
    assert (made.text, made.type) == (ready, "receipt")


def test_a_ready_made_text_is_escaped_for_tags():
    """Where the channel reads tags, the text is escaped so that the client reads it as it was written."""
    assert message(a_notice(type="receipt", booking=None, text="5 < 6 & 7"), TELEGRAM).text == "5 &lt; 6 &amp; 7"


def test_an_unknown_notification_is_left_to_others():
    """A kind without a text is not this renderer's."""
    assert message(a_notice(type="booking_reminder")) is None


# --- the salon's own file


@pytest.fixture
def own(tmp_path):
    """Writes the salon's file of texts and gives the setting that names it."""

    def write(content, **settings):
        path = tmp_path / "texts.toml"
        path.write_text(content, encoding="utf-8")
        return Config(texts=path, **settings)

    return write


def start(config):
    asyncio.run(booking.startup(config))


def test_a_salon_may_override_any_text(own):
    """What the file holds replaces the built-in text; what it leaves out stays."""
    config = own(
        'booking_created = """\n*Ждём вас*, {client}!\n{date}\nЦена {price}\n"""\n[sms]\nbooking_updated = "Новое время {date}"\n'
    )
    start(config)
    assert text(config=config) == "*Ждём вас*, Арсен!\n21 августа в 14:30\nЦена 2000 руб"
    assert text(TELEGRAM, config) == "<b>Ждём вас</b>, Арсен!\n21 августа в 14:30\nЦена 2000 руб"
    assert text(SMS, config, type="booking_updated", booking=LATER) == "Новое время 21 августа в 16:00"
    assert text(config=config, type="booking_updated", booking=LATER) == UPDATED
    assert text(SMS, config) == text(SMS)


def test_an_own_text_follows_the_channel(own):
    """What the salon writes is escaped for tags, and bold is left out where there is none."""
    config = own('booking_created = "*Цены* < 5 * 3 & {date}"')
    assert text(TELEGRAM, config) == "<b>Цены</b> &lt; 5 * 3 &amp; 21 августа в 14:30"
    assert text(PLAIN, config) == "Цены < 5 * 3 & 21 августа в 14:30"
    assert text(WHATSAPP, config) == "*Цены* < 5 * 3 & 21 августа в 14:30"


def test_the_price_in_an_own_sms(own):
    """An SMS with a price says the discount in words; text after the last piece stays."""
    config = own('[sms]\nbooking_created = "{date}, {services}. Цена {price}! Ждём"')
    assert (
        text(SMS, config, booking=CHEAPER) == "21 августа в 14:30, МУЖСКАЯ СТРИЖКА. Цена 1000 руб (было 2000 руб, скидка 50%)! Ждём"
    )
    assert text(SMS, config, booking=a_booking(services=None, visit_at=None)) == "! Ждём"


def test_latin_sms_are_longer(own):
    """Two parts in plain Latin hold 306 characters."""
    config = own('[sms]\nbooking_created = "You are booked: {services}. {address}"')
    now = a_booking(services=services("Haircut " * 20))
    salon = Salon(id=1, address="Baker Street")
    assert text(SMS, config, booking=now, salon=salon) == "You are booked: " + ("Haircut " * 20).strip() + ". Baker Street"


def test_a_piece_of_a_plugin_of_ones_own(own):
    """A piece that a private plugin gives is used once the setting names it, and left out where it is not given."""
    config = own('booking_created = "{date}\\nБаллы: {bonus}"', parts=("bonus",))
    start(config)
    assert message(a_notice(), config=config, bonus="120").text == "21 августа в 14:30\nБаллы: 120"
    assert message(a_notice(), config=config).text == "21 августа в 14:30"


def test_a_saved_file_is_read_again(own):
    """The next message after a change of the file has the new text."""
    config = own('booking_created = "раз"')
    assert text(config=config) == "раз"
    own('booking_created = "два"')
    os.utime(config.texts, ns=(1, 1))
    assert text(config=config) == "два"


def test_a_file_that_breaks_later_silences_nobody(own, caplog):
    """While the server runs a broken or lost file means the built-in texts, and one line in the log."""
    config = own("booking_created = ")
    os.utime(config.texts, ns=(2, 2))
    assert text(config=config, booking=CHEAPER) == CREATED
    assert text(config=config, type="booking_updated", booking=LATER) == UPDATED
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "is not TOML" in caplog.text
    lost = Config(texts=config.texts.with_name("lost.toml"))
    assert text(config=lost, booking=CHEAPER) == CREATED


def test_a_file_with_a_byte_order_mark_and_windows_line_ends(own):
    """A file saved by Notepad is read like any other."""
    config = own("\ufeffbooking_created = '''\r\n{date}\r\n\r\nДо встречи\r\n'''\r\n")
    start(config)
    assert text(config=config) == "21 августа в 14:30\n\nДо встречи"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("booking_creatd = 'x'", "unknown text `booking_creatd`, did you mean `booking_created`?"),
        ("[sms]\nbooking_creatd = 'x'", "unknown text `sms.booking_creatd`, did you mean `sms.booking_created`?"),
        (
            "[telegram]\nbooking_created = 'x'",
            "unknown text `telegram`; there are: booking_created, booking_updated, booking_cancelled, ",
        ),
        ("sms = 'x'", "unknown text `sms`; there are: "),
        ("booking_created = '{dat}'", "booking_created: unknown piece {dat}, did you mean `date`?"),
        ("booking_created = '{master}'", "booking_created: unknown piece {master}"),
        ("[sms]\nbooking_created = '{bonus}'", "sms.booking_created: unknown piece {bonus}; there are: date, services, "),
        ("booking_created = '{date'", "booking_created: a brace that belongs to nothing at `{date`; write a piece as {date}"),
        ("booking_created = 'a } b'", "booking_created: a brace that belongs to nothing at `} b`; write a piece as {date}"),
        ("booking_created = '{date!r}'", "booking_created: a brace that belongs to nothing at `{date!r}`"),
        ("booking_created = '{}'", "booking_created: a brace that belongs to nothing at `{}`"),
        ("booking_created = ' '", "booking_created: expected a text; leave the key out for the built-in one"),
        ("booking_created = 5", "booking_created: expected a text; leave the key out for the built-in one"),
        ("booking_created", "is not TOML ("),
    ],
)
def test_a_mistake_in_the_file_stops_the_start(own, content, said):
    """One sentence names the file, the text and the mistake."""
    config = own(content)
    with pytest.raises(ValueError) as caught:
        start(config)
    assert str(caught.value).startswith((f"{config.texts}: {said}", f"{config.texts} {said}"))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_stops_the_start(tmp_path):
    """A wrong path is named together with the next step."""
    path = tmp_path / "none.toml"
    with pytest.raises(
        ValueError, match=r"none\.toml: cannot be read \(No such file or directory\); mend `texts`, or leave it empty"
    ):
        start(Config(texts=path))


def test_a_folder_that_is_not_there_stops_the_start(tmp_path):
    """A folder that is missing is named as such."""
    with pytest.raises(ValueError) as caught:
        start(Config(texts=tmp_path / "none" / "texts.toml"))
    assert str(caught.value) == f"texts: there is no folder {tmp_path}/none; make it, or leave `texts` empty for the built-in ones"


def test_a_file_of_other_bytes_stops_the_start(tmp_path):
    """A file that is no UTF-8 is refused in one sentence."""
    path = tmp_path / "texts.toml"
    path.write_bytes("booking_created = 'Вы'".encode("cp1251"))
    with pytest.raises(ValueError, match=r"texts\.toml: is not TOML"):
        start(Config(texts=path))


def test_the_built_in_texts_start():
    """Without a file of one's own there is nothing to check."""
    start(Config())


def test_the_built_in_texts_keep_their_own_rules():
    """The shipped file passes the same check as a salon's."""
    start(Config(texts=Path(booking.__file__).with_suffix(".toml")))


# --- whatever comes

names = st.text(max_size=60) | st.sampled_from(
    ["*", "_", "~x~", "`", "<b>", "&", "{date}", "None", "\n", "💇🏽‍♀️", "0 руб", "\ud800", " "]
)
prices = st.none() | st.decimals(0, 10**6, places=2)
bookings = st.builds(
    Booking,
    visit_at=st.none() | st.datetimes(min_value=datetime(1, 1, 2), timezones=st.timezones()),  # noqa: DTZ001
    services=st.none() | st.lists(st.builds(Service, names, st.none(), prices, prices, prices), max_size=4).map(tuple),
    staff=st.none() | st.builds(Staff, names),
    client_name=st.none() | names,
)
salons = st.builds(Salon, st.just(1), names, names, names)
KINDS = st.sampled_from(["booking_created", "booking_updated", "booking_cancelled"])
CHANNELS = st.sampled_from([WHATSAPP, TELEGRAM, SMS, PLAIN])


@settings(deadline=None)
@given(KINDS, st.none() | bookings, st.none() | bookings, salons, CHANNELS)
def test_whatever_the_names(kind, now, known, salon, channel):
    """No name raises, and none leaves an empty label, a double blank line, a blank edge, or a mark that formats."""
    made = message(a_notice(type=kind, booking=now, announced=known, salon=salon), channel)
    assert isinstance(made, Message)
    said = made.text
    assert said
    assert said == said.strip()
    assert "\n\n\n" not in said
    assert not any(
        line in ("📅", "💇", "👤 Мастер:", "💰 Стоимость:", "📍", "Была на:", "Услуга:", "Услуги:") for line in said.split("\n")
    )
    assert not any(line == "💰 Стоимость: 0 руб" for line in said.split("\n"))
    if channel is WHATSAPP:
        assert said.count("*") == 2
        assert said.count("~") == 2 * made.parameters.get("price", "").startswith("~") * (kind != "booking_cancelled")
        assert "_" not in said
        assert "`" not in said
    if channel is TELEGRAM:
        assert said.count("<") == said.count(">") == 2 + 2 * ("<s>" in said)


@settings(deadline=None)
@given(bookings, salons)
def test_sms_within_two_parts(now, salon):
    """Whatever the names, the texts of a creation and a change fit into two SMS."""
    for kind in ("booking_created", "booking_updated"):
        said = message(a_notice(type=kind, booking=now, salon=salon), SMS).text
        assert len(said.encode("utf-16-le", "surrogatepass")) // 2 <= 134
