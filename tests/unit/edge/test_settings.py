"""What the edge refuses to start with."""

import pytest

from edge.settings import Settings, load_settings

OWN = {
    "MILLRACE_REDIS_URL": "redis://127.0.0.1:6379/0",
    "MILLRACE_COOKIE_KEYS": f"k2:{'b' * 32},k1:{'a' * 32}",
    "MILLRACE_VISITOR_SECRET": "v" * 32,
    "MILLRACE_EDGE_TOKEN": "a.b.c",
}


@pytest.fixture(autouse=True)
def _no_other_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("MILLRACE_"):
            monkeypatch.delenv(name)


def settings_of(monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> Settings:
    for name, value in (OWN | changes).items():
        if value is not None:
            monkeypatch.setenv(name, value)
    return load_settings()


def test_production_starts_with_secrets_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first cookie key signs; lists are read; secrets do not show."""
    settings = settings_of(
        monkeypatch,
        MILLRACE_TRUSTED_PROXIES="10.0.0.0/8, fd00::/8",
        MILLRACE_CORS_ORIGINS="https://shop.example, http://localhost:3000, http://[::1]:3000",
    )
    assert [key_id for key_id, _ in settings.cookie_signing_keys()] == ["k2", "k1"]
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "fd00::/8"]
    assert settings.cors_origins == (
        "https://shop.example",
        "http://localhost:3000",
        "http://[::1]:3000",
    )
    assert settings.cookie_secure
    assert "bbbb" not in repr(settings)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MILLRACE_COOKIE_KEYS", None),
        ("MILLRACE_COOKIE_KEYS", "k:short"),
        ("MILLRACE_COOKIE_KEYS", f"good:{'a' * 32},bad:short"),
        ("MILLRACE_COOKIE_KEYS", "no-colon"),
        ("MILLRACE_VISITOR_SECRET", None),
        ("MILLRACE_VISITOR_SECRET", "v" * 31),
        ("MILLRACE_VISITOR_SECRET", "development" + "v" * 40),
        ("MILLRACE_EDGE_TOKEN", None),
        ("MILLRACE_REDIS_URL", None),
        ("MILLRACE_COOKIE_DOMAIN", "a; Secure"),
        ("MILLRACE_TRUSTED_PROXIES", "nonsense"),
        ("MILLRACE_CORS_ORIGINS", "https://shop.example/"),
        ("MILLRACE_CORS_ORIGINS", "https://*.shop.example"),
        ("MILLRACE_CORS_ORIGINS", "shop.example"),
        ("MILLRACE_CORS_ORIGINS", "https://Shop.example"),
        ("MILLRACE_CORS_ORIGINS", "null"),
        ("MILLRACE_COUNTRY_HEADER", "CF IPCountry"),
        ("MILLRACE_EVENT_RATE", "-1"),
        ("MILLRACE_STREAM_MAX_ENTRIES", "0"),
        ("MILLRACE_STREAM_MAX_AGE_SECONDS", "0"),
        ("MILLRACE_SPOOL_MAX_BYTES", "1000"),
    ],
)
def test_production_refuses(monkeypatch: pytest.MonkeyPatch, variable: str, value: str | None) -> None:
    """Missing, public, short or malformed."""
    with pytest.raises(SystemExit, match=variable):
        settings_of(monkeypatch, **{variable: value})


@pytest.mark.parametrize(
    ("changes", "folder"),
    [
        ({}, ".millrace/spool"),
        ({"MILLRACE_STATE_DIR": "/state"}, "/state/spool"),
        ({"MILLRACE_STATE_DIR": "/state", "MILLRACE_SPOOL_DIR": "/disk"}, "/disk"),
    ],
)
def test_where_the_spool_is(monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], folder: str) -> None:
    """In the state folder, unless it has one of its own."""
    assert str(settings_of(monkeypatch, **changes).spool_folder) == folder


def test_development_needs_only_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """The well-known secrets serve on a laptop."""
    monkeypatch.setenv("MILLRACE_MODE", "development")
    monkeypatch.setenv("MILLRACE_REDIS_URL", "redis://127.0.0.1:6379/0")
    assert load_settings().cookie_signing_keys()[0][0] == "dev"
