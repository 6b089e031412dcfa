"""`python -m server.standalone.migrate`: brings the schema of `MILLRACE_POSTGRES_DSN` up to date, then ends.

A process of its own, so that the supervisor never carries the ORM and its migrations around.
"""

import asyncio

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from server.db.migrations import upgrade
from server.environment import FROM_ENVIRONMENT, load_or_exit


class MigrateSettings(BaseSettings):
    """`MILLRACE_*` variables, or lines of the file that `MILLRACE_ENV_FILE` names; variables win."""

    model_config = FROM_ENVIRONMENT

    postgres_dsn: SecretStr


def main() -> None:
    """Read the settings and migrate. Exits with a line for each wrong variable, and without any value."""
    asyncio.run(upgrade(load_or_exit(MigrateSettings).postgres_dsn.get_secret_value()))


if __name__ == "__main__":
    main()
