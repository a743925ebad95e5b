"""What is wrong with a line that is no TOML: the usual slips, each with its mend. The line itself is not shown, it may hold a token."""

from __future__ import annotations

import re

_AT = re.compile(r"\(at line (\d+), column \d+\)")
_CURLY = re.compile("[“”„‟«»‘’‚]")
_BARE_KEY = re.compile(r"\s*\[?\s*[\w.\s-]*[^\x00-\x7f]")  # before any quote
_WORDS = {"yes": "true", "on": "true", "да": "true", "no": "false", "off": "false", "нет": "false"}
_THAT_LINE = "mend that line"


def mend(text: str, problem: str) -> str:
    """The next step for what the parser says of a file."""
    found = _AT.search(problem)
    lines = text.split("\n")
    line = lines[int(found[1]) - 1] if found and int(found[1]) <= len(lines) else ""
    key, equals, value = (part.strip() for part in line.partition("="))
    value = value.partition(" #")[0].strip()
    if "declare" in problem and key.startswith("["):
        return f"{key.partition(']')[0]}] stands twice; make one table of the two"
    if "overwrite a value" in problem:
        return f"`{key}` stands twice in its table; keep one"
    if "'\\'" in problem or "hex value" in problem.lower():
        return "write a path with / or in single quotes: 'C:\\folder'"
    if _CURLY.search(key if '"' in value else line):
        return 'only straight quotes are quotes: "…"'
    if "Expected '='" in problem:
        return "write a key, = and its value"
    if not equals:
        return (_BARE_KEY.match(line) and "a key is a Latin word with = behind it") or _THAT_LINE
    if _BARE_KEY.match(key):
        return "keys are Latin words; docs/config.md lists them"
    if value.lower() in ("true", "false", *_WORDS):
        return f"write {_WORDS.get(value.lower(), value.lower())}, in small letters and without quotes"
    if value and value[0] not in "\"'[{":
        return f'put the value in quotes: {key} = "…"'
    if value and value[0] in "\"'" and value.count(value[0]) == 1:
        return "the closing quote is missing"
    return _THAT_LINE
