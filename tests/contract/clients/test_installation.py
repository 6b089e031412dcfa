"""The clients need nothing but grpcio, protobuf and googleapis-common-protos."""

import json
import subprocess
import sys
from pathlib import Path

CLIENTS = Path(__file__).resolve().parents[3] / "clients"

# Lists what the import of everything public pulled in from outside the standard library.
LIST_IMPORTS = f"""
import json, sys
sys.path.insert(0, {str(CLIENTS)!r})
import millrace
millrace.connect, millrace.MillraceError
import millrace.affiliate.v1.affiliate_service_pb2_grpc, millrace.catalog.v1.catalog_service_pb2_grpc
tops = {{name.partition(".")[0] for name in sys.modules}}
public = (top for top in tops if not top.startswith("_"))
print(json.dumps(sorted(top for top in public if top not in sys.stdlib_module_names)))
"""


def test_the_clients_import_only_what_they_declare() -> None:
    """Neither buf nor the extra `streams` is needed to call a server."""
    listing = subprocess.run(
        [sys.executable, "-c", LIST_IMPORTS], capture_output=True, text=True, check=True, cwd=CLIENTS
    )

    imported = set(json.loads(listing.stdout))

    # typing_extensions is grpcio's own requirement, cython_runtime its compiled core's, and grpcio imports
    # its siblings when they happen to be installed.
    siblings = {"grpc_tools", "grpc_health", "grpc_reflection", "cython_runtime", "typing_extensions"}
    assert imported - siblings == {"google", "grpc", "millrace"}
