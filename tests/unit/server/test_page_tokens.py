"""Page tokens: opaque, bound to caller and filter, and never a way in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.affiliate.v1.affiliate_service_pb2 import ListPartnersRequest
from millrace.catalog.v1.catalog_service_pb2 import ListProductsRequest
from server.errors import InvalidArgument
from server.rpc.pages import PageTokens

SUBJECT = PageTokens([b"first secret", b"second secret"])


@given(st.text(), st.text(), st.lists(st.one_of(st.text(), st.integers()), min_size=1).map(tuple))
def test_a_sealed_position_comes_back(brand: str, caller: str, position: tuple[str | int, ...]) -> None:
    """What was sealed for a caller and a filter is what the next request of both reads."""
    asked = ListProductsRequest(brand=brand.encode(errors="replace").decode(), page_size=3)
    token = SUBJECT.seal(asked, caller=caller.encode(errors="replace").decode(), after=position)
    asked.page_token = token
    asked.page_size = 7
    page = SUBJECT.open(asked, caller=caller.encode(errors="replace").decode())
    assert page.after == position
    assert page.size == 7


@pytest.mark.parametrize(("asked", "size"), [(0, 50), (1, 1), (500, 500), (501, 500), (2**31 - 1, 500)])
def test_sizes(asked: int, size: int) -> None:
    """0 means the default, and too much is taken as the maximum."""
    assert SUBJECT.open(ListProductsRequest(page_size=asked), caller="a").size == size


def test_a_negative_size_is_refused() -> None:
    """A negative page size names its field."""
    with pytest.raises(InvalidArgument) as refused:
        SUBJECT.open(ListProductsRequest(page_size=-1), caller="a")
    assert [violation.field for violation in refused.value.fields] == ["page_size"]


@pytest.mark.parametrize("token", ["x", "AAAA", "not base64!", "é", "=" * 9, "A" * 1000])
def test_a_token_that_is_not_ours_is_refused(token: str) -> None:
    """Garbage is the caller's mistake, not ours."""
    with pytest.raises(InvalidArgument) as refused:
        SUBJECT.open(ListProductsRequest(page_token=token), caller="a")
    assert refused.value.reason == "PAGE_TOKEN_INVALID"


def test_every_changed_byte_is_noticed() -> None:
    """A token in which one character was changed is refused."""
    token = SUBJECT.seal(ListProductsRequest(), caller="a", after=("p1",))
    for place in range(len(token) - 1):  # the last one may carry unused bits
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(InvalidArgument):
            SUBJECT.open(ListProductsRequest(page_token=changed), caller="a")


def test_a_token_serves_nobody_else() -> None:
    """Another caller, another filter and another method refuse the token."""
    token = SUBJECT.seal(ListProductsRequest(brand="HP"), caller="a", after=("p1",))
    for request, caller in [
        (ListProductsRequest(brand="HP", page_token=token), "b"),
        (ListProductsRequest(brand="Xerox", page_token=token), "a"),
        (ListPartnersRequest(page_token=token), "a"),
    ]:
        with pytest.raises(InvalidArgument):
            SUBJECT.open(request, caller=caller)


def test_a_token_of_an_older_secret_still_works() -> None:
    """Rotation: the new secret signs, the old one still verifies, a dropped one does not."""
    request = ListProductsRequest()
    request.page_token = PageTokens([b"second secret"]).seal(request, caller="a", after=("p1",))
    assert SUBJECT.open(request, caller="a").after == ("p1",)
    with pytest.raises(InvalidArgument):
        PageTokens([b"first secret"]).open(request, caller="a")
