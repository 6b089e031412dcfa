"""Contracts in proto2 and in editions, from a descriptor pool that this process was not built with."""

from collections.abc import AsyncIterator
from functools import cache
from typing import Any

import pytest
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from tests.unit.rest.probe import HERE, Probe, compile_protos
from tests.unit.rest.routed import echoing

PARCEL = {"parcelId": "p", "sizes": [], "stop": [], "fitByName": {}}
TREE = {"needed": "n", "implicit": "", "delimiteds": [], "expanded": []}


@cache
def foreign_pool() -> DescriptorPool:
    pool = DescriptorPool()
    for file in compile_protos(HERE / "older.proto", HERE / "edition.proto").file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


def services() -> list[ServiceDescriptor]:
    pool = foreign_pool()
    return [
        pool.FindServiceByName(name) for name in ("millrace.older.v1.Older", "millrace.edition.v1.Edition")
    ]


@pytest.fixture(scope="module")
async def subject() -> AsyncIterator[Probe]:
    async with echoing(services()) as probe:
        yield probe


def errors(answer: Any) -> list[tuple[str, str]]:
    assert answer.status == 400, answer.body
    return [(error["field"], error["message"]) for error in answer.json["errors"]]


class TestRequired:
    async def test_a_missing_field_is_named(self, subject: Probe) -> None:
        assert errors(await subject.ask("POST", "/parcels", json={})) == [("parcelId", "is required")]
        assert errors(await subject.ask("GET", "/trees")) == [("needed", "is required")]

    async def test_all_missing_fields_are_named(self, subject: Probe) -> None:
        answer = await subject.ask("POST", "/parcels", json={"label": {}})

        assert sorted(errors(answer)) == [("label.text", "is required"), ("parcelId", "is required")]

    async def test_the_path_may_give_what_is_required(self, subject: Probe) -> None:
        assert (await subject.ask("GET", "/parcels/p")).json == PARCEL

    async def test_a_default_is_as_good_as_any_value(self, subject: Probe) -> None:
        assert (await subject.ask("POST", "/parcels", json={"parcelId": ""})).status == 200

    async def test_an_incomplete_message_inside_any_is_refused(self, subject: Probe) -> None:
        inside = {"@type": "type.googleapis.com/millrace.older.v1.Parcel"}
        answer = await subject.ask("POST", "/parcels", json={"parcelId": "p", "any": inside})

        assert errors(answer)[0][0] == "any"

    async def test_an_incomplete_answer_is_passed_on(self, subject: Probe) -> None:
        """What the service left out is left out."""
        subject.server.answer = b""
        answer = await subject.ask("GET", "/parcels/p")
        subject.server.answer = None

        assert (answer.status, "parcelId" in answer.json) == (200, False)


class TestPresence:
    async def test_a_declared_default_is_not_an_answer(self, subject: Probe) -> None:
        """Fields with presence are there when they are set, be it to their default or to nothing."""
        body = {"parcelId": "p", "weight": 7, "size": "LARGE", "seal": "", "plainText": ""}

        assert (await subject.ask("POST", "/parcels", json=body)).json == PARCEL | body

    async def test_editions_choose_for_each_field(self, subject: Probe) -> None:
        assert (await subject.ask("POST", "/trees", json={"needed": "n"})).json == TREE
        body = {"needed": "n", "explicit": "", "implicit": "x", "defaulted": 0, "open": 0}
        expected = TREE | body | {"open": "OPEN_UNSPECIFIED"}
        assert (await subject.ask("POST", "/trees", json=body)).json == expected


class TestGroups:
    async def test_a_group_is_an_object(self, subject: Probe) -> None:
        body = {"label": {"text": "x", "codes": [1]}, "stop": [{"place": "a"}, {}]}

        assert (await subject.ask("POST", "/parcels", json={"parcelId": "p"} | body)).json == PARCEL | body

    async def test_a_delimited_message_is_an_object(self, subject: Probe) -> None:
        body = {"delimited": {"text": "x"}, "delimiteds": [{"text": "y"}]}

        assert (await subject.ask("POST", "/trees", json={"needed": "n"} | body)).json == TREE | body

    async def test_a_group_can_be_walked_through_in_a_query(self, subject: Probe) -> None:
        answer = await subject.ask("GET", "/parcels/p?label.text=x&label.codes=1&label.codes=2")

        assert answer.json["label"] == {"text": "x", "codes": [1, 2]}
        assert (await subject.ask("GET", "/trees?needed=n&delimited.text=x")).json["delimited"]


class TestEnums:
    @pytest.mark.parametrize(
        "body",
        [{"size": 3}, {"sizes": ["SMALL", 3]}, {"fitByName": {"a": 3}}, {"size": "small"}, {"size": 0}],
    )
    async def test_a_closed_enum_takes_no_other_number(self, subject: Probe, body: dict[str, Any]) -> None:
        assert errors(await subject.ask("POST", "/parcels", json={"parcelId": "p"} | body))

    @pytest.mark.parametrize("query", ["size=3", "sizes=1&sizes=3", "size=", "size=SMALL&size=SMALL"])
    async def test_nor_in_a_query(self, subject: Probe, query: str) -> None:
        assert errors(await subject.ask("GET", f"/parcels/p?{query}"))

    async def test_editions_choose_for_each_enum(self, subject: Probe) -> None:
        assert (await subject.ask("GET", "/trees?needed=n&open=9")).json["open"] == 9
        assert errors(await subject.ask("GET", "/trees?needed=n&closed=9"))

    async def test_names_and_numbers_are_taken(self, subject: Probe) -> None:
        assert (await subject.ask("GET", "/parcels/p?size=1&sizes=LARGE")).json["sizes"] == ["LARGE"]


class TestExtensions:
    @pytest.mark.parametrize("name", ["[millrace.older.v1.note]", "millrace.older.v1.note", "note", "100"])
    async def test_they_cannot_be_given(self, subject: Probe, name: str) -> None:
        answer = await subject.ask("POST", "/parcels", json={"parcelId": "p", name: "x"})

        assert errors(answer) == [(name, "is not known here")]

    async def test_nor_in_a_query(self, subject: Probe) -> None:
        assert errors(await subject.ask("GET", "/parcels/p?%5Bmillrace.older.v1.note%5D=x"))


class TestForeignPool:
    async def test_well_known_types_are_known(self, subject: Probe) -> None:
        body = {
            "sentAt": "2026-01-01T00:00:00Z",
            "boxed": "7",
            "struct": {"a": [1.0, None, {"b": True}]},
            "any": {
                "@type": "type.googleapis.com/google.protobuf.Timestamp",
                "value": "2026-01-01T00:00:00Z",
            },
        }

        assert (await subject.ask("POST", "/parcels", json={"parcelId": "p"} | body)).json == PARCEL | body
        assert (await subject.ask("GET", "/parcels/p?boxed=7&sentAt=2026-01-01T00:00:00Z")).json[
            "boxed"
        ] == "7"

    async def test_any_finds_types_of_the_contract_and_no_others(self, subject: Probe) -> None:
        """Not even those of this process: the services would not know them."""
        inside = {"@type": "type.googleapis.com/millrace.edition.v1.Leaf", "text": "x"}
        answer = await subject.ask("POST", "/parcels", json={"parcelId": "p", "any": inside})
        assert answer.json["any"] == inside

        ours = {"@type": "type.googleapis.com/google.rpc.Status"}
        assert errors(await subject.ask("POST", "/parcels", json={"parcelId": "p", "any": ours}))
