"""Keeps the TypeScript client in step with the contract: writes its types, checks them, builds it.

Everything runs on the Node.js of `.venv`. The packages that the client's lock file pins are installed when it
changed, each file checked against its hash.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "clients" / "typescript"
GENERATED = CLIENT / "src" / "generated"
INSTALLED = CLIENT / "node_modules"
STAMP = INSTALLED / ".millrace-stamp"
BUILD = ROOT / "build" / "typescript"
BIN = Path(sys.executable).parent
HTTP_METHODS = frozenset({"get", "put", "post", "delete", "patch", "head", "options", "trace"})

_OPERATIONS = """\
/** Generated from the OpenAPI document by `make generate`; do not edit. */

/** Operations other than GET that may be repeated without doing more than once. */
export const REPEATABLE: ReadonlySet<string> = new Set({repeatable});

/** Paths that answer in pages, and the field that holds a page's entries. */
export const LISTS = {lists} as const;
"""


@click.group()
def main() -> None:
    """Generates, checks and builds the TypeScript client."""


@main.command()
def generate() -> None:
    """Writes what the client is generated from the OpenAPI document."""
    install()
    GENERATED.mkdir(exist_ok=True)
    for path in write_generated(BUILD):
        shutil.copyfile(path, GENERATED / path.name)
    click.echo("typescript: generated")


@main.command()
def check() -> None:
    """Fails when the generated files are not current or a type does not fit."""
    install()
    refuse(stale_files(write_generated(BUILD)))
    refuse(addresses_in_lock())
    npm("run", "check")
    click.echo("typescript: generated files current, types fit")


@main.command("install")
def install_command() -> None:
    """Installs the packages that the lock pins."""
    install()


@main.command()
def build() -> None:
    """Compiles the client into `clients/typescript/dist`."""
    install()
    with (CLIENT / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        npm("run", "build")


@main.command()
def lock() -> None:
    """Pins the packages again; with UPGRADE set, to the newest versions that fit."""
    npm("update" if os.environ.get("UPGRADE") else "install", "--package-lock-only")
    refuse(addresses_in_lock())


def install() -> None:
    """Installs what the lock pins, unless it is there already."""
    if installed_is_current():
        return
    with (CLIENT / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two commands started at once must not install into one folder
        if installed_is_current():
            return
        click.echo("typescript: installing the pinned packages")
        npm("ci")
        STAMP.write_text(wanted_stamp())


def installed_is_current() -> bool:
    return STAMP.exists() and STAMP.read_text() == wanted_stamp()


def wanted_stamp() -> str:
    content = b"".join((CLIENT / name).read_bytes() for name in ("package.json", "package-lock.json"))
    return hashlib.sha256(content).hexdigest()


def write_generated(folder: Path) -> list[Path]:
    """Writes the files that the document gives into `folder` and names them."""
    document = openapi_document()
    folder.mkdir(parents=True, exist_ok=True)
    source, schema, operations = (folder / name for name in ("openapi.json", "schema.ts", "operations.ts"))
    source.write_text(json.dumps(document))
    node(
        "openapi-typescript",
        str(source),
        "--output",
        str(schema),
        "--root-types",
        "--root-types-no-schema-prefix",
    )
    operations.write_text(operations_module(document))
    return [schema, operations]


def openapi_document() -> dict[str, Any]:
    """The document as the edge serves it; no running stack is needed."""
    from edge.openapi import millrace_document  # noqa: PLC0415 - costs a second that `build` need not spend

    return millrace_document()


def operations_module(document: dict[str, Any]) -> str:
    """What the client has to know about operations while it runs."""
    repeatable = sorted(
        f"{method.upper()} {path}"
        for path, method, operation in operations_of(document)
        if method != "get" and operation.get("x-idempotent")
    )
    lists = {
        path: operation["x-pagination"]["items"]
        for path, method, operation in operations_of(document)
        if method == "get" and "x-pagination" in operation
    }
    return _OPERATIONS.format(repeatable=json.dumps(repeatable, indent=2), lists=json.dumps(lists, indent=2))


def operations_of(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in HTTP_METHODS:
                yield path, method, operation


def stale_files(fresh: list[Path]) -> list[str]:
    def is_current(path: Path) -> bool:
        committed = GENERATED / path.name
        return committed.exists() and committed.read_bytes() == path.read_bytes()

    return [f"{path.name} is not current: run `make generate`" for path in fresh if not is_current(path)]


def addresses_in_lock() -> list[str]:
    """The lock must not say where packages come from: that is the installing machine's business."""
    packages = json.loads((CLIENT / "package-lock.json").read_text())["packages"]
    return [
        f"package-lock.json: {name} has an address" for name, pin in packages.items() if "resolved" in pin
    ]


def refuse(problems: list[str]) -> None:
    if problems:
        raise click.ClickException("\n".join(problems))


def npm(*arguments: str) -> None:
    run(BIN / "npm", "--loglevel=error", *arguments)


def node(script: str, *arguments: str) -> None:
    """Runs a command that one of the installed packages brings."""
    run(BIN / "node", str(INSTALLED / ".bin" / script), *arguments)


def run(program: Path, *arguments: str) -> None:
    """Runs quietly in the client's folder; leaves with the program's own words when it fails."""
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(  # noqa: S603 - our own arguments
        [str(program), *arguments], cwd=CLIENT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise click.ClickException(
            f"{program.name} {' '.join(arguments)}\n{done.stdout}{done.stderr}".rstrip()
        )


if __name__ == "__main__":
    main()
