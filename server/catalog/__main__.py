"""`python -m server.catalog import FILE`: brings a file of products into the running stack."""

from __future__ import annotations

import re
import sys
import time
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import click
import uvloop

import millrace
from millrace.errors import MillraceError
from server.catalog.imports.files import FileFormat, ImportFile, UnusableFile, open_import
from server.catalog.imports.importer import Importer
from server.catalog.imports.lines import read_lines
from server.catalog.imports.report import ImportReport
from server.catalog.imports.stack import StackAddress, StackNotFound, find_stack

_SOME_LINES_FAILED = 1
_COULD_NOT_IMPORT = 2
# What shells say of a command that Ctrl-C ended.
_INTERRUPTED = 130


_READABLE = click.Path(exists=True, dir_okay=False, path_type=Path)
_WRITABLE = click.Path(dir_okay=False, writable=True, path_type=Path)


def _one_line_of_ascii(_context: click.Context, _option: click.Parameter, token: str | None) -> str | None:
    """The token as HTTP/2 carries it; gRPC answers anything else with an error that says nothing."""
    if token is not None and not re.fullmatch(r"[!-~]*", token.strip()):
        raise click.BadParameter("a token is one line of ASCII without spaces")
    return token and token.strip()


@click.group()
def main() -> None:
    """The catalogue's commands."""


@main.command("import")
@click.argument("file", type=_READABLE)
@click.option(
    "--format",
    "wanted",
    type=click.Choice([kind.value for kind in FileFormat]),
    help="Told by name and content.",
)
@click.option("--errors", type=_WRITABLE, help="Write every problem to this CSV file: line, field, message.")
@click.option("--target", envvar="MILLRACE_GRPC_TARGET", help="host:port. Default: the running stack's.")
@click.option(
    "--token",
    envvar="MILLRACE_TOKEN",
    callback=_one_line_of_ascii,
    help="An admin's. Default: the running stack's.",
)
def import_command(
    file: Path, wanted: str | None, errors: Path | None, target: str | None, token: str | None
) -> None:
    """Import products from FILE, JSON Lines or CSV, plain or gzip.

    Ends with 0 when every line was imported, 1 when some were not, 2 when the import could not be done,
    130 after Ctrl-C.
    """
    started = time.monotonic()
    with ExitStack() as stack:
        everything = stack.enter_context(_problems_file(errors)) if errors else None
        report = ImportReport(everything)
        code = _COULD_NOT_IMPORT
        try:
            address = find_stack(target, token)
            opened = stack.enter_context(open_import(file, FileFormat(wanted) if wanted else None))
            uvloop.run(_import(opened, address, report))
            failure = None
        except KeyboardInterrupt:
            failure, code = "interrupted; run it again, what is stored already stays as it is", _INTERRUPTED
        except (UnusableFile, StackNotFound, MillraceError, OSError, EOFError, zlib.error) as error:
            failure = str(error)
        _print_report(report, time.monotonic() - started)
    if failure is not None:
        click.echo(f"The import stopped: {failure}", err=True)
        sys.exit(code)
    if report.failed:
        sys.exit(_SOME_LINES_FAILED)


def _problems_file(path: Path) -> IO[str]:
    try:
        return path.open("w", newline="", encoding="utf-8")
    except OSError as error:
        raise click.BadParameter(
            f"{path} cannot be written: {error.strerror}", param_hint="--errors"
        ) from None


async def _import(file: ImportFile, address: StackAddress, report: ImportReport) -> None:
    with click.progressbar(length=file.size, label="Importing", file=sys.stderr) as bar:

        def show_progress() -> None:
            bar.update(file.position() - bar.pos)

        async with millrace.connect(address.target, token=address.token) as client:
            await Importer(client, report, on_progress=show_progress).run(read_lines(file))
        show_progress()


def _print_report(report: ImportReport, seconds: float) -> None:
    for problem in sorted(report.problems):
        click.echo(str(problem), err=True)
    if report.left_out:
        click.echo(f"and {report.left_out:,} more problems; --errors FILE gets all of them", err=True)
    click.echo(
        f"created {report.created:,}, updated {report.updated:,}, unchanged {report.unchanged:,}, "
        f"failed {report.failed:,} in {seconds:.1f} s"
    )


if __name__ == "__main__":
    main()
