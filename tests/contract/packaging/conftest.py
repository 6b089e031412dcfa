"""The image, made without an engine, and the variables that a stranger's `.env` would have."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest
from click.testing import CliRunner
from dotenv import dotenv_values

from server.container.compose_env import main as compose_env
from tests.contract.packaging.compose_file import ComposeFile, load_compose_file
from tools.image_steps import ROOT, Build, Stage


@pytest.fixture(scope="session")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The lines of a fresh `.env`."""
    file = tmp_path_factory.mktemp("checkout") / ".env"
    written = CliRunner().invoke(compose_env, [str(file)])
    assert written.exit_code == 0, written.output
    return {name: value or "" for name, value in dotenv_values(file, interpolate=False).items()}


@pytest.fixture(scope="session")
def compose(variables: dict[str, str]) -> ComposeFile:
    """The compose file with those variables."""
    return load_compose_file(variables)


@pytest.fixture(scope="session")
def image() -> Iterator[Stage]:
    """The image's files, where every account can read and only ours can write.

    Its library of pictures is the one of this environment, whose wheel spares building another.
    """
    folder = Path(tempfile.mkdtemp(prefix="millrace-image-"))
    folder.chmod(0o755)
    wheel = next(Path(sys.prefix).glob("millrace-pictures/*/*.whl"), None) if _has_pillow_simd() else None
    try:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("MILLRACE_PILLOW", "simd" if _has_pillow_simd() else "stock")
            environment.setenv("MILLRACE_PILLOW_WHEEL", str(wheel or ""))
            yield Build(ROOT, folder).perform()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _has_pillow_simd() -> bool:
    return any(distributions(name="pillow-simd"))
