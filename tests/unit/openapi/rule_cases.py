"""The rules to be judged: declarations of a field, and values that each is tried with."""

from __future__ import annotations

# Written as they stand in a proto: type, rules.
UUID = "01a20747-0611-76b4-8e97-92e8b6754566"
TEXTS: list[object] = [
    "", "a", "A", "ab", "abc", "abcd", "é", "ééé", "abé", "x-y", " ", "a\n", "\n", "a\u0000", "EUR",
    "12345678", UUID, UUID.upper(), UUID[:-1], UUID.replace("-", ""), "ada@shop.example", "ada@",
    "@shop", "a b@c.example", "shop.example", "-shop.example", "http://shop.example/a?b=c", "not a uri",
    "/a/b", "127.0.0.1", "::1", "1.2.3", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "a.b.C", ".a.b.C", "1a",
    "X-Header", "X Header", None, 1, True, [], {},
]  # fmt: skip
INTEGERS: list[object] = [
    -(2**63), -(2**31) - 1, -(2**31), -101, -6, -5, -1, 0, 1, 4, 5, 6, 7, 9, 10, 11, 59, 60, 99, 100,
    101, 365, 366, 604800, 604801, 999999999, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**63 - 1,
    2**63, 2**64 - 1, 2**64, 1.0, 5.0, 1.5, None, True, "", "x", " 5", "5 ", "5.0", "1e1", "+5", "1_0",
    [5],
]  # fmt: skip
TEXT_INTEGERS: list[object] = [
    "-101", "-6", "-5", "-1", "0", "1", "4", "5", "6", "7", "10", "11", "59", "60", "99", "100", "365",
    "366", "604800", "604801", "999999999", "9223372036854775807",
]  # fmt: skip
NUMBERS: list[object] = [
    -1e300, -1.5, -1, 0, 0.5, 1, 1.5, 2, 9.99, 10, 10.5, 1e300, "0", "1.5", "12", "NaN", "Infinity",
    "-Infinity", "nan", "x", "", None, True, [],
]  # fmt: skip
BYTES: list[object] = [
    "", "QQ", "QQ==", "QQ=", "QUI=", "QUJD", "QUJDRA==", "QUJDREVG", "A", "A===", "Q Q=", "-_-_", "+/+/",
    "a" * 8, "QUJDREVGR0hJSktMTU5PUA==", 1, None,
]  # fmt: skip
ENUMS: list[object] = ["NONE", "ONE", "TWO", "THREE", "none", "", 0, 1, 2, 3, -1, 1.0, None, True, "1"]
LISTS: list[object] = [
    [],
    ["a"],
    ["a", "a"],
    ["a", "b"],
    ["ab"],
    ["a", "b", "c"],
    ["ab", "ab"],
    [None],
    "a",
    None,
    {},
]
MAPS: list[object] = [
    {},
    {"a": "x"},
    {"a": "xy"},
    {"ab": "xy", "b": "xy"},
    {"ab": ""},
    {"": "xy"},
    {"ab": None},
    [],
    None,
]

STRING_RULES = [
    "", "const: 'ab'", "len: 3", "min_len: 1", "min_len: 2", "max_len: 2", "min_len: 2 max_len: 3",
    "len_bytes: 1", "max_bytes: 2", "pattern: '^[A-Z]{3}$'", "pattern: 'b'", "pattern: '^[[:alpha:]]+$'",
    "pattern: '\\\\Aab\\\\z'", "pattern: '^a?$'", "prefix: 'a'", "suffix: 'c'", "contains: 'b'",
    "not_contains: 'b'", "not_contains: '\\0'", "not_contains: 'ab'", "in: ['a', 'abc']",
    "in: ['a', '']", "not_in: ['a', 'abc']", "not_in: ['']", "email: true", "ipv4: true", "ipv6: true",
    "ip: true", "uuid: true", "tuuid: true", "uri_ref: true", "uri: true", "ulid: true",
    "protobuf_fqn: true", "protobuf_dot_fqn: true", "well_known_regex: KNOWN_REGEX_HTTP_HEADER_NAME",
    "well_known_regex: KNOWN_REGEX_HTTP_HEADER_VALUE",
    "well_known_regex: KNOWN_REGEX_HTTP_HEADER_VALUE strict: false",
    "pattern: '^[a-z]+$' prefix: 'a' suffix: 'c'", "example: 'anything'", "uuid: false",
    "pattern: '[.]e' email: true",
]  # fmt: skip
INTEGER_RULES = [
    "", "const: 5", "const: 0", "lt: 10", "lte: 10", "gt: 5", "gte: 5", "gte: 1", "gte: 0",
    "gte: 1 lte: 365", "gte: 60 lte: 604800", "gt: 5 lt: 10", "gte: 10 lte: 5", "in: [1, 5]",
    "in: [0, 1, 5]", "not_in: [5, 7]", "not_in: [0]", "gte: 4 not_in: [5]", "lt: 1", "example: 3",
]  # fmt: skip
SIGNED_RULES = ["gte: -5 lte: 5", "lt: 0", "lte: -5", "gt: -6", "gte: -5 lte: -1", "const: -1", "in: [-5, 5]"]
FLOAT_RULES = [
    "", "finite: true", "gte: 0", "gt: 0", "gte: 0 finite: true", "lte: 10", "lt: 1.5", "gte: 1 lte: 10",
    "gt: 1 lt: 2", "gte: 10 lte: 1", "const: 1.5", "in: [0.5, 1.5]", "not_in: [1.5]",
]  # fmt: skip
BYTES_RULES = ["", "len: 3", "min_len: 1", "max_len: 2", "min_len: 2 max_len: 4", "ipv4: true", "uuid: true"]
ENUM_RULES = [
    "", "defined_only: true", "defined_only: true not_in: [0]", "const: 1", "in: [1, 2]", "in: [0, 1]",
    "not_in: [0]", "not_in: [2]",
]  # fmt: skip
LIST_RULES = [
    "", "min_items: 1", "max_items: 1", "min_items: 1 max_items: 2", "unique: true",
    "items: {string: {min_len: 2}}", "items: {string: {min_len: 2}, ignore: IGNORE_ALWAYS}",
]  # fmt: skip
MAP_RULES = [
    "", "min_pairs: 1", "max_pairs: 1", "keys: {string: {min_len: 2}}", "values: {string: {min_len: 2}}",
    "values: {string: {min_len: 2}, ignore: IGNORE_IF_ZERO_VALUE}",
    "min_pairs: 1 values: {string: {len: 2}}",
]  # fmt: skip
CEL = [
    r"cel: {id: 'a' message: 'm' expression: 'this.matches(\"^[A-Z]{3}$\")'}",
    r"cel: {id: 'a' expression: 'this.matches(r\"^[^\\\\s]+$\")'}",
    r"string: {min_len: 2} cel: {id: 'a' message: 'm' expression: 'this.matches(\"^[a-z]*$\")'}",
]

Case = tuple[str, str, list[object]]


def cases() -> list[Case]:
    """Field declarations (`<type> v = 1 [...]`), each with the values to judge."""
    found: list[Case] = []

    def add(kind: str, rules: list[str], values: list[object], type_name: str = "") -> None:
        for rule in rules:
            name = type_name or kind
            found.append((kind, f"(buf.validate.field).{name} = {{{rule}}}", values))

    add("string", STRING_RULES, TEXTS)
    for kind in ("int32", "int64", "sint32", "sfixed64"):
        add(kind, INTEGER_RULES + SIGNED_RULES, INTEGERS + TEXT_INTEGERS)
    for kind in ("uint32", "uint64", "fixed32"):
        add(kind, INTEGER_RULES, INTEGERS + TEXT_INTEGERS)
    for kind in ("double", "float"):
        add(kind, FLOAT_RULES, NUMBERS)
    add("bool", ["", "const: true", "const: false"], [True, False, None, "true", 1])
    add("bytes", BYTES_RULES, BYTES)
    add("Kind", ENUM_RULES, ENUMS, "enum")
    add("repeated string", LIST_RULES, LISTS, "repeated")
    add("map<string, string>", MAP_RULES, MAPS, "map")
    for kind, bound in (("int32", "gte: 5 lte: 10"), ("uint64", "in: [5]")):
        keys: list[object] = [{str(key): "x"} for key in (*TEXT_INTEGERS, 2**31, 2**64 - 1, 2**64, "x", "")]
        for rule in ("", f"keys: {{{kind}: {{{bound}}}}}"):
            found.append((f"map<{kind}, string>", f"(buf.validate.field).map = {{{rule}}}", keys))
    for rule in CEL:
        found.append(("string", f"(buf.validate.field) = {{{rule}}}", TEXTS))
    presence = ["ignore: IGNORE_IF_ZERO_VALUE", "ignore: IGNORE_ALWAYS", "required: true", ""]
    for option in presence:
        for kind in ("string", "optional string"):
            rule = f"(buf.validate.field) = {{{option} string: {{min_len: 2}}}}"
            found.append((kind, rule, TEXTS))
            pattern = f"(buf.validate.field) = {{{option} string: {{pattern: '^[A-Z]{{3}}$'}}}}"
            found.append((kind, pattern, TEXTS))
        for kind in ("int32", "optional int64"):
            name = kind.split()[-1]
            rule = f"(buf.validate.field) = {{{option} {name}: {{gte: 60, lte: 604800}}}}"
            found.append((kind, rule, INTEGERS + TEXT_INTEGERS))
    wrapped = "(buf.validate.field).string = {min_len: 2}"
    found.append(("google.protobuf.StringValue", wrapped, TEXTS))
    return found
