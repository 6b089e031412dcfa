"""One command imports a catalogue file into the running stack and reports every bad line."""

import asyncio
import gzip
import json
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Api
from tests.stack import ROOT, Stack


def rows(prefix: str, count: int) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{prefix}-{number}",
            "sku": f"SKU/{number}",
            "name": f"Lamp № {number} – 7,5 W",
            "brand": "Lumen & Söhne",
            "price": 995 + number,
            "currency": "EUR",
            "description": "" if number % 7 == 0 else 'A "lamp"\nwith two lines',
            "released_at": "2012-03-04T00:00:00Z",
            "attributes": {"watts": 7.5, "dimmable": number % 2 == 0, "colour": "warm white"},
        }
        for number in range(count)
    ]


async def import_file(stack: Stack, file: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.catalog", "import", str(file),
        "--target", stack["grpc_target"], "--token", stack["admin_token"],
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


@pytest.fixture
def prefix() -> str:
    return f"import-{uuid.uuid4().hex[:8]}"


async def test_a_gzipped_file_is_imported_once(stack: Stack, admin: Api, prefix: str, tmp_path: Path) -> None:
    """1,200 lines in; the second time nothing changes."""
    file = tmp_path / "lamps.jsonl.gz"
    file.write_bytes(gzip.compress("\n".join(json.dumps(row) for row in rows(prefix, 1200)).encode()))

    first = await import_file(stack, file)
    stored = (await admin.get(f"/api/v1/catalog/products/{prefix}-7")).body
    second = await import_file(stack, file)
    again = (await admin.get(f"/api/v1/catalog/products/{prefix}-7")).body

    assert first[0] == 0, first[1]
    assert second[0] == 0, second[1]
    assert "1200" in first[1].replace(",", "")
    assert again == stored
    assert stored["name"] == "Lamp № 7 – 7,5 W"
    assert stored["variants"][0] == {
        "sku": "SKU/7",
        "price": "1002",
        "currency": "EUR",
        "isDefault": True,
    }
    assert {"name": "watts", "value": "7.5"} in stored["attributes"]


async def test_broken_lines_are_reported_and_the_rest_imported(
    stack: Stack, admin: Api, prefix: str, tmp_path: Path
) -> None:
    """Each bad line by its number; the good ones are there."""
    good = rows(prefix, 6)
    lines = [
        json.dumps(good[0]).encode(),
        b'{"id": "unterminated',
        json.dumps(good[1]).encode(),
        b"\xff\xfe not text",
        json.dumps({**good[2], "price": -1}).encode(),
        json.dumps({**good[3], "name": ""}).encode(),
        b"",
        b"[1, 2]",
        json.dumps({**good[4], "name": "nul \x00 inside"}).encode(),
        json.dumps(good[5]).encode(),
    ]
    file = tmp_path / "broken.jsonl"
    file.write_bytes(b"\n".join(lines))

    code, output = await import_file(stack, file)

    assert code == 1, output
    for number in (2, 4, 5, 6, 8, 9):
        assert f"line {number}" in output, output
    for number in (0, 1, 5):
        assert (await admin.get(f"/api/v1/catalog/products/{prefix}-{number}")).status == 200
    for number in (2, 3, 4):
        assert (await admin.get(f"/api/v1/catalog/products/{prefix}-{number}")).status == 404


async def test_csv_is_imported(stack: Stack, admin: Api, prefix: str, tmp_path: Path) -> None:
    """Quoted commas and line breaks inside a field are content."""
    file = tmp_path / "shop.csv"
    file.write_text(
        f'id,sku,name,price,currency,description\n{prefix}-1,A-1,"Cup, large",1250,EUR,"two\nlines"\n'
    )

    code, output = await import_file(stack, file)

    assert code == 0, output
    stored = (await admin.get(f"/api/v1/catalog/products/{prefix}-1")).body
    assert (stored["name"], stored["description"]) == ("Cup, large", "two\nlines")


async def test_a_missing_file_is_said_plainly(stack: Stack, tmp_path: Path) -> None:
    """No traceback for a mistyped name."""
    code, output = await import_file(stack, tmp_path / "nowhere.jsonl")

    assert code != 0
    assert "nowhere.jsonl" in output
    assert "Traceback" not in output
