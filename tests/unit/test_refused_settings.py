"""A process that cannot use its settings says which variable is wrong, and shows no value."""

import os
import subprocess
import sys

import pytest

SECRET = "not-to-be-seen-anywhere"


@pytest.mark.parametrize(
    ("module", "variables", "named"),
    [
        ("edge", {"MILLRACE_REDIS_URL": "redis://h", "MILLRACE_COOKIE_KEYS": SECRET}, "MILLRACE_COOKIE_KEYS"),
        ("edge", {"MILLRACE_VISITOR_SECRET": SECRET}, "MILLRACE_REDIS_URL"),
        ("edge", {"MILLRACE_REDIS_URL": "redis://h", "MILLRACE_EDGE_PORT": SECRET}, "MILLRACE_EDGE_PORT"),
        ("workers.drain", {"MILLRACE_POSTGRES_DSN": f"postgresql://u:{SECRET}@h/d"}, "MILLRACE_REDIS_URL"),
        ("workers", {"MILLRACE_POSTGRES_DSN": f"postgresql://u:{SECRET}@h/d"}, "MILLRACE_REDIS_URL"),
        ("workers", {"MILLRACE_WORKER_QUEUES": "critical, slow"}, "MILLRACE_WORKER_QUEUES"),
        ("workers.scheduler", {"MILLRACE_REDIS_URL": f"redis://:{SECRET}@h"}, "MILLRACE_POSTGRES_DSN"),
        ("workers.backfill", {"MILLRACE_POSTGRES_DSN": ""}, "MILLRACE_POSTGRES_DSN"),
        ("server", {"MILLRACE_POSTGRES_DSN": f"postgresql://u:{SECRET}@h/d"}, "MILLRACE_REDIS_URL"),
        (
            "server",
            {"MILLRACE_JWT_SECRETS": SECRET, "MILLRACE_REDIS_URL": "redis://h"},
            "MILLRACE_POSTGRES_DSN",
        ),
    ],
)
def test_a_refused_start_names_the_variable_only(module: str, variables: dict[str, str], named: str) -> None:
    """One line for each wrong variable, no traceback, no value."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}

    ended = subprocess.run(
        [sys.executable, "-m", module],
        env={**clean, **variables},
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )

    said = ended.stdout + ended.stderr
    assert ended.returncode != 0
    assert named in said
    assert SECRET not in said
    assert "Traceback" not in said
