"""Update masks: which fields a call changes."""

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from millrace.affiliate.v1.link_pb2 import Link
from server.affiliate.servicer.masks import paths_to_change
from server.errors import InvalidArgument

MUTABLE = {
    "destination_url",
    "commission",
    "campaign",
    "forward_query",
    "click_id_parameter",
    "fallback_url",
    "expires_at",
}


def paths(link: Link, *mask: str) -> frozenset[str]:
    return paths_to_change(link, FieldMask(paths=mask), identity="link_id")


def test_mask_names_the_fields() -> None:
    """A field in the mask is changed whether or not it is set, so that it can be cleared."""
    assert paths(Link(link_id="x", campaign="a"), "fallback_url") == {"fallback_url"}


def test_without_a_mask_the_fields_that_are_set_are_changed() -> None:
    """What is unset stays as it is."""
    assert paths(Link(link_id="x", campaign="a")) == {"campaign"}


def test_star_means_every_field_that_can_be_changed() -> None:
    """The full replacement of AIP-134."""
    assert paths(Link(), "*") == MUTABLE


def test_output_only_fields_beside_others_are_passed_over() -> None:
    """A client may send back the whole link that it read."""
    link = Link(link_id="x", short_code="abc", status=Link.ACTIVE, campaign="a")
    assert paths(link) == {"campaign"}


def test_only_output_only_fields_are_refused() -> None:
    """Changing nothing of what was asked is no success."""
    with pytest.raises(InvalidArgument) as refused:
        paths(Link(link_id="x", status=Link.DISABLED))
    assert refused.value.fields[0].field == "status"


def test_a_part_of_a_field_names_the_whole_field() -> None:
    """REST makes a mask from a body's innermost keys; a commission is replaced as a whole all the same."""
    assert paths(Link(), "commission.type", "commission.rate") == {"commission"}


@pytest.mark.parametrize(
    "path", ["nonsense", "commission.nonsense", "commission.", "campaign.x", "destinationUrl", ""]
)
def test_unknown_paths_are_refused(path: str) -> None:
    """A misspelt path never goes unnoticed."""
    with pytest.raises(InvalidArgument) as refused:
        paths(Link(), path)
    assert refused.value.fields[0].field == "update_mask"
