"""Long-lived development tokens, minted once and kept, so that later starts need no cryptography library."""

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

from server.standalone.private_files import write_private
from server.standalone.settings import SettingsError

FILE = "tokens.json"
GOOD_FOR_DAYS = 365
RENEWED_BEFORE_DAYS = 180
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Signing:
    """What makes tokens valid: the signing keys as configured, the issuer, the audience."""

    secrets: str
    issuer: str
    audience: str

    def fingerprint(self) -> str:
        """Changes when tokens made before are no longer good."""
        return hashlib.sha256("\0".join((self.secrets, self.issuer, self.audience)).encode()).hexdigest()


class DevelopmentTokens:
    """Tokens by subject and role, kept in the state folder."""

    def __init__(self, state: Path, signing: Signing) -> None:
        self._file = state / FILE
        self._signing = signing
        self._tokens = self._still_good()

    def token(self, subject: str, role: str, partner_id: str | None = None) -> str:
        """A token with at least `RENEWED_BEFORE_DAYS` to go; a partner's needs the partner's id."""
        name = f"{role}/{subject}/{partner_id or ''}"
        if name not in self._tokens:
            self._tokens[name] = _mint(self._signing, subject, role, partner_id)
            self._save()
        return self._tokens[name]

    def _still_good(self) -> dict[str, str]:
        if not self._file.exists():
            return {}
        kept = json.loads(self._file.read_text())
        if kept["made_with"] != self._signing.fingerprint() or kept["renew_at"] < time.time():
            return {}
        return dict(kept["tokens"])

    def _save(self) -> None:
        renew_at = time.time() + (GOOD_FOR_DAYS - RENEWED_BEFORE_DAYS) * DAY_SECONDS
        if self._file.exists() and len(self._tokens) > 1:
            renew_at = json.loads(self._file.read_text())["renew_at"]
        kept = {"made_with": self._signing.fingerprint(), "renew_at": renew_at, "tokens": self._tokens}
        write_private(self._file, json.dumps(kept, indent=1))


def _mint(signing: Signing, subject: str, role: str, partner_id: str | None) -> str:
    # Only first starts come here; the import costs more than everything else in this module.
    from datetime import timedelta  # noqa: PLC0415

    from pydantic import SecretStr  # noqa: PLC0415

    from server.auth.keys import parse_signing_keys  # noqa: PLC0415
    from server.auth.principal import Role  # noqa: PLC0415
    from server.auth.tokens import TokenMinter  # noqa: PLC0415

    try:
        keys = parse_signing_keys(SecretStr(signing.secrets))
    except ValueError as error:
        raise SettingsError(f"MILLRACE_JWT_SECRETS: {error}") from error
    minter = TokenMinter(keys, issuer=signing.issuer, audience=signing.audience)
    return minter.mint(subject, Role(role), ttl=timedelta(days=GOOD_FOR_DAYS), partner_id=partner_id).token
