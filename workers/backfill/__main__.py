"""`python -m workers.backfill`: the command line of the backfill."""

from __future__ import annotations

import asyncio
import time

import click

from millrace.streams.keys import StreamKeys
from millrace.streams.redis_errors import RedisFailure
from workers.backfill.chance import HOUR_MS
from workers.backfill.history import close_past, read_stage, write_history
from workers.backfill.live import restate_live
from workers.backfill.settings import load_settings

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
@click.option(
    "--mean-visits",
    default=90.0,
    show_default=True,
    type=click.FloatRange(0, 100_000),
    help="Visits of the shop on an ordinary day, beside those that follow a click.",
)
def main(days: int, links: tuple[object, ...], mean_clicks: float, mean_visits: float) -> None:
    """Writes believable clicks and events for the past days, up to the last full hour.

    Repeating it doubles nothing.
    """
    try:
        asyncio.run(_backfill(days, [str(link) for link in links], mean_clicks, mean_visits))
    except RedisFailure as error:
        raise click.ClickException(
            f"all is written, but Redis does not know: {error}; run it again"
        ) from None


async def _backfill(days: int, only: list[str], mean_clicks: float, mean_visits: float) -> None:
    settings = load_settings()
    dsn = settings.postgres_dsn.get_secret_value()
    stage = await read_stage(dsn, only)
    # Not into the running hour, whose live counters belong to the doors.
    until_hour = int(time.time() * 1000) // HOUR_MS
    until_ms = until_hour * HOUR_MS
    past = await write_history(
        dsn, stage, days=days, until_ms=until_ms, mean_clicks=mean_clicks, mean_visits=mean_visits
    )
    await close_past(dsn, days=days, until_ms=until_ms)
    if settings.redis_url:
        keys = StreamKeys(settings.redis_prefix, settings.stream_shards)
        await restate_live(dsn, settings.redis_url.get_secret_value(), keys, until_hour=until_hour)
    click.echo(
        f"{past.clicks.inserted:,} clicks written for {len(stage.links):,} links over {days} days, "
        f"{past.clicks.replayed:,} were there already"
    )
    if stage.shop is None:
        click.echo("no events, since there is no product with a page: set the program's product URL template")
        return
    click.echo(
        f"{past.events.inserted:,} events written of the shop's visitors, "
        f"{past.events.replayed:,} were there already"
    )


if __name__ == "__main__":
    main()
