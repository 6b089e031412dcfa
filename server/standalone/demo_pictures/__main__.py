"""`python -m server.standalone.demo_pictures TARGET FILE`: gives the demo products their pictures.

Writes to FILE a line for each product that does not show its picture in the end. Goes through the public
client with the admin token of `MILLRACE_ADMIN_TOKEN`.
"""

import asyncio
import os
import sys
from pathlib import Path

import millrace
from server.standalone.demo_pictures.uploads import give_pictures
from server.standalone.demo_products import demo_products
from server.standalone.private_files import write_private


async def main(target: str, file: Path) -> None:
    """Fails only when the server cannot be asked at all."""
    async with millrace.connect(target, token=os.environ["MILLRACE_ADMIN_TOKEN"]) as client:
        unfinished = await give_pictures(client, demo_products())
    write_private(file, "".join(f"{each.product_id}: {each.reason}\n" for each in unfinished))


if __name__ == "__main__":
    where, answer = sys.argv[1:]
    asyncio.run(main(where, Path(answer)))
