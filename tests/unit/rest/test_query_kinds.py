"""Query parameters into every kind of field."""

from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from tests.unit.rest.kinds import KINDS, NOT_TEXT, REFUSED, REPEATED, TAKEN
from tests.unit.rest.probe import Probe, probe_file

PATH = "/v1/everything"


async def ask(probe: Probe, *parameters: tuple[str, str]) -> Any:
    query = "&".join(f"{name}={quote_plus(text)}" for name, text in parameters)
    return await probe.ask("GET", f"{PATH}?{query}")


def named(answer: Any) -> list[str]:
    assert answer.status == 400, answer.body
    return [error["field"] for error in answer.json["errors"]]


def test_every_field_is_tried() -> None:
    """A kind that is added to the probe must be added to the tables."""
    fields = {field.json_name for field in probe_file().message_types_by_name["Everything"].fields}
    not_worth_it = {"colourByBool", "doubleByText", "bytesByUint32", "valueByText", "chosenNull", "nullValue"}

    assert fields == {*KINDS, *REPEATED, *NOT_TEXT} | not_worth_it


@pytest.mark.parametrize(("name", "text", "value"), TAKEN)
async def test_a_text_is_taken(probe: Probe, name: str, text: str, value: Any) -> None:
    answer = await ask(probe, (name, text))

    assert (answer.status, answer.json.get(name)) == (200, value)


@pytest.mark.parametrize(("name", "text"), REFUSED)
async def test_a_text_is_refused(probe: Probe, name: str, text: str) -> None:
    assert named(await ask(probe, (name, text))) == [name]


@pytest.mark.parametrize("name", ["an_int32", "some_bytes", "maybe_string", "double_value"])
async def test_proto_names_are_taken(probe: Probe, name: str) -> None:
    assert (await ask(probe, (name, "1" if name != "some_bytes" else "AQI="))).status == 200


@pytest.mark.parametrize(("name", "singular"), REPEATED.items())
async def test_a_repeated_parameter_is_a_list_in_order(probe: Probe, name: str, singular: str) -> None:
    pairs = KINDS[singular][0]

    answer = await ask(probe, *[(name, text) for text, _ in [*pairs, pairs[0]]])

    assert answer.json[name] == [value for _, value in [*pairs, pairs[0]]]


@pytest.mark.parametrize(("name", "singular"), [(n, s) for n, s in REPEATED.items() if KINDS[s][1]])
async def test_one_wrong_element_is_enough(probe: Probe, name: str, singular: str) -> None:
    taken, refused = KINDS[singular]

    assert named(await ask(probe, (name, taken[0][0]), (name, refused[0]))) == [name]


@pytest.mark.parametrize("text", ["", "x", "{}", "null"])
@pytest.mark.parametrize("name", [*NOT_TEXT, "textByText.a", "struct.a", "any.@type", "values.x"])
async def test_what_no_text_can_spell_is_refused(probe: Probe, name: str, text: str) -> None:
    assert named(await ask(probe, (quote(name), text))) == [name]


@pytest.mark.parametrize("name", [name for name in KINDS if name not in {"chosenText"}])
async def test_a_single_value_is_given_once(probe: Probe, name: str) -> None:
    """Under either of its names, and however often too often, it is one mistake."""
    text = KINDS[name][0][0][0]

    assert named(await ask(probe, (name, text), (name, text), (name, text))) == [name]


class TestSeveralMistakes:
    async def test_all_are_reported_in_order(self, probe: Probe) -> None:
        answer = await probe.ask(
            "GET",
            f"{PATH}?nothing=1&aString=fine&anInt32=x&aBool=maybe&aBool=true&inner.nothing=2&colour=red",
        )

        assert named(answer) == ["nothing", "anInt32", "aBool", "inner.nothing", "colour"]
        assert answer.json["detail"] == "nothing: is not known here (and 4 more, see errors)"

    async def test_path_and_query_are_reported_together(self, probe: Probe) -> None:
        answer = await probe.ask("GET", "/v1/nested/shelves/a/seven?dry=maybe&nothing=1")

        assert named(answer) == ["thing.count", "dry", "nothing"]

    async def test_one_mistake_speaks_for_itself(self, probe: Probe) -> None:
        answer = await ask(probe, ("aBool", "maybe"))

        assert answer.json["detail"] == "aBool: must be true or false"


class TestOneofs:
    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ("chosenText=a", "chosenNumber=1"),
            ("chosenNumber=1", "chosenText=a"),
            ("chosenText=a", "chosenInner.count=1"),
            ("chosenInner.count=1", "chosenText=a"),
            ("chosenInner.deeper.count=1", "chosenNumber=1"),
        ],
    )
    async def test_two_members_exclude_each_other(self, probe: Probe, first: str, second: str) -> None:
        """Also when one of them is only walked through: the later must not silently undo the earlier."""
        answer = await probe.ask("GET", f"{PATH}?{first}&{second}")

        assert named(answer) == [second.partition("=")[0]]

    async def test_many_fields_of_one_member_are_fine(self, probe: Probe) -> None:
        answer = await probe.ask("GET", f"{PATH}?chosenInner.count=1&chosenInner.tags=a&chosenInner.tags=b")

        assert answer.json["chosenInner"] == {"someText": "", "count": 1, "tags": ["a", "b"]}
