"""Where a stack's pictures are: the store that is started here or was given, and the doors in front of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from server.standalone.backing import s3
from server.standalone.children import ChildSpec
from server.standalone.ports import RememberedPorts
from server.standalone.settings import Settings, SettingsError


@dataclass(frozen=True, kw_only=True)
class DoorPorts:
    """Where the bucket's door listens on loopback."""

    upload: int
    public: int


@dataclass(frozen=True, kw_only=True)
class PictureStore:
    """How everybody reaches the bucket: we, browsers that upload, and whoever looks at pictures.

    `door` is None where the store that was given does for itself what the door does.
    """

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str
    upload_endpoint: str
    public_url: str
    door: DoorPorts | None

    def environment(self) -> Mapping[str, str]:
        """What our processes are told of it."""
        ports = (
            {
                "MILLRACE_S3_DOOR_PORT": str(self.door.upload),
                "MILLRACE_MEDIA_PORT": str(self.door.public),
            }
            if self.door
            else {}
        )
        return {
            "MILLRACE_S3_ENDPOINT": self.endpoint,
            "MILLRACE_S3_UPLOAD_ENDPOINT": self.upload_endpoint,
            "MILLRACE_S3_BUCKET": self.bucket,
            "MILLRACE_S3_ACCESS_KEY": self.access_key,
            "MILLRACE_S3_SECRET_KEY": self.secret_key,
            "MILLRACE_MEDIA_PUBLIC_URL": self.public_url,
            **ports,
        }


def prepare(
    settings: Settings, ports: RememberedPorts, logs: Path, children: list[ChildSpec]
) -> PictureStore:
    """Adds the server to `children` unless one was given; raises SettingsError when that is half given."""
    endpoint, access_key, secret_key, bucket = _store(settings, ports, logs, children)
    public_url = settings.given("MEDIA_PUBLIC_URL")
    upload_endpoint = settings.given("S3_UPLOAD_ENDPOINT")
    door = None
    if settings.s3_endpoint is None or not public_url:
        door = DoorPorts(upload=ports.port("s3_door"), public=ports.port("media"))
    return PictureStore(
        endpoint=endpoint,
        access_key=access_key,
        secret_key=secret_key,
        bucket=bucket,
        upload_endpoint=upload_endpoint or (f"http://127.0.0.1:{door.upload}" if door else endpoint),
        public_url=public_url or (f"http://127.0.0.1:{door.public}" if door else ""),
        door=door,
    )


def _store(
    settings: Settings, ports: RememberedPorts, logs: Path, children: list[ChildSpec]
) -> tuple[str, str, str, str]:
    """Endpoint, access key, secret key and bucket."""
    if settings.s3_endpoint is None:
        store = s3.prepare(settings.state, port=ports.port("s3"))
        children.append(store.child(logs / "s3.log"))
        return store.endpoint, store.access_key, store.secret_key, store.bucket
    keys = [settings.given(name) for name in ("S3_ACCESS_KEY", "S3_SECRET_KEY", "S3_BUCKET")]
    if not all(keys):
        raise SettingsError(
            "MILLRACE_S3_ENDPOINT needs MILLRACE_S3_ACCESS_KEY, MILLRACE_S3_SECRET_KEY and MILLRACE_S3_BUCKET"
        )
    return settings.s3_endpoint, keys[0], keys[1], keys[2]
