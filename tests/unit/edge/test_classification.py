"""Who counts as a person."""

import pytest

from edge.classification import LONGEST_USER_AGENT, classify

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0.0.0 Safari/537.36"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Mobile/15E148 Safari/604.1"
)
IPAD = "Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
PIXEL = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36"
GALAXY_TAB = "Mozilla/5.0 (Linux; Android 14; SM-X710) AppleWebKit/537.36 Chrome/130.0 Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        (CHROME, "desktop"),
        (FIREFOX, "desktop"),
        (IPHONE, "mobile"),
        (PIXEL, "mobile"),
        (IPAD, "tablet"),
        (GALAXY_TAB, "tablet"),
        ("SomethingNobodyKnows/1.0", "other"),
    ],
)
def test_browsers_are_people(user_agent: str, device: str) -> None:
    """An ordinary browser is human, on the device that it names."""
    assert classify({"User-Agent": user_agent}) == (True, device)


@pytest.mark.parametrize(
    "user_agent",
    [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0) Chrome/116",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "WhatsApp/2.23.20.0",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "Twitterbot/1.0",
        "curl/8.5.0",
        "python-requests/2.32.0",
        "",
        "   ",
    ],
)
def test_crawlers_are_not(user_agent: str) -> None:
    """Crawlers, link previews, scripts and blank user agents are bots."""
    assert classify({"User-Agent": user_agent}) == (False, "bot")


def test_no_user_agent_is_a_bot() -> None:
    """Every browser sends one."""
    assert classify({}) == (False, "bot")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Purpose": "prefetch"},
        {"Sec-Purpose": "prefetch;prerender"},
        {"Purpose": "prefetch"},
        {"X-Moz": "Prefetch"},
    ],
)
def test_a_prefetch_is_not_a_click(headers: dict[str, str]) -> None:
    """The browser asked, its person has not clicked yet."""
    visit = classify({"User-Agent": CHROME} | headers)
    assert not visit.human


def test_other_purposes_are_clicks() -> None:
    """Only prefetching is told apart."""
    assert classify({"User-Agent": CHROME, "Purpose": "navigate"}).human


def test_a_crawler_far_out_in_an_endless_user_agent_costs_nothing() -> None:
    """What lies beyond the limit is not looked at; what is within it is."""
    padding = "x" * LONGEST_USER_AGENT
    assert classify({"User-Agent": padding + " Googlebot/2.1"}).human
    assert not classify({"User-Agent": "Googlebot/2.1 " + padding * 100}).human
