"""What the supervisor makes of its environment."""

from pathlib import Path

import pytest

from server.standalone.settings import SettingsError, load_settings


def test_variables_win_over_the_file(tmp_path: Path) -> None:
    """A variable of the process wins over the file's, and the rest of the file reaches the children."""
    file = tmp_path / "env"
    file.write_text("MILLRACE_EDGE_PORT=1000\nMILLRACE_LOG_LEVEL=debug\n")
    settings = load_settings({"MILLRACE_ENV_FILE": str(file), "MILLRACE_EDGE_PORT": "2000"})
    assert settings.ports == {"edge": 2000}
    assert settings.environment["MILLRACE_LOG_LEVEL"] == "debug"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MILLRACE_EDGE_PORT", "0"),
        ("MILLRACE_EDGE_PORT", "65536"),
        ("MILLRACE_GRPC_PORT", "http"),
        ("MILLRACE_EDGE_PROCESSES", "-1"),
        ("MILLRACE_EDGE_PROCESSES", "1.5"),
        ("MILLRACE_SERVER_PROCESSES", "65"),
        ("MILLRACE_WORKER_PROCESSES", "0"),
        ("MILLRACE_SCHEDULER_PROCESSES", "two"),
        ("MILLRACE_ENV_FILE", "/no/such/file"),
    ],
)
def test_a_wrong_value_names_its_variable(name: str, value: str) -> None:
    """A value that cannot be used is refused by the name of its variable."""
    with pytest.raises(SettingsError, match=name):
        load_settings({name: value})


def test_an_empty_variable_is_an_unset_one() -> None:
    """Empty means not set, as in files with every line filled in later."""
    settings = load_settings(
        {"MILLRACE_POSTGRES_DSN": "", "MILLRACE_EDGE_PORT": "", "MILLRACE_STATE_DIR": ""}
    )
    assert settings.postgres_dsn is None
    assert settings.ports == {}
    assert settings.state.name == ".millrace"
