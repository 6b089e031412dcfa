"""What the TypeScript client learns from the OpenAPI document, and how stale files are found."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tools import typescript

DOCUMENT: dict[str, Any] = {
    "paths": {
        "/a": {
            "summary": "not an operation",
            "get": {"x-idempotent": True, "x-pagination": {"items": "things"}},
            "post": {"x-idempotent": False},
        },
        "/a/{id}": {"get": {"x-idempotent": True}, "patch": {"x-idempotent": True}, "delete": {}},
    }
}


def constant(name: str) -> Any:
    """A constant of the generated module."""
    module = typescript.operations_module(DOCUMENT)
    found = re.search(rf"{name}\b.*? = (?:new Set\()?(.+?)(?:\)| as const);", module, re.DOTALL)
    assert found, module
    return json.loads(found[1])


def test_what_the_document_calls_idempotent_may_be_repeated() -> None:
    """GET needs no mention; whatever else is not marked is sent once."""
    assert constant("REPEATABLE") == ["PATCH /a/{id}"]


def test_lists_are_what_the_document_says_is_paginated() -> None:
    """With the field that holds the entries."""
    assert constant("LISTS") == {"/a": "things"}


@pytest.mark.parametrize("committed", ["old", None])
def test_a_stale_or_missing_file_is_named(
    committed: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a current one is not."""
    monkeypatch.setattr(typescript, "GENERATED", tmp_path / "committed")
    for folder in ("committed", "fresh"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.ts").write_text("same")
    if committed is not None:
        (tmp_path / "committed" / "schema.ts").write_text(committed)
    fresh = tmp_path / "fresh" / "schema.ts"
    fresh.write_text("new")

    assert typescript.stale_files([fresh, fresh.with_name("same.ts")]) == [
        "schema.ts is not current: run `make generate`"
    ]


def test_the_lock_names_no_place() -> None:
    """Hashes pin the packages; where they come from is the installing machine's business."""
    lock = (typescript.CLIENT / "package-lock.json").read_text()

    assert typescript.addresses_in_lock() == []
    assert all("integrity" in pin for name, pin in json.loads(lock)["packages"].items() if name)
