"""Pictures that are something else as well."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile

import pytest

from server.media.media import Reason
from server.media.pictures.structure import judge
from tests.unit.media import structure_samples as samples
from tests.unit.media.structure_samples import TYPES, picture


def _zip(comment: bytes = b"") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Main-Class: Gotcha")
        archive.comment = comment
    return file.getvalue()


def _tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"), io.BytesIO())
    return file.getvalue()


APPENDED = {
    "zip": _zip(),
    "zip with a long comment": _zip(b"c" * 65_535),
    "zip and more": _zip() + b"\0" * 1000,
    "pdf": b"\n%PDF-1.7\n1 0 obj",
    "page": b"<html><body>hello",
    "page after a text": b"hello <HTML lang=en>",
    "script element": b"x<ScRiPt>alert(1)</script>",
    "frame": b"x<iframe src=//example.org>",
    "drawing": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "php": b"x<?PHP system($_GET[0]);",
    "phar": b"x __HALT_COMPILER(); ?>",
    "elf": b"\x7fELF\x02\x01\x01\0",
    "exe": b"MZ\x90\0" + b"\0" * 56 + b"\x80\0\0\0" + b"\0" * 64 + b"PE\0\0\x64\x86\x06\0",
    "mach-o": b"\xcf\xfa\xed\xfe\x07\0\0\x01",
    "class": b"\xca\xfe\xba\xbe\0\0\0\x41",
    "wasm": b"\0asm\x01\0\0\0",
    "shell": b"#!/bin/sh\nid",
    "shell after a text": b"hello\n#!/usr/bin/env python",
    "rar": b"Rar!\x1a\x07\x01\0",
    "7z": b"7z\xbc\xaf\x27\x1c\0\x04",
    "gzip": gzip.compress(b"hello"),
    "tar": _tar(),
    "office": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
}


def reason(content: bytes, content_type: str) -> Reason | None:
    """Why the file is refused."""
    rejection = judge(content, content_type)
    return rejection.reason if rejection else None


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("name", APPENDED)
def test_appended(content_type: str, name: str) -> None:
    """What can be opened or run behind a picture makes it a polyglot, with zeros between them or without."""
    assert reason(picture(content_type) + APPENDED[name], content_type) is Reason.POLYGLOT
    assert reason(picture(content_type) + b"\0" * 99 + APPENDED[name], content_type) is Reason.POLYGLOT


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize(
    "name", ["pdf", "page", "script element", "drawing", "php", "phar", "elf", "rar", "7z"]
)
def test_in_a_note(content_type: str, name: str) -> None:
    """So does what is hidden in a comment, a text or a part that decoders pass over."""
    assert reason(samples.with_note(content_type, APPENDED[name]), content_type) is Reason.POLYGLOT


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("name", ["zip", "zip with a long comment"])
def test_a_zip_in_the_last_note(content_type: str, name: str) -> None:
    """An archive that is a part of the picture is found where readers of archives search."""
    if content_type in ("image/gif", "image/png", "image/jpeg") and len(APPENDED[name]) > 255:
        pytest.skip("the format has no room for it there")
    assert reason(samples.with_note(content_type, APPENDED[name]), content_type) is Reason.POLYGLOT


@pytest.mark.parametrize("first", TYPES)
@pytest.mark.parametrize("second", TYPES)
def test_two_pictures(first: str, second: str) -> None:
    """A picture behind one of another type is refused; cameras append those of the same."""
    expected = None if first == second else Reason.POLYGLOT
    assert reason(picture(first) + picture(second), first) is expected
    assert reason(picture(first) + b"\0\0" + picture(second), first) is expected


CODE = (
    b"<img src=x onerror=alert(1)>",
    b"<svg/onload=alert(1)>",
    b'<details open\nOnToggle="alert(1)">',
    b"<?=`$_GET[0]`?>",
    b"<? system($_GET[0]); //",
    b"<% eval request('x') %>",
    b'<%@ page import="java.io.*" %>',
    b'<!--#exec cmd="id" -->',
    b'<HTA:APPLICATION ID="x" />',
    b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
    b"<!DOCTYPE html><p>",
)


@pytest.mark.parametrize("code", CODE, ids=lambda code: code[:8].decode().strip())
def test_code_in_a_note(code: bytes) -> None:
    """Code that browsers or servers would run is found whatever it is wrapped in."""
    for content_type in TYPES:
        assert reason(samples.with_note(content_type, code), content_type) is Reason.POLYGLOT


# As Photoshop, Lightroom, newsrooms and picture generators write them.
NOTES = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN"\n'
    b' "http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n<plist version="1.0"><dict/></plist>',
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:li\n'
    b' xml:lang="x-default">a &lt; b</rdf:li></x:xmpmeta><?xpacket end="w"?>',
    b"3 < 5 and <b>bold</b>, <me@example.org>, <100% wool, %20>, one=1",
    b'{"text": "(cat <lora:fur:1>, on = sofa), <only one>, a<b ? c : d"}',
)


@pytest.mark.parametrize("note", NOTES, ids=("plist", "XMP", "caption", "prompt"))
def test_notes_of_real_pictures(note: bytes) -> None:
    """Angle brackets alone are no reason."""
    for content_type in TYPES:
        assert reason(samples.with_note(content_type, note), content_type) is None


def test_code_among_the_pixels() -> None:
    """PHP finds its tags in compressed pixels as well, and so do we."""
    content = picture("image/jpeg")
    assert reason(content[:-9] + b"<?php echo 1;" + content[-9:], "image/jpeg") is Reason.POLYGLOT


def test_a_gif_that_is_a_script() -> None:
    """A GIF whose width and height open a comment runs as JavaScript."""
    content = picture("image/gif")
    for size in (b"/*\x20", b"=/*", b'="\x20', b"=\n'"):
        script = b"GIF89a" + size + content[9:] + b"*/=1;alert(1)"
        assert reason(script, "image/gif") is Reason.POLYGLOT


def test_a_jpeg_that_is_a_script() -> None:
    """A JPEG whose first segment's length opens a comment runs as JavaScript in a page of Latin letters."""
    length = int.from_bytes(b"/*", "big")
    note = b"\0" * 50 + b"*/=alert(1);/*"
    segment = b"\xff\xe0/*" + note.ljust(length - 2, b"\0")
    content = picture("image/jpeg")
    assert reason(content[:2] + segment + content[2:], "image/jpeg") is Reason.POLYGLOT
    harmless = b"\xff\xe0/*" + b"\0" * (length - 2)
    assert reason(content[:2] + harmless + content[2:], "image/jpeg") is None


def test_a_webp_that_is_a_script() -> None:
    """So does a WebP whose length opens one."""
    body = picture("image/webp")[12:]
    filler = 0x2A2F - 4 - len(body) - 8
    content = b"RIFF" + struct.pack("<I", 0x2A2F) + b"WEBP" + body + b"XMP " + struct.pack("<I", filler)
    assert reason(content + b"*/=1;".ljust(filler, b" ") + b"\0", "image/webp") is Reason.POLYGLOT
