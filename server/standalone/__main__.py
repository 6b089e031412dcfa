"""`python -m server.standalone`: the whole system on this machine until Ctrl-C."""

import asyncio
import os
import sys

from server.standalone.accounts import NoAccountError
from server.standalone.backing.postgres import InitdbError
from server.standalone.children import ChildError
from server.standalone.lifetime import make_state_folder, run_stack
from server.standalone.places import UnsafePlaceError
from server.standalone.ports import NoFreePortError
from server.standalone.programs import ProgramMissingError
from server.standalone.schema import DatabaseUnreachableError
from server.standalone.settings import SettingsError, load_settings
from server.standalone.state_lock import StackRunningError, supervisor_lock

PLAIN_ERRORS = (
    ChildError,
    DatabaseUnreachableError,
    InitdbError,
    NoAccountError,
    NoFreePortError,
    ProgramMissingError,
    SettingsError,
    StackRunningError,
    UnsafePlaceError,
)

if __name__ == "__main__":
    os.umask(0o077)  # what a stack writes is its owner's alone
    try:
        settings = load_settings()
        make_state_folder(settings.state)
        with supervisor_lock(settings.state):
            asyncio.run(run_stack(settings))
    except PLAIN_ERRORS as error:
        sys.exit(f"millrace: {error}")
    except KeyboardInterrupt:  # before there was anything to stop
        sys.exit(130)
