"""Which library of pictures the set-up provides: the decision, and the ways back to Pillow."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tools import pictures
from tools.compiling import LIBRARIES, Machine, ask, compiles, find_compiler, how_to_install, look
from tools.pictures import AUTO, SIMD, STOCK, chosen, obstacle, provide, still_serves
from tools.pillow_simd import CannotBuild, Target, clear_doubtful, pillow_is_whole, swapped, target_of

ABLE = Machine("Linux", "x86_64", "/usr/bin/cc")
JPEG, _, WEBP, _ = LIBRARIES
OF_STOCK = {"choice": STOCK, "library": STOCK}
OF_AUTO_STOCK = {"choice": AUTO, "library": STOCK}
OF_SIMD = {"choice": AUTO, "library": SIMD, "avx2": True}


@pytest.mark.parametrize("architecture", ["x86_64", "amd64", "AMD64"])
@pytest.mark.parametrize("system", ["Linux", "Darwin"])
def test_a_whole_tool_chain_on_x86_is_enough(system: str, architecture: str) -> None:
    """On both systems that pillow-simd is for."""
    assert obstacle(Machine(system, architecture, "/usr/bin/cc")) is None


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (replace(ABLE, architecture="aarch64"), "not for Linux on aarch64"),
        (replace(ABLE, architecture="arm64", system="Darwin"), "not for Darwin on arm64"),
        (replace(ABLE, system="FreeBSD"), "not for FreeBSD"),
        (replace(ABLE, compiler=None), "no C compiler; .*apt-get install gcc libc6-dev &&"),
        (replace(ABLE, missing=(WEBP,)), "no headers of WebP; .*apt-get install libwebp-dev && MILLRACE_P"),
        (replace(ABLE, missing=(JPEG, WEBP)), "JPEG, WebP; .*apt-get install libjpeg-dev libwebp-dev &&"),
        (replace(ABLE, missing=(WEBP,), system="Darwin"), "brew install webp &&"),
    ],
)
def test_what_is_in_the_way_is_said_with_its_remedy(machine: Machine, said: str) -> None:
    """One command that a person can copy; none where pillow-simd is for other machines."""
    why = obstacle(machine)
    assert why is not None
    with pytest.raises(CannotBuild, match=said):
        raise CannotBuild(why)


def test_headers_that_no_package_has_have_no_remedy() -> None:
    """Such as those of a Python that somebody built and left without them."""
    of_python = replace(JPEG, name="Python 3.13", debian="", brew="")
    assert obstacle(replace(ABLE, missing=(of_python,))) == "there are no headers of Python 3.13"


@pytest.mark.parametrize(
    ("machine", "asked_for"),
    [
        (ABLE, None),
        (replace(ABLE, missing=(WEBP,)), ["libwebp-dev"]),
        (replace(ABLE, missing=(WEBP,), compiler=None), None),
        (replace(ABLE, missing=(WEBP,), architecture="aarch64"), None),
        (replace(ABLE, missing=(WEBP, replace(JPEG, debian=""))), None),
    ],
)
def test_root_on_debian_gets_headers_only_where_they_are_all_that_lacks(
    machine: Machine, asked_for: list[str] | None, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is installed that would not lead to pillow-simd; when it cannot be, Pillow serves."""
    asked: list[list[str]] = []
    monkeypatch.setattr(pictures, "look", lambda _: machine)
    monkeypatch.setattr(pictures, "may_install_headers", lambda: True)
    monkeypatch.setattr(pictures, "install_headers", lambda there: asked.append(there.packages))
    monkeypatch.setattr(pictures, "build", lambda *_, **__: target.packages / "no.whl")
    assert provide(target, AUTO, lambda _: None) == OF_AUTO_STOCK
    assert asked == ([asked_for] if asked_for else [])


def test_a_mac_without_a_compiler_is_told_both_steps() -> None:
    """The compiler is not Homebrew's."""
    told = how_to_install(Machine("Darwin", "x86_64", None, (WEBP,)))
    assert told == "xcode-select --install && brew install webp"


@pytest.mark.parametrize(
    ("record", "choice", "serves"),
    [
        (OF_SIMD, AUTO, True),
        (OF_SIMD, SIMD, True),
        (OF_SIMD, STOCK, False),
        (OF_AUTO_STOCK, AUTO, True),
        (OF_AUTO_STOCK, SIMD, False),
        (OF_AUTO_STOCK, STOCK, True),
        (OF_STOCK, AUTO, False),
        (OF_STOCK, SIMD, False),
        (OF_STOCK, STOCK, True),
        ({**OF_SIMD, "choice": SIMD}, AUTO, True),
        ({}, AUTO, False),
    ],
)
def test_another_choice_is_noticed(record: dict[str, Any], choice: str, serves: bool) -> None:
    """Nothing is done again for a choice that comes to what is there."""
    assert still_serves(record, choice, avx2=True) is serves


def test_a_build_for_avx2_does_not_serve_a_processor_without_it() -> None:
    """A folder may move to another machine; one built for SSE4 serves every one."""
    assert not still_serves(OF_SIMD, AUTO, avx2=False)
    assert still_serves({**OF_SIMD, "avx2": False}, AUTO, avx2=False)


def test_the_choice_is_one_of_three_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset and empty leave it to the machine; a slip is said, not guessed at."""
    monkeypatch.delenv("MILLRACE_PILLOW", raising=False)
    assert chosen() == AUTO
    for said, meant in (("", AUTO), ("stock", STOCK), ("simd", SIMD)):
        monkeypatch.setenv("MILLRACE_PILLOW", said)
        assert chosen() == meant
    monkeypatch.setenv("MILLRACE_PILLOW", "simmd")
    with pytest.raises(CannotBuild, match="simmd"):
        chosen()


@pytest.fixture
def no_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with no compiler, no apt-get and nothing else on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.delenv("CC", raising=False)


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """An environment of its own with a whole Pillow that is none, for it has one line."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    target = target_of(tmp_path / "venv" / "bin" / "python", Path(sys.executable))
    lay(target.packages, "pillow-13.0.0.dist-info", "__version__ = '13.0.0'\n")
    return target


def lay(packages: Path, dist_info: str, source: str) -> None:
    """A library of one module, with its record."""
    (packages / "PIL").mkdir(parents=True)
    (packages / "PIL" / "__init__.py").write_text(source)
    (packages / dist_info).mkdir()
    digest = hashlib.sha256(source.encode()).hexdigest()
    record = f"PIL/__init__.py,sha256={digest},{len(source)}\n{dist_info}/RECORD,,\n"
    (packages / dist_info / "RECORD").write_text(record)


def files(packages: Path) -> dict[str, str]:
    """Every file with its content."""
    return {
        str(path.relative_to(packages)): path.read_text() for path in packages.rglob("*") if path.is_file()
    }


@pytest.mark.usefixtures("no_programs")
def test_without_a_compiler_pillow_serves(target: Target) -> None:
    """One line says so and how to change it; nothing of the environment is touched."""
    before, said = files(target.packages), list[str]()
    assert provide(target, AUTO, said.append) == OF_AUTO_STOCK
    assert files(target.packages) == before
    (line,) = said
    assert "Pillow serves, since" in line


@pytest.mark.usefixtures("no_programs")
def test_pillow_simd_asked_for_but_not_to_be_had_is_an_error(target: Target) -> None:
    """Whoever asks for it is not given something else in silence."""
    before = files(target.packages)
    with pytest.raises(CannotBuild, match="MILLRACE_PILLOW=simd, but"):
        provide(target, SIMD, lambda _: None)
    assert files(target.packages) == before


def test_without_an_index_pillow_serves(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that lacks the source, or cannot be reached, is no reason to be without pictures."""
    monkeypatch.setattr(pictures, "look", lambda _: ABLE)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(target.packages))
    before, said = files(target.packages), list[str]()
    assert provide(target, AUTO, said.append) == OF_AUTO_STOCK
    assert files(target.packages) == before
    assert "pillow-simd==" in said[-1]
    assert "To try again: MILLRACE_PILLOW=simd make setup" in said[-1], "the next start does not"


@pytest.mark.usefixtures("no_programs")
def test_headers_are_looked_for_by_compiling(target: Target) -> None:
    """Without a compiler none is found; nor is one named that is not there."""
    machine = look(target.python)
    assert (machine.compiler, machine.missing[:4]) == (None, LIBRARIES)
    assert find_compiler("no-such-compiler -pthread") is None


def test_a_program_that_lacks_its_library_does_not_compile() -> None:
    """While one that needs none does, so that the compiler is not what failed."""
    compiler = find_compiler("cc")
    if compiler is None:
        pytest.skip("no compiler on this machine")
    nothing = replace(JPEG, program="int main(void) { return 0; }", flags=())
    assert compiles(compiler, nothing)
    assert not compiles(compiler, replace(nothing, flags=("-lno-such-library",)))
    assert not compiles(compiler, replace(nothing, program="#include <no/such/header.h>\n" + nothing.program))


def test_a_swap_that_fails_puts_everything_back(target: Target, tmp_path: Path) -> None:
    """Whatever goes wrong after the library was moved, an interruption too."""
    new, before = tmp_path / "new", tmp_path / "before"
    lay(new, "pillow_simd-12.1.1.dist-info", "other = True\n")
    before.mkdir()
    whole = files(target.packages)
    with pytest.raises(KeyboardInterrupt), swapped(target.packages, new, before):  # noqa: PT012
        assert set(files(target.packages)) & set(whole) == {"PIL/__init__.py"}
        assert "other" in files(target.packages)["PIL/__init__.py"]
        raise KeyboardInterrupt
    assert files(target.packages) == whole
    assert pillow_is_whole(target.packages)


def _nothing(packages: Path) -> None:
    for path in (packages / "PIL", packages / "pillow-13.0.0.dist-info"):
        path.rename(packages.parent / path.name)


def _half(packages: Path) -> None:
    (packages / "PIL" / "__init__.py").unlink()


def _overwritten(packages: Path) -> None:
    (packages / "PIL" / "__init__.py").write_text("__version__ = '12.1.1.post0'\n")


def _both(packages: Path) -> None:
    (packages / "pillow_simd-12.1.1.dist-info").mkdir()


def _torn_out(packages: Path) -> None:
    (packages / "PIL").rename(packages / "~il")


def _record_only(packages: Path) -> None:
    (packages / "PIL").rename(packages.parent / "PIL")


@pytest.mark.parametrize("tear", [_nothing, _half, _overwritten, _both, _torn_out, _record_only])
def test_what_an_interruption_left_is_cleared_away(target: Target, tear: Any) -> None:
    """Pip would take a record for the library. With none of either left, it installs Pillow."""
    other = target.packages / "pillow_avif_plugin-1.6.0.dist-info"
    other.mkdir()
    tear(target.packages)
    assert not pillow_is_whole(target.packages)
    clear_doubtful(target.packages)
    assert [*target.packages.iterdir()] == [other]


def test_a_whole_pillow_is_left_alone(target: Target) -> None:
    """So that an ordinary set-up installs nothing again."""
    before = files(target.packages)
    clear_doubtful(target.packages)
    assert files(target.packages) == before


@pytest.fixture(autouse=True)
def no_apt(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test installs packages on the machine that it runs on."""
    monkeypatch.setattr(pictures, "may_install_headers", lambda: False)


def test_a_python_is_asked_about_itself() -> None:
    """Its packages are its own, not those of the Python that asks."""
    facts = ask(Path(sys.executable))
    assert Path(facts["packages"]).is_relative_to(sys.prefix)
    assert facts["minor"] == str(sys.version_info.minor)
