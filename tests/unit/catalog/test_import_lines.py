"""Lines of import files, broken and whole."""

import gzip
from pathlib import Path

import pytest

from server.catalog.imports import lines as lines_module
from server.catalog.imports.files import FileFormat, UnusableFile, open_import
from server.catalog.imports.lines import Line, read_lines

HEADER = b"id,sku,name,price,currency\n"


def read(path: Path, content: bytes, wanted: FileFormat | None = None) -> list[Line]:
    """All lines of a file with this content."""
    path.write_bytes(content)
    with open_import(path, wanted) as file:
        return list(read_lines(file))


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.jsonl", b"{}", FileFormat.JSON_LINES),
        ("a.csv", HEADER, FileFormat.CSV),
        ("a.CSV.gz", gzip.compress(HEADER, mtime=0), FileFormat.CSV),
        ("a", b'\n {"id": 1}', FileFormat.JSON_LINES),
        ("a.txt", HEADER, FileFormat.CSV),
        ("a.gz", gzip.compress(b"{}", mtime=0), FileFormat.JSON_LINES),
        ("a.jsonl", gzip.compress(b"{}", mtime=0), FileFormat.JSON_LINES),
        ("a", b"\xef\xbb\xbf{}", FileFormat.JSON_LINES),
        ("empty", b"", FileFormat.CSV),
    ],
)
def test_the_format_is_found(tmp_path: Path, name: str, content: bytes, found: FileFormat) -> None:
    """By the name where it says something, else by the content; gzip always by the content."""
    (tmp_path / name).write_bytes(content)
    with open_import(tmp_path / name) as file:
        assert file.format is found


def test_json_lines(tmp_path: Path) -> None:
    """Broken lines are reported with their numbers, blank ones are skipped, the rest is read."""
    content = b"\n".join(
        [
            b'\xef\xbb\xbf{"id": "a"}',
            b"",
            b"   \r",
            b'{"id": ',
            b"[1]",
            b'{"id": "\xff"}',
            b'{"price": ' + b"9" * 10_000 + b"}",
            b'{"price": NaN}',
            b"[" * 100_000,
            b'{"id": "b"}\r',
            b'{"id": "c"}',
        ]
    )
    found = read(tmp_path / "a.jsonl", content)
    assert {line.number: line.row["id"] for line in found if not line.problems} == {1: "a", 10: "b", 11: "c"}
    assert [line.number for line in found if line.problems] == [4, 5, 6, 7, 8, 9]


def test_an_oversized_line_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line over the limit is reported without being read into memory, and the next one is read."""
    monkeypatch.setattr(lines_module, "_LINE_MAX_BYTES", 1000)
    long = b'{"id": "' + b"x" * 5000 + b'"}\n'
    found = read(tmp_path / "a.jsonl", long + b'{"id": "b"}\n')
    assert [(line.number, bool(line.problems)) for line in found] == [(1, True), (2, False)]
    found = read(tmp_path / "a.csv", HEADER + b"x" * 5000 + b"\nb,s,n,1,USD\n")
    assert [(line.number, bool(line.problems)) for line in found] == [(2, True), (3, False)]


def test_a_json_array_is_refused(tmp_path: Path) -> None:
    """The other common form gets a hint instead of a thousand errors."""
    with pytest.raises(UnusableFile, match="jq"):
        read(tmp_path / "a.json", b'[{"id": "a"}]')


def test_csv(tmp_path: Path) -> None:
    """Quotes, line breaks in cells, lists, attributes and empty cells; line numbers count physical lines."""
    content = (
        b"\xef\xbb\xbfID, sku,name,price,currency,tags,attributes,attributes.Size\r\n"
        b'a,s,"A ""big""\r\nmug",100,USD,red | blue,"{""weight"": 2}",XL\r\n'
        b"\r\n"
        b"b,s,Cup,1e3,USD,,,\r\n"
        b"c,s\r\n"
        b"d,s,Jar,5,USD,,not json,\r\n"
    )
    found = read(tmp_path / "a.csv", content)
    assert [line.number for line in found] == [2, 5, 6, 7]
    assert found[0].row == {
        "id": "a",
        "sku": "s",
        "name": 'A "big"\r\nmug',
        "price": 100,
        "currency": "USD",
        "tags": ["red", "blue"],
        "attributes": {"weight": 2, "Size": "XL"},
    }
    assert found[1].row["price"] == "1e3"
    assert found[2].problems
    assert found[3].row["attributes"] == "not json"


@pytest.mark.parametrize("delimiter", [b",", b";", b"\t"])
def test_csv_delimiters(tmp_path: Path, delimiter: bytes) -> None:
    """The header tells the delimiter."""
    content = HEADER.replace(b",", delimiter) + delimiter.join([b"a", b"s", b"n", b"1", b"USD"])
    assert read(tmp_path / "a.csv", content)[0].row["currency"] == "USD"


def test_csv_survives_broken_quotes_and_bytes(tmp_path: Path) -> None:
    """A quote out of place or a byte that is no UTF-8 costs its own row."""
    content = HEADER + b'a,s,"x"y,1,USD\nb,s,\xff,1,USD\nc,s,n,1,USD\nd,"never closed,1\n'
    found = read(tmp_path / "a.csv", content)
    assert [(line.number, bool(line.problems)) for line in found] == [
        (2, True),
        (3, False),
        (4, False),
        (5, True),
    ]
    assert found[1].row["name"] == "\udcff"  # the row's reader refuses it by field


@pytest.mark.parametrize(
    "header",
    [b"", b"id,sku\n", b"id,sku,name,price,currency,colour\n", b"id,sku,name,price,currency,ID\n"],
)
def test_csv_headers_that_are_refused(tmp_path: Path, header: bytes) -> None:
    """A wrong header is told once, not once per row."""
    with pytest.raises(UnusableFile):
        read(tmp_path / "a.csv", header + b"a,b,c,1,USD\n", FileFormat.CSV)
