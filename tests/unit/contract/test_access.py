"""The contract says of every method who may call it, or it is not built."""

import shutil
from pathlib import Path

from tools import contract

LAWLESS = """
  rpc ForgetAccess(GetProductRequest) returns (Product);
"""


def test_every_method_of_the_contract_names_its_callers() -> None:
    """The committed protos pass."""
    assert contract.methods_without_access(contract.build_image()) == []


def test_a_method_without_access_fails_the_build(tmp_path: Path) -> None:
    """The offending method is named in full."""
    protos = tmp_path / "protos"
    shutil.copytree(contract.PROTOS, protos)
    service = protos / "millrace/catalog/v1/catalog_service.proto"
    service.write_text(
        service.read_text().replace("service CatalogService {", "service CatalogService {" + LAWLESS)
    )

    problems = contract.methods_without_access(contract.build_image(protos))

    assert problems == [
        "millrace.catalog.v1.CatalogService.ForgetAccess has no (millrace.auth.v1.access) option"
    ]


def test_the_committed_stubs_are_current(tmp_path: Path) -> None:
    """Generating again gives the files that are committed, and nothing else."""
    assert contract.stale_stubs(contract.generate_stubs(contract.build_image(), tmp_path / "stubs")) == []
