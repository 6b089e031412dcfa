"""The media service as a running server answers it: who may call, and how long a call may wait."""

import grpc
import pytest

from millrace.media.v1 import media_service_pb2 as rpc
from millrace.media.v1.media_pb2 import Media
from millrace.media.v1.media_service_pb2_grpc import MediaServiceStub
from server.auth.principal import Role
from server.media.settings import MediaSettings
from server.settings import Settings
from tests.contract.conftest import Mint
from tests.contract.media.pictures import picture, put

Metadata = tuple[tuple[str, str], ...]

PARTNER_ID = "0198c0de-0000-7000-8000-000000000001"
BODY = picture("image/webp")
UPLOAD = rpc.CreateUploadUrlRequest(
    filename="kettle.webp",
    content_type="image/webp",
    content_length=len(BODY),
    entity_type="product",
    entity_id="sku-1",
)


@pytest.fixture
def settings(settings: Settings, media_settings: MediaSettings) -> Settings:
    """A server whose store is the test's own bucket."""
    return settings.model_copy(update=media_settings.model_dump())


async def test_a_picture_goes_from_url_to_deletion(channel: grpc.aio.Channel, as_admin: Metadata) -> None:
    """Every method answers; a call that waits answers PROCESSING before its deadline passes."""
    media = MediaServiceStub(channel)
    given = await media.CreateUploadUrl(UPLOAD, metadata=as_admin)
    assert await put(given.upload_url, BODY, given.headers) == 200
    asked = rpc.ProcessMediaRequest(media_id=given.media_id, wait=True)
    answer = await media.ProcessMedia(asked, metadata=as_admin, timeout=1.5)
    assert answer.status == Media.PROCESSING
    found = await media.GetMedia(rpc.GetMediaRequest(media_id=given.media_id), metadata=as_admin)
    assert found == answer
    listed = await media.ListMedia(rpc.ListMediaRequest(entity_type="product"), metadata=as_admin)
    assert [*listed.media] == [answer]
    await media.DeleteMedia(rpc.DeleteMediaRequest(media_id=given.media_id), metadata=as_admin)
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await media.GetMedia(rpc.GetMediaRequest(media_id=given.media_id), metadata=as_admin)
    assert refusal.value.code() is grpc.StatusCode.NOT_FOUND


async def test_admins_and_services_alone_upload(channel: grpc.aio.Channel, mint: Mint) -> None:
    """Partners and strangers are refused."""
    media = MediaServiceStub(channel)
    service = (("authorization", f"Bearer {mint(Role.SERVICE)}"),)
    assert (await media.CreateUploadUrl(UPLOAD, metadata=service)).upload_url
    partner = (("authorization", f"Bearer {mint(Role.PARTNER, PARTNER_ID)}"),)
    for metadata, code in (
        (partner, grpc.StatusCode.PERMISSION_DENIED),
        ((), grpc.StatusCode.UNAUTHENTICATED),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await media.CreateUploadUrl(UPLOAD, metadata=metadata)
        assert refusal.value.code() is code
