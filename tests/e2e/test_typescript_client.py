"""The TypeScript client: its own tests, what it would publish, and its calls against a running stack."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.stack import ROOT, Stack

CLIENT = ROOT / "clients" / "typescript"
BIN = Path(sys.executable).parent
COMMAND_SECONDS = 120
# What a careful user of the package may have set.
STRICTEST = {
    "noEmit": True,
    "strict": True,
    "exactOptionalPropertyTypes": True,
    "noUncheckedIndexedAccess": True,
    "target": "es2022",
    "lib": ["es2022", "dom", "dom.iterable"],
    "module": "nodenext",
    "types": [],
}


@pytest.fixture(scope="module")
async def subject() -> Path:
    """The client, built."""
    await output_of(sys.executable, str(ROOT / "tools" / "typescript.py"), "build")
    return CLIENT


@pytest.fixture(scope="module")
async def journey(stack: Stack, subject: Path) -> dict[str, Any]:
    """What came of a partner's calls; see typescript_client.mjs."""
    script = Path(__file__).with_name("typescript_client.mjs")
    printed = await output_of(BIN / "node", str(script), stack["edge_url"], stack["partner_token"])
    journey: dict[str, Any] = json.loads(printed)
    return journey


async def output_of(program: Path | str, *arguments: str, cwd: Path = ROOT) -> str:
    """What the program prints; it must succeed. Its PATH begins with our own Node.js."""
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        cwd=cwd,
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), COMMAND_SECONDS)
    except TimeoutError:
        process.terminate()
        raise
    assert process.returncode == 0, out.decode() + err.decode()
    return out.decode()


async def test_its_own_tests_pass(subject: Path) -> None:
    """Attempts, pauses, timeouts, problems and pages, against a server that answers as each test wants."""
    printed = await output_of(BIN / "npm", "test", cwd=subject)

    assert "fail 0" in printed


async def test_it_publishes_what_it_needs_and_nothing_else(subject: Path) -> None:
    """Modules with their types, words and licence."""
    packed = json.loads(
        await output_of(BIN / "npm", "pack", "--dry-run", "--json", "--ignore-scripts", cwd=subject)
    )
    files = {file["path"] for file in packed[0]["files"]}

    assert {"package.json", "README.md", "LICENSE", "dist/index.js", "dist/index.d.ts"} <= files
    assert all(path.startswith("dist/") for path in files - {"package.json", "README.md", "LICENSE"})


async def test_a_user_of_the_package_gets_its_types(subject: Path, tmp_path: Path) -> None:
    """The README's example type-checks against the built package under the strictest settings."""
    example = (subject / "README.md").read_text().split("```ts\n")[1].split("```")[0]
    (tmp_path / "example.mts").write_text(example)
    scope = tmp_path / "node_modules" / "@millrace"
    scope.mkdir(parents=True)
    (scope / "client").symlink_to(subject)

    (tmp_path / "tsconfig.json").write_text(
        json.dumps({"compilerOptions": STRICTEST, "files": ["example.mts"]})
    )

    await output_of(BIN / "node", str(subject / "node_modules" / "typescript" / "bin" / "tsc"), cwd=tmp_path)


async def test_links_made_are_links_listed(journey: dict[str, Any]) -> None:
    """Pages of two over five links, each once, newest first."""
    made = [link["linkId"] for link in journey["made"]]

    assert journey["listed"] == made[::-1]


async def test_a_link_is_read_changed_and_disabled(journey: dict[str, Any]) -> None:
    """Paths with parameters and verbs, with a body and without."""
    assert journey["disabled"] == "DISABLED"
    assert journey["changed"] is True
    assert journey["read"] == journey["made"][0]["linkId"]


async def test_a_bad_field_is_a_problem_that_names_it(journey: dict[str, Any]) -> None:
    """As the server said it, with the request's id."""
    problem = journey["badField"]

    assert (problem["status"], problem["code"]) == (400, "INVALID_ARGUMENT")
    assert [error["field"] for error in problem["errors"]] == ["destinationUrl"]
    assert problem["requestId"]


async def test_refusals_are_problems(journey: dict[str, Any]) -> None:
    """Without a token 401, with the wrong role 403, for another's link 404."""
    assert journey["stranger"]["status"] == 401
    assert journey["forbidden"]["status"] == 403
    assert (journey["missing"]["status"], journey["missing"]["reason"]) == (404, "LINK_NOT_FOUND")
