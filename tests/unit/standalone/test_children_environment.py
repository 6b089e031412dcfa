"""What the processes of ours are told by the supervisor."""

from pathlib import Path

import pytest

from server.standalone.backing.object_store import PictureStore
from server.standalone.backing.services import BackingServices
from server.standalone.lifetime import open_door
from server.standalone.own_processes import SHOP, edge_url, own_environment, reachable_host
from server.standalone.settings import SettingsError, load_settings

BACKING = BackingServices(
    children=(),
    own_postgres=None,
    postgres_dsn="postgresql://db/millrace",
    redis_url="redis://streams",
    pictures=PictureStore(
        endpoint="http://s3",
        access_key="key",
        secret_key="secret",
        bucket="media",
        upload_endpoint="http://uploads",
        public_url="http://pictures",
        door=None,
    ),
    smtp="127.0.0.1:25",
    mailbox_url="",
)


def test_the_file_reaches_the_children_without_its_empty_lines(tmp_path: Path) -> None:
    """Children do not read the file again: an empty number in it would end them."""
    file = tmp_path / "env"
    file.write_text("MILLRACE_EDGE_PORT=\nMILLRACE_LOG_LEVEL=debug\n")
    settings = load_settings({"MILLRACE_ENV_FILE": str(file)})
    given = own_environment(settings, BACKING, {}, grpc_ports=[1], edge_port=2)
    assert given["MILLRACE_LOG_LEVEL"] == "debug"
    assert not {"MILLRACE_ENV_FILE", "MILLRACE_EDGE_PORT"} & given.keys()


@pytest.mark.parametrize(
    ("ports", "target"), [([1], "127.0.0.1:1"), ([1, 2], "ipv4:127.0.0.1:1,127.0.0.1:2")]
)
def test_the_target_names_every_server(ports: list[int], target: str) -> None:
    """A channel to it spreads its calls over all of them; one server is a plain address for any tool."""
    given = own_environment(load_settings({}), BACKING, {}, grpc_ports=ports, edge_port=9)
    assert given["MILLRACE_GRPC_TARGET"] == target


@pytest.mark.parametrize(
    ("host", "reached", "url"),
    [
        ("0.0.0.0", "127.0.0.1", "http://127.0.0.1:80"),  # noqa: S104
        ("::", "::1", "http://[::1]:80"),
        ("127.0.0.2", "127.0.0.2", "http://127.0.0.2:80"),
    ],
)
def test_the_edge_is_reached_where_it_listens(host: str, reached: str, url: str) -> None:
    """On loopback when it listens everywhere, else at its own address."""
    settings = load_settings({"MILLRACE_EDGE_HOST": host})
    assert (reachable_host(settings), edge_url(settings, 80)) == (reached, url)


def test_a_host_that_is_none_of_this_machine_names_its_variable(unused_port: int) -> None:
    """An address of the documentation range is nobody's."""
    with pytest.raises(SettingsError, match="MILLRACE_EDGE_HOST"):
        open_door("192.0.2.1", unused_port)


def test_the_demo_shop_is_known_as_our_own() -> None:
    """Who walks around in it was not referred by it; the hosts of another shop are heeded instead."""
    given = own_environment(load_settings({}), BACKING, {}, grpc_ports=[1], edge_port=2)
    assert SHOP in given["MILLRACE_OWN_HOSTS"].split(",")
    other = load_settings({"MILLRACE_OWN_HOSTS": "mine.example"})
    given = own_environment(other, BACKING, {}, grpc_ports=[1], edge_port=2)
    assert given["MILLRACE_OWN_HOSTS"] == "mine.example"


def test_everybody_knows_the_bucket() -> None:
    """And where browsers reach it; other keys that happen to be set are not those of our store."""
    settings = load_settings({"MILLRACE_S3_ACCESS_KEY": "another", "MILLRACE_S3_REGION": "eu-central-1"})
    given = own_environment(settings, BACKING, {}, grpc_ports=[1], edge_port=2)
    assert {name: value for name, value in given.items() if "_S3_" in name or "_MEDIA_" in name} == {
        "MILLRACE_S3_ENDPOINT": "http://s3",
        "MILLRACE_S3_UPLOAD_ENDPOINT": "http://uploads",
        "MILLRACE_S3_BUCKET": "media",
        "MILLRACE_S3_ACCESS_KEY": "key",
        "MILLRACE_S3_SECRET_KEY": "secret",
        "MILLRACE_S3_REGION": "eu-central-1",
        "MILLRACE_MEDIA_PUBLIC_URL": "http://pictures",
    }
