"""Settings: which ones a process refuses to start with."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from server.settings import Settings, load_settings

GOOD = {
    "MILLRACE_POSTGRES_DSN": "postgresql://app:hunter2@db/millrace",
    "MILLRACE_REDIS_URL": "redis://:hunter2@redis",
    "MILLRACE_JWT_SECRETS": "one:0123456789abcdef0123456789abcdef",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Good settings in the environment and nothing else of ours."""
    import os

    for name in [name for name in os.environ if name.startswith("MILLRACE_")]:
        monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_good_settings(environment: pytest.MonkeyPatch) -> None:
    """The environment is read, and no secret shows."""
    environment.setenv("MILLRACE_SERVICES", "catalog, affiliate")
    settings = load_settings()
    assert settings.services == ("catalog", "affiliate")
    assert not settings.mints_tokens
    assert "hunter2" not in repr(settings)
    assert "0123456789abcdef" not in repr(settings)


@pytest.mark.parametrize(
    "secrets",
    [
        None,
        "one:short",
        "one:development-secret-that-is-long-enough-but-public",
        "one:0123456789abcdef0123456789abcdef,two:short",
        "nonsense",
    ],
)
def test_production_refuses_weak_secrets(environment: pytest.MonkeyPatch, secrets: str | None) -> None:
    """A missing, public or short secret keeps the process from starting; it is not shown."""
    environment.delenv("MILLRACE_JWT_SECRETS")
    if secrets is not None:
        environment.setenv("MILLRACE_JWT_SECRETS", secrets)
    with pytest.raises(ValidationError) as refused:
        load_settings()
    assert (secrets or "that-everybody-knows") not in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_development_accepts_the_default_secret(environment: pytest.MonkeyPatch) -> None:
    """In development the well-known secret serves, and tokens are minted."""
    environment.delenv("MILLRACE_JWT_SECRETS")
    environment.setenv("MILLRACE_MODE", "development")
    assert load_settings().mints_tokens


def test_a_file_is_read_and_the_environment_wins(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Lines of the file count where no variable does; settings of other processes do not disturb."""
    file = tmp_path / "millrace.env"
    file.write_text("MILLRACE_REDIS_PREFIX=fromfile\nMILLRACE_STREAM_SHARDS=3\nMILLRACE_EDGE_PORT=1\n")
    environment.setenv("MILLRACE_ENV_FILE", str(file))
    environment.setenv("MILLRACE_STREAM_SHARDS", "7")
    settings = load_settings()
    assert (settings.redis_prefix, settings.stream_shards) == ("fromfile", 7)


@pytest.mark.parametrize(
    "alone", ["MILLRACE_GRPC_TLS_CERT", "MILLRACE_GRPC_TLS_KEY", "MILLRACE_GRPC_TLS_CLIENT_CA"]
)
def test_half_of_tls_is_refused(environment: pytest.MonkeyPatch, alone: str) -> None:
    """A certificate without its key must not silently mean plain text."""
    environment.setenv(alone, "/nowhere.pem")
    with pytest.raises(ValidationError):
        load_settings()


def test_settings_are_frozen(environment: pytest.MonkeyPatch) -> None:
    """Nothing changes a setting after the start."""
    settings: Settings = load_settings()
    with pytest.raises(ValidationError):
        settings.redis_prefix = "other"
