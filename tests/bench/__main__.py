"""`make bench`: measures the budgets, prints each beside its reference, writes `bench/results.json`."""

import asyncio
import json
import os
import platform
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import click
import uvloop

from tests.bench import dashboard, drain, images, ingestion, jobs, redirect, translated_call, translation
from tests.bench.rows import Row, table

RESULTS = Path(__file__).resolve().parents[2] / "bench" / "results.json"
BENCHMARKS: dict[str, Callable[[], Awaitable[list[Row]]]] = {
    "redirect": redirect.measure,
    "ingestion": ingestion.measure,
    "drain": drain.measure,
    "dashboard": dashboard.measure,
    "jobs": jobs.measure,
    "images": images.measure,
    "translation": translation.measure,
    "translated_call": translated_call.measure,
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(sorted(BENCHMARKS)))
def main(names: tuple[str, ...]) -> None:
    """Measures the benchmarks NAMES, or all of them."""
    rows: list[Row] = []
    for name in names or tuple(BENCHMARKS):
        click.echo(f"measuring {name} ...", err=True)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            rows += runner.run(measured(BENCHMARKS[name]))
    click.echo(table(rows))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document(rows), indent=2, ensure_ascii=False) + "\n")


async def measured(measure: Callable[[], Awaitable[list[Row]]]) -> list[Row]:
    return await measure()


def document(rows: list[Row]) -> dict[str, object]:
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "rows": [row.as_dict() for row in rows],
    }


if __name__ == "__main__":
    main()
