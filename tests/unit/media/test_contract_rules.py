"""What the contract refuses in media requests, field by field."""

from typing import Any

import pytest
from google.protobuf.message import Message

from millrace.media.v1 import media_pb2
from millrace.media.v1 import media_service_pb2 as rpc
from server.rpc.validation import ContractRules

UPLOAD: dict[str, Any] = {
    "filename": "kettle.png",
    "content_type": "image/png",
    "content_length": 1,
    "entity_type": "product",
    "entity_id": "sku-1",
}
UUID = "0198c0de-0000-7000-8000-000000000000"
HOSTILE = {
    "a NUL": "a\0b",
    "a line break": "a\nb",
    "an escape": "a\x1bb",
    "a delete": "a\x7fb",
    "a C1 control": "a\x85b",
    "a right-to-left override": "kettle\u202egnp.exe",
    "a left-to-right override": "a\u202db",
    "an isolate": "a\u2066b",
    "a zero width space": "a\u200bb",
    "an Arabic letter mark": "a\u061cb",
    "a byte order mark": "\ufeffa",
    "a line separator": "a\u2028b",
    "one dot": ".",
    "two dots": "..",
}


@pytest.fixture(scope="module")
def rules() -> ContractRules:
    return ContractRules()


def broken(rules: ContractRules, message: Message) -> list[str]:
    return [violation.field for violation in rules.violations_of(message)]


def asking_for(*variants: dict[str, Any]) -> rpc.ProcessMediaRequest:
    return rpc.ProcessMediaRequest(
        media_id=UUID, variants=[media_pb2.VariantRecipe(**fields) for fields in variants]
    )


def recipe(**fields: Any) -> rpc.ProcessMediaRequest:
    return asking_for({"name": "thumb", **fields})


ACCEPTED = {
    "the smallest upload": rpc.CreateUploadUrlRequest(**UPLOAD),
    "25 MiB": rpc.CreateUploadUrlRequest(**{**UPLOAD, "content_length": 26_214_400}),
    "joiners, which scripts and emoji need": rpc.CreateUploadUrlRequest(
        **{**UPLOAD, "filename": "می‌خواهم 👩‍💻.jpg", "entity_id": "👩‍💻"}
    ),
    "a checksum": rpc.CreateUploadUrlRequest(**UPLOAD, sha256="aB" * 32),
    "the longest names": rpc.CreateUploadUrlRequest(
        **{**UPLOAD, "filename": "ß" * 255, "entity_id": "🫖" * 128, "entity_type": "a" * 32}
    ),
    "an emoji, spaces and dots": rpc.CreateUploadUrlRequest(**{**UPLOAD, "filename": " ☕ ... .png"}),
    "slashes in an id": rpc.CreateUploadUrlRequest(**{**UPLOAD, "entity_id": "../../etc/passwd"}),
    "an id": rpc.ProcessMediaRequest(media_id=UUID),
    "a key": rpc.ProcessMediaRequest(key="product/sku/x.png"),
    "twenty variants": asking_for(*({"name": f"v{number}"} for number in range(20))),
    "the largest recipe": recipe(
        width=4000, height=4000, quality=100, focal_point={"x": 1, "y": 1}, background="#aAbBcCdD"
    ),
    "the smallest recipe": recipe(width=1, height=1, quality=1, focal_point={}, background="#012345"),
    "all pictures": rpc.ListMediaRequest(),
    "pictures of a thing": rpc.ListMediaRequest(entity_type="product", entity_id="sku-1", page_size=9_999),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_requests_within_the_rules_are_accepted(rules: ContractRules, name: str) -> None:
    """The bounds themselves are within."""
    assert broken(rules, ACCEPTED[name]) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("filename", ""),
        ("filename", "x" * 256),
        ("filename", "a/b.png"),
        ("filename", "a\\b.png"),
        ("content_type", ""),
        ("content_type", "x" * 101),
        ("content_length", 0),
        ("content_length", -1),
        ("content_length", 26_214_401),
        ("entity_type", ""),
        ("entity_type", "Product"),
        ("entity_type", "_variants"),
        ("entity_type", "a/b"),
        ("entity_type", "product\n"),
        ("entity_type", "x" * 33),
        ("entity_id", ""),
        ("entity_id", "x" * 129),
        ("sha256", "ab" * 31),
        ("sha256", "g" * 64),
        ("sha256", "ab" * 33),
    ],
)
def test_wrong_declarations_are_refused_by_field(rules: ContractRules, field: str, value: Any) -> None:
    """Each field that is out of bounds is named, and no other."""
    assert set(broken(rules, rpc.CreateUploadUrlRequest(**{**UPLOAD, field: value}))) == {field}


@pytest.mark.parametrize("field", ["filename", "entity_id"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused(rules: ContractRules, field: str, name: str) -> None:
    """Control, direction and invisible characters, and names of folders, are refused in both names."""
    assert broken(rules, rpc.CreateUploadUrlRequest(**{**UPLOAD, field: HOSTILE[name]})) == [field]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"name": ""}, "name"),
        ({"name": "Thumb"}, "name"),
        ({"name": "1st"}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "x" * 33}, "name"),
        ({"width": 0}, "width"),
        ({"width": 4001}, "width"),
        ({"height": -1}, "height"),
        ({"height": 4001}, "height"),
        ({"fit": "crop"}, "fit"),
        ({"format": "gif"}, "format"),
        ({"format": "WEBP"}, "format"),
        ({"quality": 0}, "quality"),
        ({"quality": 101}, "quality"),
        ({"focal_point": {"x": -0.1}}, "focal_point.x"),
        ({"focal_point": {"y": 1.1}}, "focal_point.y"),
        ({"focal_point": {"x": float("nan")}}, "focal_point.x"),
        ({"background": "white"}, "background"),
        ({"background": "#fff"}, "background"),
        ({"background": "#12345g"}, "background"),
        ({"background": "#1234567"}, "background"),
    ],
)
def test_wrong_recipes_are_refused_by_field(rules: ContractRules, fields: dict[str, Any], path: str) -> None:
    """Each field of a recipe that is out of bounds is named with its place in the list."""
    assert broken(rules, recipe(**fields)) == [f"variants[0].{path}"]


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (rpc.ProcessMediaRequest(media_id="x"), ["media_id"]),
        (rpc.ProcessMediaRequest(key="x" * 513), ["key"]),
        (rpc.ProcessMediaRequest(key="\0"), ["key"]),
        (asking_for({"name": "a"}, {"name": "a"}), ["variants"]),
        (asking_for(*({"name": f"v{number}"} for number in range(21))), ["variants"]),
        (rpc.GetMediaRequest(), ["media_id"]),
        (rpc.GetMediaRequest(media_id="../x"), ["media_id"]),
        (rpc.DeleteMediaRequest(media_id=""), ["media_id"]),
        (rpc.ListMediaRequest(entity_type="\0"), ["entity_type"]),
        (rpc.ListMediaRequest(entity_type="a", entity_id="\0"), ["entity_id"]),
        (rpc.ListMediaRequest(page_size=-1), ["page_size"]),
    ],
    ids=str,
)
def test_wrong_requests_are_refused(rules: ContractRules, request_: Message, fields: list[str]) -> None:
    """What is to be given or left out, and together with what, is judged before anything is looked up."""
    assert broken(rules, request_) == fields
