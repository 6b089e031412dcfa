"""What a visitor sees in place of a redirect: a short page, or the same as a problem document."""

import msgspec

from edge.accept import prefers_html
from edge.problems import CONTENT_TYPE, Problem

NOT_FOUND = Problem(
    404,
    title="Link not found",
    detail="There is no such link. Check the address for a typing mistake.",
    code="NOT_FOUND",
)
GONE = Problem(410, title="Link no longer available", detail="This link has ended.", code="NOT_FOUND")
WRONG_METHOD = Problem(
    405, detail="A link is followed with GET.", code="UNIMPLEMENTED", headers={"Allow": "GET, HEAD"}
)
UNAVAILABLE = Problem(
    503,
    detail="The link could not be looked up. Try again in a moment.",
    code="UNAVAILABLE",
    headers={"Retry-After": "1"},
)
UNFORESEEN = Problem(500, detail="Something went wrong on our side. Try again later.", code="INTERNAL")

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex"><title>{title}</title>
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;margin:20vh auto;max-width:30rem;padding:0 1rem}}</style>
</head><body><h1>{title}</h1><p>{detail}</p></body></html>
"""


def headers_and_body(problem: Problem, accept: str, request_id: str) -> tuple[str, bytes]:
    """Return header lines and body in the form that the Accept header prefers; never a cookie."""
    headers = "".join(f"{name}: {value}\r\n" for name, value in problem.headers.items())
    headers += "Cache-Control: no-store\r\nX-Robots-Tag: noindex\r\nVary: Accept\r\n"
    if prefers_html(accept):
        headers += (
            "Content-Type: text/html; charset=utf-8\r\n"
            "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
        )
        return headers, _PAGE.format(title=problem.title, detail=problem.detail).encode()
    headers += f"Content-Type: {CONTENT_TYPE}\r\n"
    return headers, msgspec.json.encode(problem.document(request_id))
