"""Imports into a running server: what is stored, what is reported, and how the command ends."""

import asyncio
import csv
import gzip
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.auth.principal import Role
from server.catalog.product import ProductStatus
from server.catalog.service import CatalogService, ProductFilter
from tests.contract.catalog.commands import Ended, run
from tests.contract.conftest import Mint

ROW: dict[str, Any] = {"sku": "s1", "name": "Mug", "price": 4995, "currency": "USD"}


def rows(count: int, **changes: Any) -> bytes:
    """JSON Lines of this many products with one name."""
    return b"".join(json.dumps({"id": f"p{n}", **ROW, **changes}).encode() + b"\n" for n in range(count))


@pytest.fixture
def environment(grpc_target: str, mint: Mint) -> dict[str, str]:
    """Where the running server is, and an admin's token, as environment variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
    return {**inherited, "MILLRACE_GRPC_TARGET": grpc_target, "MILLRACE_TOKEN": mint(Role.ADMIN)}


@pytest.fixture
def import_file(environment: dict[str, str], tmp_path: Path) -> Callable[..., Any]:
    """Runs the command over a file with this content."""

    async def import_file(content: bytes, *options: str, name: str = "products.jsonl") -> Ended:
        (tmp_path / name).write_bytes(content)
        return await run("server.catalog", "import", str(tmp_path / name), *options, environment=environment)

    return import_file


async def test_a_second_import_changes_nothing(import_file: Any, service: CatalogService) -> None:
    """1,300 products of one name, gzip: created once, unchanged afterwards; exit code 0."""
    content = gzip.compress(rows(1300))
    first = await import_file(content)
    assert first.code == 0, first
    assert "created 1,300, updated 0, unchanged 0, failed 0" in first.out
    before = await service.list_products(ProductFilter(), after=None, limit=2000)
    second = await import_file(content)
    assert "created 0, updated 0, unchanged 1,300, failed 0" in second.out
    assert await service.list_products(ProductFilter(), after=None, limit=2000) == before
    assert len({product.slug for product in before}) == 1300


async def test_broken_lines_are_reported_and_the_rest_is_stored(
    import_file: Any, service: CatalogService, tmp_path: Path
) -> None:
    """Each with line and field, also in the file; exit code 1."""
    content = b"\n".join(
        [
            rows(1).strip(),
            b"",
            b'{"id": "cut off',
            b'{"id": "\xff"}',
            json.dumps({"id": "b1", **ROW, "price": "cheap"}).encode(),
            json.dumps({"id": "b2", **ROW, "name": "nul\0"}).encode(),
            json.dumps({"id": "b3", **ROW, "name": "\ud800"}).encode(),
            json.dumps({"id": "b4", **ROW, "currency": "dollars"}).encode(),
            json.dumps({"id": "b5", **ROW, "attributes": {"colour": "x" * 20_000}}).encode(),
            json.dumps({"id": "b 6", **ROW}).encode(),
            b'{"id": "b7", "price": ' + b"1" * 10_000 + b"}",
            json.dumps({"id": "good", **ROW, "name": "N" * 300}).encode(),
        ]
    )
    ended = await import_file(content, "--errors", str(tmp_path / "errors.csv"))
    assert ended.code == 1
    assert "created 2, updated 0, unchanged 0, failed 9" in ended.out
    expected = {
        (3, ""),
        (4, ""),
        (5, "price"),
        (6, "name"),
        (7, "name"),
        (8, "currency"),
        (9, "attributes.colour"),
        (10, "id"),
        (11, ""),
    }
    with (tmp_path / "errors.csv").open(newline="") as file:
        assert {(int(row["line"]), row["field"]) for row in csv.DictReader(file)} == expected
    for line, field in expected:
        assert f"line {line}: {field}" in ended.err
    stored = await service.list_products(ProductFilter(), after=None, limit=10)
    assert [product.content.product_id for product in stored] == ["good", "p0"]


async def test_csv(import_file: Any, service: CatalogService) -> None:
    """The same product from CSV as from JSON Lines."""
    content = (
        "id,sku,name,price,currency,status,categories,tags,stock,ean,released_at,attributes.Size\n"
        'p1,s1,"Mug, ""big""\nblue",4995,USD,draft,Kitchen > Mugs|Gifts,a|b,7,0095205603217,2009-12-10,XL\n'
    )
    ended = await import_file(content.encode(), name="products.csv")
    assert ended.code == 0, ended
    stored = (await service.get_product("p1", only_active=False)).content
    assert stored.name == 'Mug, "big"\nblue'
    assert stored.status is ProductStatus.DRAFT
    assert stored.categories == ("Kitchen > Mugs", "Gifts")
    assert (stored.variants[0].price, stored.variants[0].stock) == (4995, 7)
    assert stored.attributes == (("Size", "XL"),)
    assert stored.released_at is not None
    assert stored.released_at.isoformat() == "2009-12-10T00:00:00+00:00"


async def test_the_last_line_of_a_product_wins(import_file: Any, service: CatalogService) -> None:
    """Lines of one product follow one another, however many batches are under way."""
    lines = [json.dumps({"id": "p1", **ROW, "name": f"Mug {n}"}).encode() for n in range(30)]
    ended = await import_file(b"\n".join(lines))
    assert ended.code == 0
    assert "created 1, updated 29" in ended.out
    assert (await service.get_product("p1", only_active=False)).content.name == "Mug 29"


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (b'[{"id": "p1"}]', "a.json", "JSON array"),
        (b"id,sku\na,b\n", "a.csv", "missing: name, price, currency"),
        (gzip.compress(rows(2000))[:-100], "a.jsonl.gz", "stopped"),
        (b"\x1f\x8bnonsense", "a.gz", "stopped"),
    ],
)
async def test_files_that_cannot_be_read(import_file: Any, content: bytes, name: str, says: str) -> None:
    """The command says why and ends with 2."""
    ended = await import_file(content, name=name)
    assert ended.code == 2
    assert says in ended.err
    assert "Traceback" not in ended.err


async def test_a_bad_token_stops_the_import(import_file: Any) -> None:
    """Nothing is half done without saying so."""
    ended = await import_file(rows(1), "--token", "nonsense")
    assert ended.code == 2
    assert "UNAUTHENTICATED" in ended.err


async def test_no_stack_is_told(tmp_path: Path, environment: dict[str, str]) -> None:
    """Without options, variables and a running stack the command says what to do."""
    (tmp_path / "a.jsonl").write_bytes(rows(1))
    bare = {name: value for name, value in environment.items() if not name.startswith("MILLRACE_")}
    bare["MILLRACE_STATE_DIR"] = str(tmp_path)
    ended = await run("server.catalog", "import", str(tmp_path / "a.jsonl"), environment=bare)
    assert ended.code == 2
    assert "make run" in ended.err


async def test_the_running_stack_is_found(
    tmp_path: Path, environment: dict[str, str], service: CatalogService
) -> None:
    """`endpoints.json` of the state folder tells the address and the token."""
    (tmp_path / "a.jsonl").write_bytes(rows(1))
    bare = {name: value for name, value in environment.items() if not name.startswith("MILLRACE_")}
    bare["MILLRACE_STATE_DIR"] = str(tmp_path)
    endpoints = {
        "grpc_target": environment["MILLRACE_GRPC_TARGET"],
        "admin_token": environment["MILLRACE_TOKEN"],
    }
    (tmp_path / "endpoints.json").write_text(json.dumps(endpoints))
    ended = await run("server.catalog", "import", str(tmp_path / "a.jsonl"), environment=bare)
    assert ended.code == 0, ended
    assert await service.find_product("p0")


@pytest.mark.parametrize(
    "options", [("--token", "two\nlines"), ("--token", "é"), ("--errors", "/proc/no/file")]
)
async def test_unusable_options_are_named(import_file: Any, options: tuple[str, str]) -> None:
    """Exit code 2 and one message, no traceback."""
    ended = await import_file(rows(1), *options)
    assert ended.code == 2
    assert options[0] in ended.err
    assert "Traceback" not in ended.err


async def test_ctrl_c_ends_with_a_report(
    environment: dict[str, str], tmp_path: Path, unused_port: int
) -> None:
    """Exit code 130, what was stored so far, and what to do."""
    file = tmp_path / "products.jsonl"
    file.write_bytes(rows(1))
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.catalog", "import", str(file)),
        env={**environment, "MILLRACE_GRPC_TARGET": f"127.0.0.1:{unused_port}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert child.stderr is not None
    async with asyncio.timeout(30):
        assert await child.stderr.readline() == b"Importing\n"
        child.send_signal(signal.SIGINT)
        out, err = await child.communicate()
    assert child.returncode == 130
    assert b"created 0" in out
    assert b"run it again" in err
