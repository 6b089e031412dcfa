"""Why a call could not be spooled."""


class SpoolError(Exception):
    """The call is not known to be on disk, and the spool does not try again."""


class SpoolFull(SpoolError):  # noqa: N818 - named for what is so
    """The spool has as many bytes as it may have."""


class SpoolUnavailable(SpoolError, OSError):  # noqa: N818 - named for what is so
    """The disk does not take it: full, broken, read-only, or too slow."""
