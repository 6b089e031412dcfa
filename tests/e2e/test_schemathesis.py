"""Our OpenAPI document against the running stack: thousands of requests made from it, every answer checked.

MILLRACE_SCHEMATHESIS_EXAMPLES makes so many requests of each operation at random, beside the systematic ones;
MILLRACE_SCHEMATHESIS_SEED makes others.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.conftest import Api
from tests.stack import ROOT, Stack

# The same requests each time: what a run finds is found again by the next.
SEED = os.environ.get("MILLRACE_SCHEMATHESIS_SEED", "1")
EXAMPLES = int(os.environ.get("MILLRACE_SCHEMATHESIS_EXAMPLES", "8"))
# So long only on a machine that is busy with other things as well.
SECONDS = 240 + 20 * EXAMPLES
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
PROGRAM = "/api/v1/affiliate/program"


@pytest.fixture
async def fuzzed(victim: Stack) -> AsyncIterator[Stack]:
    """The stack, with a link to follow; the program and the demo partner are put right in the end."""
    async with aiohttp.ClientSession(victim["edge_url"]) as session:
        admin = Api(session, victim["admin_token"])
        before = (await admin.get(PROGRAM)).body
        await admin.post(
            "/api/v1/affiliate/links",
            {
                "customCode": "fuzzed-link",
                "destinationUrl": "https://shop.example/p/fuzzed",
                "partnerId": victim["partner_id"],
            },
        )
        yield victim
        del before["updatedAt"]
        assert (await admin.patch(PROGRAM, before)).status == 200
        await admin.post(f"/api/v1/affiliate/partners/{victim['partner_id']}:reinstate")


@pytest.mark.parametrize(
    ("role", "phases", "least"),
    [("admin", "examples,coverage,fuzzing,stateful", 1_500), ("partner", "examples,fuzzing,stateful", 100)],
)
async def test_every_answer_is_as_documented(
    fuzzed: Stack, tmp_path: Path, role: str, phases: str, least: int
) -> None:
    """No server error, nothing but documented statuses, headers and bodies, no bad request taken for good."""
    report = await schemathesis_report(fuzzed, role, phases, tmp_path)

    cases = report["test_cases"]
    print(f"\nas {role}: {cases['generated']} requests in {report['running_time']:.0f} s")
    log = (tmp_path / "log").read_text()
    assert report["failures"] == [], log
    assert (report["complete"], cases["errored"]) == (True, 0), log
    assert report["operations"]["tested"] == report["operations"]["total"], log
    assert cases["generated"] >= least, log


async def schemathesis_report(stack: Stack, role: str, phases: str, folder: Path) -> dict[str, Any]:
    """Runs schemathesis to its end as the caller; `log` in the folder is what it said."""
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION)),
            *("run", f"{stack['edge_url']}/api/openapi.json", "--no-color"),
            *("--header", f"Authorization: Bearer {stack[f'{role}_token']}"),
            *("--phases", phases, "--max-examples", str(EXAMPLES), "--workers", "2", "--seed", SEED),
            *("--report-json-path", str(folder / "report.json")),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
        )
        try:
            await asyncio.wait_for(process.wait(), SECONDS)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    report = folder / "report.json"
    assert report.exists(), (folder / "log").read_text()
    found: dict[str, Any] = json.loads(report.read_text())
    return found
