"""The product URL template: what it may look like, and that no product can break out of its place."""

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.affiliate.destinations import DestinationRules, RefusedDestination, check_destination
from server.affiliate.product_urls import check_template, fill_template

RULES = DestinationRules.of(["shop.example", "go.example"], "https://go.example")


@pytest.mark.parametrize(
    "template",
    [
        "https://shop.example/p/{slug}",
        "https://shop.example/p?id={product_id}",
        "https://shop.example/{product_id}/{slug}#top",
    ],
)
def test_good_template_is_kept(template: str) -> None:
    """Placeholders may stand in path, query and fragment."""
    assert check_template(template, RULES) == template


@pytest.mark.parametrize(
    "template",
    [
        "",
        "https://shop.example/p",
        "https://shop.example/{name}",
        "https://shop.example/{slug}/{}",
        "https://shop.example/{slug.__class__}",
        "https://shop.example/{slug!r}",
        "https://{slug}.shop.example/",
        "https://shop.example{slug}/",
        "https://shop.example:{product_id}/",
        "https://evil.example/{slug}",
        "https://user@shop.example/{slug}",
        "//shop.example/{slug}",
        "{slug}",
        "javascript:alert({slug})",
        "https://go.example/l/{slug}",
    ],
)
def test_bad_template_is_refused(template: str) -> None:
    """No placeholder decides the host, and none reaches into Python."""
    with pytest.raises(RefusedDestination):
        check_template(template, RULES)


@given(st.text(min_size=1, max_size=40, alphabet=st.characters(exclude_categories=["Cs"])))
def test_product_stays_in_its_segment(slug: str) -> None:
    """Whatever a product is called, it is one path segment, and comes back as it was."""
    try:
        url = fill_template("https://shop.example/p/{slug}", product_id="1", slug=slug)
        spelt = check_destination(url, RULES)
    except RefusedDestination:
        return
    path = urlsplit(spelt).path
    assert path.startswith("/p/")
    assert path.count("/") == 2
    assert unquote(path[3:]) == slug


@pytest.mark.parametrize("slug", [".", ".."])
def test_folder_names_are_refused(slug: str) -> None:
    """Browsers fold "." and ".." away even when escaped."""
    with pytest.raises(RefusedDestination):
        fill_template("https://shop.example/p/{slug}", product_id="1", slug=slug)
