"""Caught mails: kept in order, bounded, and there after a restart."""

from pathlib import Path

from server.standalone.mailbox.store import MailStore, body, header, parse


def test_newest_first_also_after_a_restart(tmp_path: Path) -> None:
    """The order of arrival survives, and so do the very bytes."""
    store = MailStore(tmp_path)
    ids = [
        store.add("a@x.example", ["b@x.example"], b"Subject: %d\r\n\r\n" % n, now_ms=n).mail_id
        for n in range(5)
    ]
    again = MailStore(tmp_path)
    assert [envelope.mail_id for envelope in again.envelopes()] == ids[::-1]
    assert again.content(ids[3]) == b"Subject: 3\r\n\r\n"


def test_the_oldest_is_forgotten_by_number_and_by_size(tmp_path: Path) -> None:
    """Neither many mails nor large ones fill the disk."""
    many = MailStore(tmp_path / "many", max_mails=3)
    large = MailStore(tmp_path / "large", max_bytes=1000)
    for number in range(10):
        many.add("", [], b"x", now_ms=number)
        large.add("", [], b"x" * 400, now_ms=number)
    assert [envelope.received_at_ms for envelope in many.envelopes()] == [9, 8, 7]
    assert [envelope.received_at_ms for envelope in large.envelopes()] == [9, 8]
    assert len(list((tmp_path / "large").iterdir())) == 2


def test_an_unfinished_file_is_swept_away(tmp_path: Path) -> None:
    """What a kill left half-written is neither shown nor kept."""
    (tmp_path / "0000000000001-aa.part").write_bytes(b"half")
    (tmp_path / "0000000000002-bb.mail").write_bytes(b"not an envelope\n")
    assert MailStore(tmp_path).envelopes() == []
    assert not list(tmp_path.glob("*.part"))


def test_hostile_mails_are_read_as_far_as_they_go() -> None:
    """Unknown charsets and broken headers give no text rather than an error."""
    message = parse(
        b"Subject: =?utf-8?q?caf=C3=A9?=\r\nContent-Type: text/plain; charset=nonsense\r\n\r\n\xff\xfe"
    )
    assert header(message, "Subject") == "caf\u00e9"
    assert body(message, "plain") is None
    assert header(parse(b"From: <<<>>>;;@@\r\nDate: \xff\r\n\r\n"), "From") is not None
