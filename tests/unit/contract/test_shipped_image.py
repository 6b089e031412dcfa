"""The compiled contract that the clients ship, for whoever reads the protos while running."""

from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from edge.openapi.contract import shipped_image
from tools import contract


def test_the_shipped_contract_is_current() -> None:
    """It is what the protos compile to today."""
    assert contract.stale_shipped_image(contract.build_image(), contract.SHIPPED) == []


def test_a_stale_contract_is_noticed(tmp_path: Path) -> None:
    """Another content, or none at all, fails the check."""
    image = contract.build_image()
    old = tmp_path / "contract.binpb"
    assert contract.stale_shipped_image(image, old)
    old.write_bytes(contract.shipped_image(image)[:-1])
    assert contract.stale_shipped_image(image, old)


def test_the_shipped_contract_has_comments_and_imports() -> None:
    """Nothing else is needed to read the rules: the files of others are in it, and our words."""
    image = shipped_image()
    names = {file.name for file in image.file}
    imported = {name for file in image.file for name in file.dependency}
    comments = [
        place.leading_comments
        for file in image.file
        if file.name == "millrace/catalog/v1/product.proto"
        for place in file.source_code_info.location
    ]
    assert imported <= names
    assert "buf/validate/validate.proto" in names
    assert any("A product of the shop" in comment for comment in comments)


def test_only_commented_places_are_shipped() -> None:
    """The source info is kept as small as its comments."""
    places = [place for file in shipped_image().file for place in file.source_code_info.location]
    assert places
    assert all(place.leading_comments or place.trailing_comments for place in places)
    assert len(FileDescriptorSet(file=shipped_image().file).SerializeToString()) < 200_000
