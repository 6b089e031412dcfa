"""Server streams through a running gateway: lines, events, raw bytes, and how each of them ends."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from edge.rest.streaming import StreamPace
from tests.unit.rest.probe import Probe, running_probe
from tests.unit.rest.scripts import EVENTS, QUICK, events, tell

DETAIL_OF_503 = "The service is not available; try again later."


@pytest.fixture
async def quick_probe() -> AsyncIterator[Probe]:
    """A probe of its own whose streams are soon taken for silent."""
    async with running_probe(stream_pace=QUICK) as probe:
        yield probe


def texts(lines: bytes) -> list[str]:
    return [json.loads(line)["someText"] for line in lines.splitlines()]


class TestLines:
    """Newline-delimited JSON, for whoever asks for nothing else."""

    async def test_each_message_is_a_line(self, probe: Probe) -> None:
        answer = await probe.ask("GET", "/v1/count?pageSize=3")

        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/x-ndjson")
        assert [json.loads(line)["count"] for line in answer.body.splitlines()] == [0, 1, 2]

    async def test_no_message_is_no_line(self, probe: Probe) -> None:
        answer = await probe.ask("GET", "/v1/count")

        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/x-ndjson")
        assert answer.body == b""

    async def test_line_breaks_in_a_message_break_no_line(self, probe: Probe) -> None:
        text = "a\nb\r\u2028c"
        answer = await probe.ask("POST", "/v1/tell", json={"steps": [f"say:{text}"]})

        assert answer.body.count(b"\n") == 1
        assert texts(answer.body) == [text]

    async def test_a_later_failure_is_the_last_line(self, probe: Probe) -> None:
        answer = await probe.ask("GET", tell("say:a", "fail:14"))

        first, last = (json.loads(line) for line in answer.body.splitlines())
        assert (answer.status, first["someText"]) == (200, "a")
        assert (last["error"]["status"], last["error"]["code"]) == (503, "UNAVAILABLE")
        assert last["error"]["detail"] == DETAIL_OF_503
        assert last["error"]["instance"]

    async def test_a_stream_may_be_asked_for_with_a_body(self, probe: Probe) -> None:
        answer = await probe.ask("POST", "/v1/tell", json={"steps": ["say:a", "say:b"]})

        assert texts(answer.body) == ["a", "b"]

    async def test_a_response_body_is_taken_out_of_each_message(self, probe: Probe) -> None:
        answer = await probe.ask("GET", tell("say:a", "say:b", path="/v1/tell-field"))

        assert texts(answer.body) == ["a", "b"]


class TestEvents:
    """Server-sent events, for whoever would rather have them."""

    async def test_each_message_is_an_event_and_the_end_is_one(self, probe: Probe) -> None:
        answer = await probe.ask("GET", tell("say:a", "say:b"), headers=EVENTS)

        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
        assert [(kind, data.get("someText")) for kind, data in events(answer)] == [
            ("message", "a"),
            ("message", "b"),
            ("end", None),
        ]

    async def test_no_message_is_the_end_alone(self, probe: Probe) -> None:
        answer = await probe.ask("GET", tell(), headers=EVENTS)

        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.body == b"event: end\ndata: {}\n\n"

    async def test_a_later_failure_is_an_error_event(self, probe: Probe) -> None:
        answer = await probe.ask("GET", tell("say:a", "fail:14"), headers=EVENTS)

        kinds = [kind for kind, _ in events(answer)]
        problem = events(answer)[-1][1]
        assert kinds == ["message", "error"]
        assert (problem["status"], problem["code"], problem["detail"]) == (503, "UNAVAILABLE", DETAIL_OF_503)

    async def test_a_message_that_cannot_be_read_is_an_error_event(self, probe: Probe) -> None:
        answer = await probe.ask("GET", tell("say:a", "bytes:ffff"), headers=EVENTS)

        kind, problem = events(answer)[-1]
        assert (kind, problem["status"], problem["code"]) == ("error", 500, "INTERNAL")

    async def test_silence_is_filled_with_comments(self, quick_probe: Probe) -> None:
        """The head leaves without waiting for a message, and what browsers ignore keeps proxies awake."""
        async with quick_probe.http.get(
            f"{quick_probe.base}{tell('wait', 'say:a')}", headers=EVENTS
        ) as asked:
            assert asked.status == 200
            beats = [await asked.content.readuntil(b"\n\n") for _ in range(3)]
            quick_probe.server.go_on.set()
            rest = await asked.content.read()

        assert beats == [b":\n\n"] * 3
        assert rest.lstrip(b":\n").startswith(b'data: {"someText":"a"')

    async def test_there_is_no_heartbeat_while_messages_come(self) -> None:
        async with running_probe(stream_pace=StreamPace(0.1, heartbeat_after=20)) as probe:
            answer = await probe.ask("GET", tell(*["say:a"] * 50), headers=EVENTS)

        assert b":\n\n" not in answer.body.replace(b"data:", b"")


@pytest.mark.parametrize("headers", [{}, EVENTS])
class TestBothFramings:
    async def test_a_failure_before_the_first_message_is_a_problem(
        self, probe: Probe, headers: dict[str, str]
    ) -> None:
        answer = await probe.ask("GET", tell("fail:5"), headers=headers)

        assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")

    async def test_a_wrong_parameter_is_a_problem(self, probe: Probe, headers: dict[str, str]) -> None:
        answer = await probe.ask("GET", "/v1/tell?nothing=1", headers=headers)

        assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")

    async def test_nobody_may_keep_or_collect_the_answer(self, probe: Probe, headers: dict[str, str]) -> None:
        answer = await probe.ask("GET", tell("say:a"), headers={**headers, "Accept-Encoding": "gzip"})

        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert answer.headers["Vary"] == "Accept"
        assert "Content-Encoding" not in answer.headers

    async def test_messages_leave_one_by_one(self, probe: Probe, headers: dict[str, str]) -> None:
        """The first is there while the service still thinks about the second."""
        async with running_probe() as own:
            path = tell("say:a", "wait", "say:b")
            async with own.http.get(f"{own.base}{path}", headers=headers) as asked:
                first = await asked.content.readuntil(b"\n")
                own.server.go_on.set()
                rest = await asked.content.read()

        assert b'"a"' in first
        assert b'"b"' in rest

    async def test_the_head_does_not_wait_for_ever(self, quick_probe: Probe, headers: dict[str, str]) -> None:
        """A later failure can then only be the last word."""
        async with quick_probe.http.get(
            f"{quick_probe.base}{tell('wait', 'fail:7')}", headers=headers
        ) as asked:
            assert asked.status == 200
            quick_probe.server.go_on.set()
            rest = await asked.content.read()

        assert b"PERMISSION_DENIED" in rest

    @pytest.mark.parametrize("steps", [["say:a", "flood"], [], ["say:a", "fail:14"]])
    async def test_head_has_the_head_and_no_body(
        self, probe: Probe, headers: dict[str, str], steps: list[str]
    ) -> None:
        get_type = "text/event-stream" if headers else "application/x-ndjson"

        answer = await probe.ask("HEAD", tell(*steps), headers=headers)

        assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, get_type, b"")
        assert (await probe.ask("HEAD", tell("fail:5"), headers=headers)).status == 404

    async def test_a_stream_without_end_or_words_answers_head(
        self, quick_probe: Probe, headers: dict[str, str]
    ) -> None:
        """And its connection goes on to the next request."""
        accept = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        async with quick_probe.connection() as (reader, writer), asyncio.timeout(5):
            for method, path in (("HEAD", tell("hold")), ("GET", "/v1/things/x")):
                writer.write(f"{method} {path} HTTP/1.1\r\nHost: a.example\r\n{accept}\r\n".encode())
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            await quick_probe.server.cancelled.wait()

    async def test_http_1_0_gets_its_stream_until_the_connection_closes(
        self, probe: Probe, headers: dict[str, str]
    ) -> None:
        accept = [f"{name}: {value}" for name, value in headers.items()]
        answer = await probe.ask_raw(f"GET {tell('say:a', 'say:b')} HTTP/1.0", *accept)

        assert b"chunked" not in answer
        assert answer.count(b'"someText"') == 2


class TestRawStreams:
    """Streams of `google.api.HttpBody`: bytes of one media type, whatever the client would rather have."""

    @pytest.mark.parametrize("path", ["/v1/tell-raw", "/v1/tell-raw-field"])
    @pytest.mark.parametrize("headers", [{}, EVENTS])
    async def test_bytes_stand_one_after_the_other(
        self, probe: Probe, path: str, headers: dict[str, str]
    ) -> None:
        answer = await probe.ask("GET", tell("say:a,b;", "say:c,d;", path=path), headers=headers)

        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/csv")
        assert answer.body == b"a,b;c,d;"

    async def test_no_message_is_an_empty_answer(self, probe: Probe) -> None:
        answer = await probe.ask("GET", tell(path="/v1/tell-raw"))

        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["Content-Type"] == "application/octet-stream"

    async def test_head_takes_the_media_type_from_the_first_message(self, probe: Probe) -> None:
        answer = await probe.ask("HEAD", tell("say:a", path="/v1/tell-raw"))

        assert (answer.headers["Content-Type"], answer.body) == ("text/csv", b"")

    async def test_a_failure_before_the_first_message_is_a_problem(self, probe: Probe) -> None:
        assert (await probe.ask("GET", tell("fail:5", path="/v1/tell-raw"))).status == 404

    async def test_a_later_failure_is_no_end(self, probe: Probe) -> None:
        """The last chunk is missing, so nobody takes the file for whole."""
        answer = await probe.ask_raw(f"GET {tell('say:a', 'fail:14', path='/v1/tell-raw')} HTTP/1.1")

        assert b"a\r\n" in answer
        assert not answer.endswith(b"0\r\n\r\n")

    async def test_without_chunks_a_failure_is_a_reset(self, probe: Probe) -> None:
        path = tell("say:a", "wait", "fail:14", path="/v1/tell-raw")
        async with running_probe() as own, own.connection() as (reader, writer):
            writer.write(f"GET {path} HTTP/1.0\r\nHost: a.example\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\na")
            own.server.go_on.set()
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(reader.read(), 5)
