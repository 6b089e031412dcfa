"""Which hosts send visitors, by class: a table of ours. The rule that reads it is in `traffic_sources`.

A host stands for its subdomains too; the longest entry that fits decides. Where a service has a domain in
every country, its name is listed and any ending of one or two labels fits (`google.de`, `google.co.uk`).
Android apps name themselves by package (`android-app://com.google.android.gm`).
"""

from __future__ import annotations

from typing import Final

SEARCH: Final = "search"
SOCIAL: Final = "social"
EMAIL: Final = "email"
PAID_SEARCH: Final = "paid_search"
PAID_SOCIAL: Final = "paid_social"

# Parameters that advertising networks add to a landing page's address.
CLICK_IDS: Final = {
    "gclid": PAID_SEARCH,
    "gbraid": PAID_SEARCH,
    "wbraid": PAID_SEARCH,
    "msclkid": PAID_SEARCH,
    "fbclid": PAID_SOCIAL,
    "ttclid": PAID_SOCIAL,
    "twclid": PAID_SOCIAL,
    "li_fat_id": PAID_SOCIAL,
    "ScCid": PAID_SOCIAL,
    "epik": PAID_SOCIAL,
    "rdt_cid": PAID_SOCIAL,
}

_HOSTS: Final = {
    SEARCH: """
        aol.com ask.com baidu.com bing.com brave.com com.google.android.googlequicksearchbox daum.net
        duckduckgo.com ecosia.org kagi.com karmasearch.org metager.de mojeek.com naver.com perplexity.ai
        presearch.com qwant.com search.brave.com seznam.cz sogou.com so.com startpage.com swisscows.com
        ya.ru you.com
    """,
    SOCIAL: """
        bsky.app com.facebook.katana com.instagram.android com.linkedin.android com.pinterest
        com.reddit.frontpage com.twitter.android com.zhiliaoapp.musically discord.com facebook.com fb.com
        fb.me instagram.com kakao.com lemmy.world line.me linkedin.com lnkd.in mastodon.social
        news.ycombinator.com ok.ru org.telegram.messenger pin.it quora.com reddit.com snapchat.com t.co t.me
        telegram.org threads.com threads.net tiktok.com tumblr.com twitch.tv twitter.com vk.com wa.me
        weibo.com whatsapp.com x.com xing.com youtu.be youtube.com
    """,
    EMAIL: """
        com.google.android.gm com.microsoft.office.outlook e.mail.ru gmx.at gmx.ch gmx.de gmx.net
        mail.aol.com mail.com mail.google.com mail.proton.me mail.ru mail.tutanota.com mail.zoho.com
        outlook.com outlook.live.com outlook.office.com outlook.office365.com web.de
    """,
}
# Services with a domain in every country.
_NAMES: Final = {
    SEARCH: "google yahoo yandex",
    SOCIAL: "pinterest",
}
# Subdomains of the above that are other things. Yahoo and Yandex have their mail under every ending.
_LABELS: Final = {"mail": EMAIL}

CLASS_OF_HOST: Final = {host: kind for kind, hosts in _HOSTS.items() for host in hosts.split()}
CLASS_OF_NAME: Final = {name: kind for kind, names in _NAMES.items() for name in names.split()}
CLASS_OF_LABEL: Final = _LABELS
# What these hosts send are links that somebody wrote into a document.
REFERRING: Final = frozenset({"docs.google.com", "drive.google.com", "sites.google.com"})
