"""Why the tool does not start."""


class StartRefused(Exception):  # noqa: N818 - it is a decision, not an accident
    """Something that the tool was given cannot be used; the message is one line, for whoever gave it."""


def cannot_listen(host: str, port: int, error: OSError) -> StartRefused:
    """For an address that is taken, is not ours, or is reserved."""
    return StartRefused(f"cannot listen on {host}:{port}: {error.strerror or error}")
