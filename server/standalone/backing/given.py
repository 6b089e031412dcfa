"""Whether a service whose address was given is there, asked before ours would wait for it in vain."""

import asyncio
import time

from server.standalone.settings import SettingsError

THERE_WITHIN = 10.0
PAUSE = 0.2


async def require_redis(url: str, within: float = THERE_WITHIN) -> None:
    """Returns once the server at the address answers us.

    Raises SettingsError, which never quotes the password, when it refuses us or `within` seconds pass.
    """
    import redis.asyncio  # noqa: PLC0415  (only where an address was given)

    try:
        client = redis.asyncio.from_url(url, socket_timeout=2, socket_connect_timeout=2)
    except ValueError as error:
        raise SettingsError("MILLRACE_REDIS_URL must look like redis://:password@host:6379/0") from error
    deadline = time.monotonic() + within
    async with client:
        while True:
            try:
                await client.ping()
            except (redis.asyncio.AuthenticationError, redis.asyncio.ResponseError) as error:
                raise SettingsError(f"MILLRACE_REDIS_URL: the server refuses us: {error}") from error
            except (redis.asyncio.RedisError, OSError) as error:
                if time.monotonic() > deadline:
                    raise SettingsError(f"MILLRACE_REDIS_URL: {error}") from error
            else:
                return
            await asyncio.sleep(PAUSE)
