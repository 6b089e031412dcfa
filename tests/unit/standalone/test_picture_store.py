"""Which store a stack's pictures are in, and whether a door stands in front of it."""

from pathlib import Path

import pytest

from server.standalone.backing.object_store import PictureStore, prepare
from server.standalone.children import ChildSpec
from server.standalone.ports import RememberedPorts
from server.standalone.settings import SettingsError, load_settings

GIVEN = {
    "MILLRACE_S3_ENDPOINT": "https://s3.shop.example",
    "MILLRACE_S3_ACCESS_KEY": "key",
    "MILLRACE_S3_SECRET_KEY": "secret",
    "MILLRACE_S3_BUCKET": "pictures",
}
CDN = {"MILLRACE_MEDIA_PUBLIC_URL": "https://cdn.shop.example"}


def prepared(folder: Path, variables: dict[str, str]) -> tuple[PictureStore, list[str]]:
    """The store, and the names of what has to run for it."""
    children: list[ChildSpec] = []
    settings = load_settings({**variables, "MILLRACE_STATE_DIR": str(folder)})
    store = prepare(settings, RememberedPorts(folder / "ports.json", settings.ports), folder, children)
    return store, [child.name for child in children]


def test_without_settings_all_of_it_is_here(tmp_path: Path) -> None:
    """A server of our own, and browsers sent to the door."""
    store, children = prepared(tmp_path, {})
    assert children == ["s3"]
    assert store.door is not None
    assert store.upload_endpoint == f"http://127.0.0.1:{store.door.upload}"
    assert store.public_url == f"http://127.0.0.1:{store.door.public}"
    assert len({store.endpoint, store.upload_endpoint, store.public_url}) == 3


def test_the_doors_ports_can_be_fixed(tmp_path: Path, unused_port: int) -> None:
    """As every other port."""
    store, _ = prepared(tmp_path, {"MILLRACE_MEDIA_PORT": str(unused_port)})
    assert store.public_url == f"http://127.0.0.1:{unused_port}"


def test_a_given_store_has_a_door_too(tmp_path: Path) -> None:
    """Nothing else says where everybody could read its pictures."""
    store, children = prepared(tmp_path, GIVEN)
    assert children == []
    assert (store.endpoint, store.access_key, store.secret_key, store.bucket) == tuple(GIVEN.values())
    assert store.door is not None


@pytest.mark.parametrize("upload", [None, "https://uploads.shop.example"])
def test_a_given_store_that_is_read_elsewhere_has_none(tmp_path: Path, upload: str | None) -> None:
    """Browsers upload to the store itself unless another address is given."""
    variables = {**GIVEN, **CDN, **({"MILLRACE_S3_UPLOAD_ENDPOINT": upload} if upload else {})}
    store, _ = prepared(tmp_path, variables)
    assert store.door is None
    assert store.public_url == CDN["MILLRACE_MEDIA_PUBLIC_URL"]
    assert store.upload_endpoint == (upload or GIVEN["MILLRACE_S3_ENDPOINT"])
    assert "MILLRACE_MEDIA_PORT" not in store.environment()


def test_our_own_store_behind_a_cdn_keeps_its_door(tmp_path: Path) -> None:
    """It alone answers the preflight of an upload, and the CDN reads from it."""
    store, _ = prepared(tmp_path, CDN)
    assert store.door is not None
    assert store.public_url == CDN["MILLRACE_MEDIA_PUBLIC_URL"]


def test_half_a_store_is_refused(tmp_path: Path) -> None:
    """By the names of all that belongs to it."""
    with pytest.raises(SettingsError, match="MILLRACE_S3_SECRET_KEY"):
        prepared(tmp_path, {**GIVEN, "MILLRACE_S3_SECRET_KEY": ""})
