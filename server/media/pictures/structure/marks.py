"""Marks of other formats, and why each matters. Where a picture is searched for them is in `polyglots`.

Compressed bytes look like chance, and a picture has up to 25 MiB of them: a mark of n fixed bytes is in there
by chance with probability 25 * 2**20 / 256**n, twice that for each letter of either case. What is searched
everywhere is so long that chance has it in less than one of 100,000 files of 25 MiB; marks that chance has
more often are searched outside the compressed pixels, the shortest only where the other format must begin.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Mark:
    """`literal` is searched first, being fast; `pattern` then decides. Both lower case if `folded`."""

    name: str
    literal: bytes
    pattern: re.Pattern[bytes]
    folded: bool = False


def _tag(name: str) -> Mark:
    literal = b"<" + name.encode()
    return Mark(f"a <{name}> element", literal, re.compile(literal + rb"[\s>/]"), folded=True)


def _bytes(name: str, literal: bytes, then: bytes = b"") -> Mark:
    return Mark(name, literal, re.compile(re.escape(literal) + then, re.DOTALL))


# A server that is made to run the file looks for its own tags through all of it, pixels too, and so does a
# browser that is made to show it as a page. Pairs of the pattern, and a name for each of its groups. A single
# literal byte in front, and nothing else that is fixed, is what the engine passes fastest over the pixels by:
# a look ahead says the rest.
EVERYWHERE: Final = (
    (
        re.compile(rb"<(?:(\?php\s)|(script[\s>/])|(iframe[\s>/]))", re.IGNORECASE),
        ("PHP code", "a <script> element", "an <iframe> element"),
    ),
    # PHP opens an archive of its own wherever in a file its stub ends.
    (re.compile(rb"_(?=(_halt_compiler\s*\())", re.IGNORECASE), ("a PHP archive",)),
    # Readers of RAR look for it behind whatever program is in front.
    (re.compile(rb"R(?=(ar!\x1a\x07[\0\1]))"), ("a RAR archive",)),
    (re.compile(rb"7(?=(z\xbc\xaf\x27\x1c\0[\0-\x08]))"), ("a 7z archive",)),
)

# Metadata, comments and what follows the picture. Formats whose readers search for their beginning, and
# programs that a few lines of code cut out and start.
OUTSIDE_PIXELS: Final = (
    # Photoshop on a Mac writes its print settings as a property list, which has a document type as well.
    Mark("a web page", b"<!doctype", re.compile(rb"<!doctype\s+(?:html|svg)"), folded=True),
    *(_tag(name) for name in ("html", "body", "object", "embed")),
    # Code in an attribute of any element, as in `<img src=x onerror=…>`. Attributes of XMP have prefixes.
    Mark(
        "a web page",
        b"<",
        re.compile(rb"<[a-z][^<>\0-\x08\x80-\xff]{0,160}?[\s/\"']on[a-z]{3,24}\s{0,16}="),
        folded=True,
    ),
    Mark("an HTML application", b"<hta:application", re.compile(rb"<hta:application"), folded=True),
    # No part of these reaches beyond the next `<`, so a file full of beginnings takes no longer than others.
    # Tags of servers with text between them: `<?= … ?>` runs wherever PHP does, `<? … ?>` in old set-ups.
    _bytes("PHP code", b"<?", rb"[=\s][\t\n\r -;=-~]{4,1024}?(?:\?>|/\*|//)"),
    _bytes("a server page", b"<%", rb"[@!=\s][\t\n\r -;=-~]{4,1024}?%>"),
    _bytes("a server page", b"<!--#", rb"[a-z]{3,10}\s"),
    # Alone it has five bytes and may be chance; with its namespace or its end it is a drawing.
    Mark("an SVG drawing", b"<svg", re.compile(rb"<svg[\s/][^<>]{0,1024}(?:xmlns|onload)"), folded=True),
    Mark("an SVG drawing", b"</svg", re.compile(rb"</svg\s*>"), folded=True),
    _bytes("a PDF document", b"%PDF-", rb"\d\.\d"),
    # Version, flags and method as writers of ZIP set them.
    _bytes("a ZIP archive", b"PK\x03\x04", rb"[\x0a-\x3f]\0.[\0-\x08][\0\x08\x09\x0c\x0e\x5d\x5f\x62\x63]\0"),
    _bytes("an ELF program", b"\x7fELF", rb"[\x01\x02][\x01\x02]\x01"),
    _bytes("a Windows program", b"PE\0\0", rb"(?:\x4c\x01|\x64\x86|\x64\xaa|\xc4\x01)[\1-\x40]\0"),
    *(
        _bytes("a Mach-O program", magic, rb"(?:[\x07\x0c]\0\0[\0\1])")
        for magic in (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe")
    ),
    _bytes("a Java or Mach-O program", b"\xca\xfe\xba\xbe", rb"\0[\0-\x05]\0[\1-\x50]"),
    _bytes("a WebAssembly program", b"\0asm\1\0\0\0"),
    Mark("a script", b"#!/", re.compile(rb"#!/(?:usr/)?(?:local/)?bin/")),
    _bytes("an old office document", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    _bytes("an xz archive", b"\xfd7zXZ\0\0", rb"[\0\1\4\x0a]"),
    _bytes("a cabinet archive", b"MSCF\0\0\0\0"),
    _bytes("a bzip2 archive", b"1AY&SY", rb"."),
    _bytes("a tar archive", b"ustar", rb"(?:\x00\d\d|  \0)"),
    _bytes("a database", b"SQLite format 3\0"),
    # By agreement every scanner takes this for a virus; it shows whether there is one.
    _bytes("the test file of virus scanners", b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!"),
)

# What begins right behind the picture, after padding. Short marks will do in a single place.
BEHIND: Final = (
    ("a gzip archive", re.compile(rb"\x1f\x8b\x08[\0-\x1f]")),
    ("a zstd archive", re.compile(rb"\x28\xb5\x2f\xfd")),
    ("a Windows program", re.compile(rb"MZ[\x50\x78\x90\x00-\x0f]\0")),
    ("a script", re.compile(rb"#!\s*[/a-z]")),
    ("a web page or a drawing", re.compile(rb"(?:\xef\xbb\xbf)?<(?:!--|[?!]?[a-z]+[\s>/])", re.IGNORECASE)),
    ("an MP3 sound", re.compile(rb"ID3[\2-\4]\0")),
)

# The first bytes, read as JavaScript: a name, and the rest up to code of the author's in a comment or string.
# Real files are not that wide (GIF), are of even length (WebP), and have no `*/` before an operator (JPEG).
AS_JAVASCRIPT: Final = (
    re.compile(rb"GIF8[79]a(?:/[*/]|=[\t\n\r ]*(?:/[*/]|[\"'`(\[{0-9A-Za-z_$]))"),
    re.compile(rb"RIFF(?:/[*/]|=[\t\n\r ]*(?:/[*/]|[\"'`(\[{]))"),
    re.compile(rb"\xff\xd8\xff[\xe0-\xef]/\*.{0,65536}?\*/\s*[=;(,.+]", re.DOTALL),
)
