"""config.toml → values: each mistake is one sentence that names table and key."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from core import Settings
from core import config as configuration
from core.config import Configuration, Route, decode_settings
from core.errors import ConfigError

FILE = Path("config.toml")


def read(text: str, environ: dict[str, str] | None = None) -> Configuration:
    import tomllib

    return configuration.build(tomllib.loads(text), FILE, environ or {})


def test_empty_file_is_right() -> None:
    """Nothing has to be written: every key of core has a default, and every salon is served."""
    found = read("")
    assert (found.server.host, found.server.port, found.server.token) == ("127.0.0.1", 8080, None)
    assert found.database.url == "sqlite:///vestnik.db"
    assert (found.database.keep, found.database.keep_bodies) == (timedelta(days=90), timedelta(days=30))
    assert found.route == Route(("whatsapp", "max", "sms"), found.route.fallback_after)
    assert found.route.fallback_after == timedelta(minutes=10)
    assert found.serves(1)
    assert found.serves(None)


def test_listed_salons_are_the_served_ones() -> None:
    """Once one salon is listed, only the listed are served."""
    found = read('[salon.962302]\nname = "Барбершоп"\ntimezone = "Asia/Almaty"\nregion = "KZ"')
    assert found.serves(962302)
    assert not found.serves(1)
    assert not found.serves(None)
    salon = found.salon_of(962302)
    assert (salon.id, salon.name, salon.timezone, salon.region) == (962302, "Барбершоп", "Asia/Almaty", "KZ")


def test_route_of_a_salon_is_merged_key_by_key() -> None:
    """A salon's route replaces what it names and keeps the rest."""
    found = read('[route]\nchannels = ["sms"]\nfallback_after = "1m"\n[salon.5.route]\nfallback_after = "2m"\n[salon.6]')
    assert found.route_of(5) == Route(("sms",), found.route_of(5).fallback_after)
    assert found.route_of(5).fallback_after == timedelta(minutes=2)
    assert found.route_of(6).fallback_after == found.route_of(None).fallback_after == timedelta(minutes=1)


def test_plugin_tables_keep_the_order_of_the_file() -> None:
    """The order of tables is the order in which plugins run."""
    found = read("[filter.stale]\n[filter.opt_out]\n[filter.same_event]\n[salon.5.filter.stale]\nenabled = false")
    assert list(found.tables["filter"]) == ["stale", "opt_out", "same_event"]
    assert found.overrides[5]["filter"] == {"stale": {"enabled": False}}


def test_secret_is_taken_from_the_environment() -> None:
    """A named variable is read; an optional one that is missing or empty leaves the default."""
    text = '[server]\ntoken = { env = "A" }\nbot_token = { env = "B", optional = true }'
    assert read(text, {"A": "one", "B": "two"}).server.bot_token == "two"
    found = read(text, {"A": "one", "B": ""})
    assert (found.server.token, found.server.bot_token) == ("one", None)


def test_relative_paths_are_meant_from_the_file(tmp_path: Path) -> None:
    """`folder` is where the file lies, not where the command was started."""
    file = tmp_path / "salon.toml"
    file.write_text("[server]\nport = 9000\n", encoding="utf-8")
    found = configuration.load(file, {})
    assert (found.server.port, found.folder) == (9000, tmp_path.resolve())


class Files(Settings, frozen=True):
    own: Path | None = None


@pytest.mark.parametrize(("table", "found"), [({}, None), ({"own": ""}, None), ({"own": "a/b.toml"}, "a/b.toml")])
def test_an_empty_path_is_one_that_is_left_out(tmp_path: Path, table: dict[str, str], found: str | None) -> None:
    """A path that may be missing may be written as "", as the shipped config.toml has it."""
    decoded = configuration.decode_settings(Files, table, tmp_path / "config.toml", "render.x", {})
    assert decoded.own == (None if found is None else tmp_path / found)


MISTAKES = [
    ("[filters.stale]", "config.toml [filters]: unknown table, did you mean `filter`?"),
    ("server = 3", "config.toml [server]: expected a table, got `3`"),
    ("[server]\nprot = 1", "config.toml [server]: unknown key `prot`, did you mean `port`?"),
    ("[server]\nzzz = 1", "config.toml [server]: unknown key `zzz`; there are: bot_token, host, port, token"),
    ('[server]\nport = "8080"', "config.toml [server] port: expected a whole number, got text"),
    ("[server]\nport = 8080.5", "config.toml [server] port: expected a whole number, got a number"),
    ("[server]\nport = 65536", "config.toml [server] port: expected a whole number <= 65535"),
    ("[server]\nhost = true", "config.toml [server] host: expected text, got true or false"),
    ("[database]\nkeep = 90", 'config.toml [database] keep: expected text such as "10m", got `90`'),
    (
        '[database]\nkeep = "soon"',
        'config.toml [database] keep: `soon` is not a duration: write it as "20s", "10m", "24h" or "90d"',
    ),
    (
        '[route]\nfallback_after = "-1m"',
        'config.toml [route] fallback_after: `-1m` is not a duration: write it as "20s", "10m", "24h" or "90d"',
    ),
    ('[route]\nchannels = "sms"', "config.toml [route] channels: expected a list, got text"),
    ("[route]\nchannels = [1]", "config.toml [route] channels[0]: expected text, got a whole number"),
    ('[plugins]\npath = "mine"', "config.toml [plugins] path: expected a list, got text"),
    ("[filter]\nmarks = 1", "config.toml [filter]: `marks` stands outside a table; write it below [filter.NAME]"),
    ("filter = 1", "config.toml [filter]: expected a table, got `1`"),
    ('[filter.stale]\nenabled = "no"', "config.toml [filter.stale] enabled: expected true or false, got `'no'`"),
    (
        "[salon.barbershop]",
        "config.toml [salon.barbershop]: a salon is named by its number (company_id), such as [salon.962302]; where its sender has a text, let the source's table give it a number of yours",
    ),
    (
        '[salon."A-314"]',
        "config.toml [salon.A-314]: a salon is named by its number (company_id), such as [salon.962302]; where its sender has a text, let the source's table give it a number of yours",
    ),
    (
        "[salon.0]",
        "config.toml [salon.0]: a salon is named by its number (company_id), such as [salon.962302]; where its sender has a text, let the source's table give it a number of yours",
    ),
    (
        '[salon]\nname = "x"',
        "config.toml [salon.name]: a salon is named by its number (company_id), such as [salon.962302]; where its sender has a text, let the source's table give it a number of yours",
    ),
    ("[server]\ntoken = 2026-08-20", "config.toml [server] token: expected text, got a date; put it in quotes"),
    ("[route]\nchannels = [10:00:00]", "config.toml [route] channels[0]: expected text, got a time of day; put it in quotes"),
    ("[server]\nport = 2026-08-20T10:00:00", "config.toml [server] port: expected a whole number, got a date and time"),
    ("[database]\nkeep = 10:00:00", 'config.toml [database] keep: expected text such as "10m", got 10:00:00; put it in quotes'),
    ("[salon]\n5 = 3", "config.toml [salon.5]: expected a table, got `3`"),
    ('[salon.5]\nadress = "x"', "config.toml [salon.5]: unknown key `adress`, did you mean `address`?"),
    ("[salon.5.filters.stale]", "config.toml [salon.5]: unknown key `filters`, did you mean `filter`?"),
    (
        "[salon.5.filter]\nstale = 1",
        "config.toml [salon.5.filter]: `stale` stands outside a table; write it below [salon.5.filter.NAME]",
    ),
    ('[salon.5.route]\nchanels = ["sms"]', "config.toml [salon.5.route]: unknown key `chanels`, did you mean `channels`?"),
    (
        '[salon.5]\ntimezone = "Europe/Moskow"',
        "config.toml [salon.5] timezone: there is no time zone `Europe/Moskow`, did you mean `Europe/Moscow`?",
    ),
    ('[salon.5]\ntimezone = "q"', 'config.toml [salon.5] timezone: there is no time zone `q`; write it as "Europe/Moscow"'),
    (
        '[salon.5]\nregion = "Russia"',
        'config.toml [salon.5] region: there is no phone region `Russia`; write the two letters of the country, such as "RU" or "KZ"',
    ),
    (
        '[server]\ntoken = { env = "NO_SUCH" }',
        "config.toml [server] token: the environment variable NO_SUCH is not set; set it, or add `optional = true` to leave the key at its default",
    ),
    (
        '[server]\ntoken = "$VESTNIK_TOKEN"',
        'config.toml [server] token: `$VESTNIK_TOKEN` is not replaced by anything; write { env = "VESTNIK_TOKEN" }',
    ),
    (
        '[server]\ntoken = "%TOKEN%"',
        'config.toml [server] token: `%TOKEN%` is not replaced by anything; write { env = "TOKEN" }',
    ),
    (
        '[server]\ntoken = { evn = "A" }',
        'config.toml [server] token: expected text, got a table; a variable is named as { env = "NAME" }',
    ),
    (
        '[server]\ntoken = { env = "A", optional = "yes" }',
        "config.toml [server] token: `optional` is true or false, without quotes",
    ),
    (
        '[database]\nkeep = "9999999d"',
        "config.toml [database] keep: `9999999d` is longer than a hundred years; write a shorter one",
    ),
    (
        '[database]\nkeep = "99999999999999d"',
        "config.toml [database] keep: `99999999999999d` is longer than a hundred years; write a shorter one",
    ),
    (
        '[salon.5]\ntimezone = "Moscow"',
        "config.toml [salon.5] timezone: there is no time zone `Moscow`, did you mean `Europe/Moscow`?",
    ),
    *(
        (
            f'[salon.5]\ntimezone = "{zone}"',
            f'config.toml [salon.5] timezone: there is no time zone `{zone}`; write it as "Europe/Moscow"',
        )
        for zone in ("MSK", "UTC+3", "Europe", "Москва", "../x")
    ),
]


@pytest.mark.parametrize(("text", "sentence"), MISTAKES, ids=[text.replace("\n", " ") for text, _ in MISTAKES])
def test_a_mistake_is_one_sentence(text: str, sentence: str) -> None:
    """The sentence names file, table and key, and says what to do."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert str(caught.value) == sentence


def test_no_file(tmp_path: Path) -> None:
    """A missing file is said so, with the way to name another."""
    with pytest.raises(ConfigError) as caught:
        configuration.load(tmp_path / "config.toml")
    assert str(caught.value) == (
        f"{tmp_path}/config.toml: there is no such file; name one with --config, or copy the shipped config.toml here"
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"[server]\nport =\n", "is not TOML: invalid value (at line 2, column 7); mend that line"),
        (
            b"[filter.stale]\n[filter.stale]\n",
            "is not TOML: cannot declare ('filter', 'stale') twice (at line 2, column 14); [filter.stale] stands twice; make one table of the two",
        ),
    ],
)
def test_no_toml(tmp_path: Path, content: bytes, sentence: str) -> None:
    """A file that is no TOML names the line."""
    file = tmp_path / "config.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        configuration.load(file)
    assert str(caught.value) == f"{file}: {sentence}"


@pytest.mark.parametrize("kind", ["folder", "cp1251"])
def test_a_file_that_cannot_be_read(tmp_path: Path, kind: str) -> None:
    """A folder, or a file in another encoding, is a sentence too."""
    file = tmp_path / "config.toml"
    if kind == "folder":
        file.mkdir()
    else:
        file.write_bytes("[salon.5]\nname = 'Салон'\n".encode("cp1251"))
    with pytest.raises(ConfigError) as caught:
        configuration.load(file)
    assert str(caught.value).startswith(f"{file}: cannot be read (")
    if kind == "cp1251":
        assert str(caught.value) == f"{file}: cannot be read (line 2 is not UTF-8); save the file as UTF-8 in your editor"


def test_as_windows_saves_it(tmp_path: Path) -> None:
    """A mark in front and other line ends are no mistake."""
    file = tmp_path / "config.toml"
    file.write_bytes("\ufeff[salon.5]\r\nname = 'Салон'\r\n".encode())
    assert configuration.load(file).salon_of(5).name == "Салон"


SLIPS = [
    ('wait = "1s"\nwait = "2s"', "`wait` stands twice in its table; keep one"),
    ("wait = “1s”", 'only straight quotes are quotes: "…"'),
    ("wait = «1s»", 'only straight quotes are quotes: "…"'),
    ("wait = 1s", 'put the value in quotes: wait = "…"'),
    ("from = 22:00", 'put the value in quotes: from = "…"'),
    ("enabled = yes", "write true, in small letters and without quotes"),
    ("enabled = False", "write false, in small letters and without quotes"),
    ("enabled = да", "write true, in small letters and without quotes"),
    ('path = "C:\\texts\\my.toml"', "write a path with / or in single quotes: 'C:\\folder'"),
    ('адрес = "x"', "keys are Latin words; docs/config.md lists them"),
    ('wait = "1s', "the closing quote is missing"),
    ('wait: "1s"', "write a key, = and its value"),
    ("[filter", "mend that line"),
]


@pytest.mark.parametrize(("line", "step"), SLIPS, ids=[line for line, _ in SLIPS])
def test_a_slip_names_its_mend(tmp_path: Path, line: str, step: str) -> None:
    """What people write who do not know TOML: the sentence names the line and what to do with it."""
    file = tmp_path / "config.toml"
    file.write_text(f"[filter.x]\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        configuration.load(file)
    said = str(caught.value)
    assert said.startswith(f"{file}: is not TOML: ")
    assert f"(at line {line.count(chr(10)) + 2}, column " in said
    assert said.endswith(f"); {step}")


def test_a_config_that_raises_is_a_sentence(tmp_path: Path) -> None:
    """Whatever a `__post_init__` raises names table, error and line; a ValueError is the plugin's own sentence."""

    class Odd(Settings, frozen=True):
        hours: int = 3  # how long

        def __post_init__(self) -> None:
            raise (RuntimeError if self.hours == 3 else ValueError)("too long")

    with pytest.raises(ConfigError) as raised:
        decode_settings(Odd, {}, tmp_path / "config.toml", "filter.odd", {})
    assert re.fullmatch(
        r".*config\.toml \[filter\.odd\]: its Config raised RuntimeError: too long in test_config\.py:\d+; raise a ValueError with a "
        r"sentence for the salon there",
        str(raised.value),
    )
    with pytest.raises(ConfigError, match=r"config\.toml \[filter\.odd\] too long$"):
        decode_settings(Odd, {"hours": 4}, tmp_path / "config.toml", "filter.odd", {})


@pytest.mark.parametrize("key", ["token", "bot_token"])
@pytest.mark.parametrize("token", ["пароль-оператора", "two words", "line\nbreak", " blank", "tok\u00e9n"])
def test_a_token_that_no_header_can_carry(tmp_path: Path, key: str, token: str) -> None:
    """It would let nobody in: the start is refused with the mend, and the token is not shown."""
    with pytest.raises(ConfigError) as raised:
        configuration.build({"server": {key: {"env": "T"}}}, tmp_path / "config.toml", {"T": token})
    said = f"{tmp_path}/config.toml [server] {key}: it travels in a header, so it can have Latin letters, digits and signs alone, and no blank; write another"
    assert str(raised.value) == said
