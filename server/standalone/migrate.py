"""`python -m server.standalone.migrate`: brings the schema of `MILLRACE_POSTGRES_DSN` up to date, then ends.

A process of its own, so that the supervisor never carries the ORM and its migrations around.
"""

import asyncio
import os

from server.db.migrations import upgrade

if __name__ == "__main__":
    asyncio.run(upgrade(os.environ["MILLRACE_POSTGRES_DSN"]))
