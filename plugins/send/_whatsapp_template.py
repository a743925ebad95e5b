"""The approved templates of Meta: what config.toml says of one, and how it is filled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class Template(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    language: str = "ru"
    parameters: tuple[str, ...] = ()  # pieces of the text, in the order of the template: ["date", "services"]
    named: bool = False  # the template's variables have these names, instead of {{1}}, {{2}}

    @property
    def key(self) -> str:
        """Its name to core: one that is changed in config.toml is another."""
        return f"{self.name} ({', '.join((self.language, *self.parameters))}{', named' if self.named else ''})"

    def fits(self, pieces: Mapping[str, str]) -> bool:
        """Whether all that it needs is known."""
        return all(pieces.get(name) for name in self.parameters)

    def filled(self, pieces: Mapping[str, str]) -> dict[str, Any]:
        named = [{"parameter_name": name} if self.named else {} for name in self.parameters]
        filled = [{"type": "text", **extra, "text": pieces[name]} for name, extra in zip(self.parameters, named, strict=True)]
        components = {"components": [{"type": "body", "parameters": filled}]} if filled else {}
        return {"name": self.name, "language": {"code": self.language}, **components}


def pieces_of(parameters: Mapping[str, str]) -> dict[str, str]:
    """Meta takes no line breaks, tabs or runs of spaces in them."""
    return {name: " ".join(piece.split()) for name, piece in parameters.items()}
