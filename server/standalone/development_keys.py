"""Secrets of one development stack: generated once, kept in its state folder, readable by its owner alone."""

import json
import secrets
from pathlib import Path

from server.standalone.private_files import write_private

FILE = "keys.json"


def load_or_make_keys(state: Path) -> dict[str, str]:
    """Variables by name for `MILLRACE_JWT_SECRETS` and its like; the same on every start."""
    file = state / FILE
    if file.exists():
        return dict(json.loads(file.read_text()))
    keys = {
        "MILLRACE_JWT_SECRETS": f"dev:{secrets.token_urlsafe(32)}",
        "MILLRACE_COOKIE_KEYS": f"dev:{secrets.token_urlsafe(32)}",
        "MILLRACE_VISITOR_SECRET": secrets.token_urlsafe(32),
    }
    write_private(file, json.dumps(keys, indent=1))
    return keys
