"""The backing services are the real ones, keep what they acknowledge, and let nobody in without a key."""

import asyncio
import datetime
import hashlib
import hmac
import os
import signal
import smtplib
import stat
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
import redis.asyncio

from server.standalone.accounts import run_as, stand_in
from server.standalone.backing import postgres
from server.standalone.backing.given import require_redis
from server.standalone.backing.mailbox import running_mailbox
from server.standalone.backing.postgres import DURABLE, running_postgres
from server.standalone.backing.redis import running_redis
from server.standalone.backing.s3 import ObjectStore, running_object_store
from server.standalone.places import place_for, remove_outside
from server.standalone.settings import SettingsError


async def test_postgres_is_durable_and_not_root(folder: Path) -> None:
    """With the settings of `make run` every commit is synced, by an account that is not root."""
    async with running_postgres(folder, settings=DURABLE) as (server, child):
        connection = await asyncpg.connect(server.dsn())
        assert await connection.fetchval("SHOW fsync") == "on"
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
        await connection.close()
        assert Path(f"/proc/{child.pid}").stat().st_uid != 0


async def test_postgres_keeps_its_rows_and_wants_its_password(folder: Path) -> None:
    """A killed server finds everything on its next start; without the password nobody gets in."""
    async with running_postgres(folder) as (server, child):
        connection = await asyncpg.connect(server.dsn())
        await connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        child.signal(signal.SIGKILL)
        await child.wait()
        connection.terminate()
    async with running_postgres(folder, port=server.port) as (again, _):
        assert again.dsn() == server.dsn()
        connection = await asyncpg.connect(again.dsn())
        assert await connection.fetchval("SELECT one FROM kept") == 1
        await connection.close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(again.dsn().replace(again.password, "guess"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs a place elsewhere")
async def test_postgres_moves_out_of_an_unreachable_folder(folder: Path) -> None:
    """Where its account cannot go, the cluster lives in a folder of ours elsewhere, and cleaning finds it."""
    hidden = folder / "hidden"
    hidden.mkdir(mode=0o700)
    try:
        async with running_postgres(hidden) as (server, _):
            assert not server.cluster.is_relative_to(folder)
    finally:
        removed = remove_outside(hidden)
    assert [place for place in removed if server.cluster.is_relative_to(place)]
    assert not server.cluster.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands its programs to another account")
def test_unreachable_programs_are_copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that only root can reach run as the other account from a copy that it owns."""
    hidden = folder / "hidden" / "bin"
    hidden.mkdir(mode=0o700, parents=True)
    hidden.parent.chmod(0o700)
    (hidden / "postgres").write_text("#!/bin/sh\necho runs\n")
    (hidden / "postgres").chmod(0o700)
    monkeypatch.setattr(postgres, "find_programs", lambda: hidden)
    account = stand_in()
    home = place_for(folder, "postgres", account)
    subject = postgres.reachable_programs(home, account)
    assert run_as(account, (str(subject / "postgres"),)).stdout == "runs\n"
    assert postgres.reachable_programs(home, account) == subject


async def test_redis_syncs_every_write_and_survives_a_kill(folder: Path) -> None:
    """What was acknowledged is there after kill -9; without the password nothing is answered."""
    async with running_redis(folder) as (server, child):
        client = redis.asyncio.from_url(server.url)
        assert await client.config_get("append*") == {
            **await client.config_get("append*"),
            "appendonly": "yes",
            "appendfsync": "always",
        }
        await client.set("kept", 1)
        child.signal(signal.SIGKILL)
        await child.wait()
        await client.aclose()
    async with running_redis(folder, port=server.port) as (again, _):
        client = redis.asyncio.from_url(again.url)
        assert await client.get("kept") == b"1"
        await client.aclose()
        stranger = redis.asyncio.from_url(f"redis://127.0.0.1:{again.port}")
        with pytest.raises(redis.exceptions.AuthenticationError):
            await stranger.ping()
        await stranger.aclose()
    assert stat.S_IMODE((folder / "redis.password").stat().st_mode) == 0o600


async def test_the_object_store_checks_signatures(folder: Path) -> None:
    """A signed upload is kept and served; a wrong signature and no signature are refused."""
    async with running_object_store(folder) as (store, _), aiohttp.ClientSession() as session:
        url = f"{store.endpoint}/{store.bucket}/a.txt"
        assert (await _signed(session, store, "PUT", url, store.secret_key, b"content")).status == 200
        answer = await _signed(session, store, "GET", url, store.secret_key)
        assert (answer.status, await answer.read()) == (200, b"content")
        assert (await _signed(session, store, "GET", url, "wrong")).status == 403
        assert (await session.get(url)).status in {400, 401, 403}


async def _signed(  # noqa: PLR0917
    session: aiohttp.ClientSession, store: ObjectStore, method: str, url: str, secret: str, body: bytes = b""
) -> aiohttp.ClientResponse:
    """One request with AWS Signature Version 4, as its specification writes it."""
    now = datetime.datetime.now(datetime.UTC)
    moment, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    host, _, path = url.removeprefix("http://").partition("/")
    digest = hashlib.sha256(body).hexdigest()
    headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": moment}
    names = ";".join(headers)
    listed = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"{method}\n/{path}\n\n{listed}\n{names}\n{digest}"
    scope = f"{day}/us-east-1/s3/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, to_sign.encode(), "sha256").hexdigest()
    credential = f"AWS4-HMAC-SHA256 Credential={store.access_key}/{scope}"
    headers["authorization"] = f"{credential}, SignedHeaders={names}, Signature={signature}"
    return await session.request(method, url, data=body, headers=headers)


HOSTILE = b"""From: shop@shop.example\r
To: ada@partner.example\r
Subject: <script>alert(1)</script>\r
Content-Type: text/html; charset=utf-8\r
\r
<img src=x onerror=alert(2)>\r
"""


async def test_the_mailbox_shows_what_arrived_and_runs_none_of_it(folder: Path) -> None:
    """A caught mail is listed, found by recipient, kept as received, and harmless in a browser."""
    async with running_mailbox(folder) as (mailbox, _), aiohttp.ClientSession(mailbox.url) as session:
        await asyncio.to_thread(_send, mailbox.smtp, ["Ada@Partner.example", "bob@partner.example"], HOSTILE)
        found: Any = await (await session.get("/api/mails", params={"to": "ada@partner.example"})).json()
        assert [mail["subject"] for mail in found] == ["<script>alert(1)</script>"]
        assert found[0]["recipients"] == ["Ada@Partner.example", "bob@partner.example"]
        mail_id = found[0]["id"]
        assert await (await session.get(f"/mails/{mail_id}/raw")).read() == HOSTILE
        one: Any = await (await session.get(f"/api/mails/{mail_id}")).json()
        assert "onerror" in one["html"]
        for path in ("/", f"/mails/{mail_id}"):
            page = await session.get(path)
            text = await page.text()
            assert "<script" not in text
            assert "<img" not in text
            assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert await (await session.get("/api/mails", params={"to": "eve@partner.example"})).json() == []


async def test_the_mailbox_answers_to_its_own_name_only(folder: Path) -> None:
    """A page that points its own host name at loopback cannot read the mails."""
    async with running_mailbox(folder) as (mailbox, _), aiohttp.ClientSession(mailbox.url) as session:
        assert (await session.get("/api/mails", headers={"Host": "evil.example"})).status == 403
        assert (await session.get("/mails/../../etc/passwd")).status == 404
        assert (await session.delete("/api/mails")).status == 200


def _send(address: str, recipients: list[str], content: bytes) -> None:
    host, _, port = address.partition(":")
    with smtplib.SMTP(host, int(port)) as client:
        client.sendmail("shop@shop.example", recipients, content)


async def test_a_given_redis_must_answer_us(folder: Path, unused_port: int) -> None:
    """Nothing there, a wrong password and nonsense each end the start at once, by the variable's name."""
    async with running_redis(folder) as (server, _):
        await require_redis(server.url)
        with pytest.raises(SettingsError, match=r"MILLRACE_REDIS_URL.*refuses") as refused:
            await require_redis(f"redis://:not-the-password@127.0.0.1:{server.port}/0")
        assert "not-the-password" not in str(refused.value)
    with pytest.raises(SettingsError, match="MILLRACE_REDIS_URL"):
        await require_redis(f"redis://127.0.0.1:{unused_port}/0", within=0.1)
    with pytest.raises(SettingsError, match="MILLRACE_REDIS_URL"):
        await require_redis("nonsense")
