"""The Dockerfile as written: pinned, small, without root; and the reader that its rehearsal stands on."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from server.container.__main__ import COMMANDS
from server.container.health import CHECKS
from tools.image_file import (
    Instruction,
    UnreadableImageFile,
    context_files,
    is_left_out,
    read_ignore_patterns,
    read_instructions,
)
from tools.image_steps import ROOT

TEXT = (ROOT / "Dockerfile").read_text()
INSTRUCTIONS = read_instructions(TEXT)


def last(word: str) -> Instruction:
    """The last instruction of that word, which is the one of the image itself."""
    return [instruction for instruction in INSTRUCTIONS if instruction.word == word][-1]


def test_the_base_is_pinned_and_has_our_python() -> None:
    """To the patch level, without a registry's host, and within what the project runs on."""
    base = next(one for one in INSTRUCTIONS if one.word == "ARG").rest
    version = re.fullmatch(r"PYTHON=python:(3\.\d+)\.\d+-slim-\w+", base)
    assert version is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11,<3.14"
    assert version[1] in {"3.11", "3.12", "3.13"}


def test_nothing_is_installed_that_is_not_pinned_by_hash() -> None:
    """Every install is from a lock with hashes, as wheels, or from wheels that were built here."""
    commands = [command for command in commands_run() if not command.startswith("apt-get ")]
    installs = [command for command in commands if " install " in command]
    assert installs
    for command in installs:
        locked = "--require-hashes" in command and "--only-binary=:all:" in command
        assert locked or "--no-index" in command, command
    assert not re.search(r"\b(apt|curl|wget|sudo)\b(?!/)|://", TEXT.replace("apt-get", ""))


def test_the_distribution_gives_a_compiler_and_libraries_of_pictures_alone() -> None:
    """To build with in the first stage; to run with in the image, which gets no compiler and no header."""
    installs = [command.split() for command in commands_run() if command.startswith("apt-get -qq install")]
    build, image = ({word for word in words[3:] if not word.startswith("--")} for words in installs)
    assert build == {"gcc", "libc6-dev", "libjpeg62-turbo-dev", "liblcms2-dev", "libwebp-dev", "zlib1g-dev"}
    assert image == {"libjpeg62-turbo", "liblcms2-2", "libwebp7", "libwebpdemux2", "libwebpmux3", "zlib1g"}


def commands_run() -> list[str]:
    """The commands of every RUN, in order."""
    return [command.strip() for one in INSTRUCTIONS if one.word == "RUN" for command in one.rest.split("&&")]


def test_the_account_is_a_number_other_than_roots() -> None:
    """Orchestrators that refuse root must be able to tell."""
    uid, gid = map(int, last("USER").rest.split(":"))
    assert uid > 0
    assert gid > 0


def test_no_shell_stands_between_the_engine_and_the_process() -> None:
    """Entry and health check are lists of words, so that signals arrive; SIGTERM is the one."""
    assert json.loads(last("ENTRYPOINT").rest) == ["python", "-m", "server.container"]
    assert json.loads(last("HEALTHCHECK").rest.removeprefix("CMD")) == [
        "python",
        "-m",
        "server.container",
        "health",
    ]
    assert last("STOPSIGNAL").rest == "SIGTERM"


def test_the_image_gets_only_the_result_of_the_build() -> None:
    """The last stage copies one folder from the first and nothing from the context."""
    stages = [index for index, one in enumerate(INSTRUCTIONS) if one.word == "FROM"]
    copies = [one for one in INSTRUCTIONS[stages[-1] :] if one.word == "COPY"]
    assert [(one.flag("from"), one.rest) for one in copies] == [("build", "/opt/millrace /opt/millrace")]


def test_the_build_sees_only_what_it_needs() -> None:
    """No secret, no state, no test and no version control goes to the engine."""
    tops = {path.parts[0] for path in context_files(ROOT)}
    locks = {f"requirements-{part}.lock" for part in ("build", "runtime", "simd")}
    files = {*locks, "pyproject.toml", "README.md", "LICENSE"}
    assert tops == files | {"clients", "edge", "server", "tools", "workers"}
    assert not [path for path in context_files(ROOT) if path.suffix == ".pyc" or "node_modules" in path.parts]


@pytest.mark.parametrize("module", sorted(COMMANDS.values()))
def test_every_short_name_is_a_module(module: str) -> None:
    """That `python -m` could run."""
    place = ROOT.joinpath(*module.split("."))
    assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file()


def test_every_lasting_process_has_a_check() -> None:
    """And every check is of a process."""
    assert CHECKS.keys() <= COMMANDS.keys()
    assert {"edge", "server", "drain", "worker", "scheduler", "bucket-door"} == CHECKS.keys()


def test_instructions_are_joined_and_flags_apart() -> None:
    """Comments between continued lines belong to nobody."""
    read = read_instructions(
        "# first\nFROM a AS b\nRUN --mount=type=cache,target=/x one \\\n# why\n  && two\n"
    )
    assert read == [
        Instruction("FROM", (), "a AS b", 2),
        Instruction("RUN", ("--mount=type=cache,target=/x",), "one && two", 3),
    ]


@pytest.mark.parametrize("text", ["ADD a b\n", "RUN one \\\n", "RUN cat <<EOF\n", "from a\n"])
def test_what_the_reader_does_not_know_is_refused(text: str) -> None:
    """A step passed over would be a step not rehearsed."""
    with pytest.raises(UnreadableImageFile):
        read_instructions(text)


@pytest.mark.parametrize(
    ("path", "left_out"),
    [
        ("tests/x.py", True),
        ("edge/app.py", False),
        ("edge/rest/__pycache__/a.txt", True),
        ("edge/a.pyc", True),
        (".env", True),
        ("clients/typescript/node_modules/x", True),
        ("clients/pyproject.toml", False),
    ],
)
def test_ignore_patterns(path: str, left_out: bool) -> None:
    """The last pattern that matches a path or one of its folders decides."""
    patterns = read_ignore_patterns((ROOT / ".dockerignore").read_text())
    assert is_left_out(Path(path), patterns) is left_out
