"""`python -m workers.backfill`: the command line of the backfill."""

from __future__ import annotations

import asyncio
import time

import click

from workers.backfill.history import promoted_links, write_history
from workers.backfill.settings import load_settings
from workers.drain.rollups import BUCKET_MS

# A day less than retention, so that the oldest day is not refused while it is written.
LONGEST_DAYS = 89


@click.command()
@click.option("--days", default=28, show_default=True, type=click.IntRange(1, LONGEST_DAYS))
@click.option("--link", "links", multiple=True, type=click.UUID, help="A link id; without any, all links.")
@click.option(
    "--mean-clicks",
    default=40.0,
    show_default=True,
    type=click.FloatRange(0, 100_000),
    help="Clicks a day of a link of ordinary popularity.",
)
def main(days: int, links: tuple[object, ...], mean_clicks: float) -> None:
    """Writes believable clicks for the past days, up to this quarter hour. Repeating it doubles nothing."""
    asyncio.run(_backfill(days, [str(link) for link in links], mean_clicks))


async def _backfill(days: int, only: list[str], mean_clicks: float) -> None:
    dsn = load_settings().postgres_dsn.get_secret_value()
    links = await promoted_links(dsn, only)
    until_ms = int(time.time() * 1000) // BUCKET_MS * BUCKET_MS
    written = await write_history(dsn, links, days=days, until_ms=until_ms, mean_clicks=mean_clicks)
    click.echo(
        f"{written.inserted:,} clicks written for {len(links):,} links over {days} days, "
        f"{written.replayed:,} were there already"
    )


if __name__ == "__main__":
    main()
