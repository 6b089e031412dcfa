"""Reads docker-compose.yml as compose does: merges, and variables from an `.env` file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / "docker-compose.yml"
OURS = ("edge", "server", "drain", "worker", "scheduler", "bucket-door", "migrate")
_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?:(:[-?])([^}]*))?\})")


class VariableMissing(LookupError):  # noqa: N818 - it names what is so
    """The file requires a variable that is not set; the text is what it says to do."""


@dataclass(frozen=True)
class ComposeFile:
    """The file with its variables replaced."""

    content: Mapping[str, Any]

    @property
    def services(self) -> Mapping[str, Mapping[str, Any]]:
        services: Mapping[str, Mapping[str, Any]] = self.content["services"]
        return services

    def environment(self, service: str) -> dict[str, str]:
        """What the service's processes find set; compose passes text only."""
        return dict(self.services[service].get("environment", {}))

    @property
    def default_services(self) -> set[str]:
        """Those that start without any profile."""
        return {name for name, service in self.services.items() if not service.get("profiles")}


def load_compose_file(variables: Mapping[str, str]) -> ComposeFile:
    """Raises VariableMissing for one that the file requires."""
    return ComposeFile(_resolved(YAML(typ="safe").load(FILE), variables))


def variables_named() -> set[str]:
    """Every variable that the file reads from its `.env`."""
    return {name for name, _, _ in _VARIABLE.findall(FILE.read_text()) if name}


def _resolved(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: _value(match, variables), value)
    if isinstance(value, Mapping):
        return {key: _resolved(part, variables) for key, part in value.items()}
    return [_resolved(part, variables) for part in value] if isinstance(value, list) else value


def _value(match: re.Match[str], variables: Mapping[str, str]) -> str:
    name, operator, word = match.groups()
    if name is None:
        return "$"
    if variables.get(name):
        return variables[name]
    if operator == ":?":
        raise VariableMissing(f"{name}: {word}")
    return word or ""
