"""`python -m workers.demo`: the command line of the live demo."""

from __future__ import annotations

import asyncio
import signal
import sys

import aiohttp
import click

from server.standalone.clean import state_folder
from workers.demo.stack import NothingToPlay, look_around, read_endpoints
from workers.demo.tally import Tally
from workers.demo.traffic import play_traffic

ANSWER_SECONDS = 10.0


@click.command()
@click.option(
    "--rate", default=5.0, show_default=True, type=click.FloatRange(0.1, 1_000), help="New visitors a second."
)
@click.option(
    "--duration", type=click.FloatRange(0.1), help="Seconds after which it ends. Default: at Ctrl-C."
)
def main(rate: float, duration: float | None) -> None:
    """Play visitors of the demo shop against the running stack: clicks on links, events, orders, bots.

    Ends with 0 when the edge gave a verdict on every event, else with 1.
    """
    try:
        tally = asyncio.run(_play(rate, duration))
    except NothingToPlay as error:
        raise click.ClickException(str(error)) from None
    sys.exit(1 if tally.unanswered else 0)


async def _play(rate: float, duration: float | None) -> Tally:
    endpoints = read_endpoints(state_folder())
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    # The edge's cookies would make all visitors one.
    async with aiohttp.ClientSession(
        endpoints["edge_url"],
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
    ) as session:
        scene = await look_around(session, endpoints)
        click.echo(
            f"playing {rate:g} visitors a second at {endpoints['edge_url']}; "
            + (f"{duration:g} s" if duration else "Ctrl-C ends it")
        )
        if duration:
            loop.call_later(duration, stopping.set)
        return await play_traffic(session, scene, rate=rate, stopping=stopping, say=click.echo)


if __name__ == "__main__":
    main()
