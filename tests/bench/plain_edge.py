"""The redirect as one would first write it: aiohttp and redis-py, with the same guarantee as ours.

The reference for the hot path: same server, same event loop, same Redis, the click acknowledged by
Redis before the answer, deduplicated per visitor and link for 24 hours, counted, and a signed cookie set.
"""

import hashlib
import hmac
import sys
import time
from functools import lru_cache

import crawleruseragents
import redis.asyncio
import uvloop
from aiohttp import web
from uuid_utils import uuid7

DESTINATION = "https://shop.example/p/plain"
SECRET = b"the plain design signs with this one key"


@lru_cache(maxsize=10_000)
def is_bot(user_agent: str) -> bool:
    return not user_agent or crawleruseragents.is_crawler(user_agent)


async def redirect(request: web.Request) -> web.Response:
    store: redis.asyncio.Redis = request.app["redis"]
    code = request.match_info["code"].strip().lower()
    address = request.headers.get("X-Forwarded-For", request.remote or "").rpartition(",")[2].strip()
    click_id = str(uuid7())
    human = not is_bot(request.headers.get("User-Agent", ""))
    visitor = hmac.digest(SECRET, f"{address}:{code}".encode(), "sha256").hex()[:16]
    unique = human and bool(await store.set(f"seen:{code}:{visitor}", 1, nx=True, ex=86_400))
    async with store.pipeline(transaction=True) as pipe:
        pipe.xadd("clicks", {"id": click_id, "code": code, "at": time.time_ns(), "unique": int(unique)})
        pipe.hincrby(f"live:{code}", "human" if human else "bot", 1)
        if unique:
            pipe.hincrby(f"live:{code}", "unique", 1)
        await pipe.execute()
    response = web.Response(
        status=302, headers={"Location": DESTINATION, "Cache-Control": "private, no-store"}
    )
    signature = hmac.new(SECRET, click_id.encode(), hashlib.sha256).hexdigest()[:16]
    response.set_cookie("click", f"{click_id}.{signature}", httponly=True, samesite="Lax", max_age=2_592_000)
    return response


async def open_store(app: web.Application) -> None:
    app["redis"] = redis.asyncio.from_url(app["redis_url"])


def main() -> None:
    app = web.Application()
    app["redis_url"] = sys.argv[2]
    app.on_startup.append(open_store)
    app.router.add_get("/l/{code}", redirect)
    port, loop = int(sys.argv[1]), uvloop.new_event_loop()
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=lambda _: None, loop=loop)


if __name__ == "__main__":
    main()
