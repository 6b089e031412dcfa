"""What a visitor sees in place of a redirect: a short page, or the same as a problem document."""

import base64
import hashlib
import html
from string import Template

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

_STYLE = """
:root { color-scheme: light dark;
  --paper: #f4f6f6; --card: #fff; --ink: #22303a; --quiet: #5b6b75; --mark: #0b6a6a }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14181a; --card: #1c2124; --ink: #e6eaeb; --quiet: #9fabb2; --mark: #63cbc6 }
}
body { display: grid; place-items: center; box-sizing: border-box; min-height: 100vh; margin: 0;
  padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 1.05rem/1.6 system-ui, "Segoe UI", sans-serif }
main { max-width: 26rem; padding: 2.5rem 2rem; border-radius: 1rem; background: var(--card);
  box-shadow: 0 1px 3px rgb(0 0 0 / .12); text-align: center }
svg { width: 3.5rem; height: 3.5rem; color: var(--mark) }
h1 { margin: 1rem 0 .5rem; font-size: 1.4rem; line-height: 1.3 }
p { margin: 0; color: var(--quiet) }
small { display: block; margin-top: 1.5rem; color: var(--quiet) }
"""
# A chain that has come apart.
_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>$title</title>
<style>$style</style>
</head>
<body>
<main>
<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round"
 aria-hidden="true"><path d="M10.5 6.5 12 5a5 5 0 0 1 7 7l-1.5 1.5M13.5 17.5 12 19a5 5 0 0 1-7-7l1.5-1.5"/>
<path d="M4 4l2.5 2.5M20 20l-2.5-2.5M9 3v2M3 9h2M15 21v-2M21 15h-2"/></svg>
<h1>$title</h1>
<p>$detail</p>
$reference</main>
</body>
</html>
""")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def headers_and_body(problem: Problem, accept: str, request_id: str) -> tuple[str, bytes]:
    """Return header lines and body in the form that the Accept header prefers; never a cookie."""
    headers = "".join(f"{name}: {value}\r\n" for name, value in problem.headers.items())
    headers += "Cache-Control: no-store\r\nX-Robots-Tag: noindex\r\nVary: Accept\r\n"
    if prefers_html(accept):
        headers += (
            f"Content-Type: text/html; charset=utf-8\r\nContent-Security-Policy: {_SECURITY_POLICY}\r\n"
            "Referrer-Policy: no-referrer\r\n"
        )
        return headers, _page(problem, request_id)
    headers += f"Content-Type: {CONTENT_TYPE}\r\n"
    return headers, msgspec.json.encode(problem.document(request_id))


def _page(problem: Problem, request_id: str) -> bytes:
    """The page; where the fault is ours it also says what to quote to whoever is asked about it."""
    reference = f"<small>Reference: {html.escape(request_id)}</small>\n" if problem.status >= 500 else ""
    return _PAGE.substitute(
        style=_STYLE,
        title=html.escape(problem.title),
        detail=html.escape(problem.detail),
        reference=reference,
    ).encode()
