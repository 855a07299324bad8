"""Values that break what is careless: each as the bytes that stand in a record."""

from __future__ import annotations

from typing import Literal, NamedTuple

Outcome = Literal["kept", "quarantined"]


class Hostile(NamedTuple):
    """`value` stands where a record's free text stood: JSON for APIs, a cell for CSV. `outcome` is what is right."""

    name: str
    value: bytes
    outcome: Outcome


def text(name: str, inside: bytes, outcome: Outcome = "kept") -> Hostile:
    return Hostile(name, b'"' + inside + b'"', outcome)


def beside(name: str, value: bytes, outcome: Outcome = "kept") -> Hostile:
    """A value of any type, in a field that the contract does not name."""
    return Hostile(name, b'"x", "odd": ' + value, outcome)


JSON = (
    text("null character", rb"a\u0000b"),
    text("lone surrogate", rb"a\ud83db"),
    text("lone low surrogate", rb"\udc00"),
    text("surrogates the wrong way round", rb"\ude00\ud83d"),
    text("surrogate pair", rb"\ud83d\ude00"),
    text("escaped backslash before u0000", rb"\\u0000 \\ud800"),
    text("invalid UTF-8", b"caf\xe9", "quarantined"),
    text("surrogate in UTF-8", b"\xed\xa0\x80", "quarantined"),
    text("overlong UTF-8", b"\xc0\x80", "quarantined"),
    text("raw control characters", b"a\x00\x01\x1f", "quarantined"),
    text("mixed line ends", rb"a\r\nb\nc\rd"),
    text("raw line ends", b"a\r\nb\nc\rd", "quarantined"),
    text("byte order mark", "\ufeffa\ufeff".encode()),
    text("words of numbers", b"NaN Infinity 1e999999 \xe2\x80\xae"),
    text("SQL and quotes", rb"'; drop table raw.x; -- \" $$ %s {{ x }}"),
    text("10 MB", b"0123456789" * 1_048_576),
    beside("NaN", b"NaN", "quarantined"),
    beside("Infinity", b"[Infinity, -Infinity]", "quarantined"),
    beside("64-bit ids", b"[9223372036854775807, 18446744073709551615, -9223372036854775808]"),
    beside("ids beyond 64 bits", b"123456789012345678901234567890"),
    beside("decimals", b'[0.1, 1.10, "1.10", 12345678901234567890.123456789, 1E5, -0.0]'),
    beside("a number too large", b"1e400", "quarantined"),
    beside("a number too small for Postgres", b"1e-20000", "quarantined"),
    beside("a zero with an exponent too large", b"0e999999999999", "quarantined"),
    beside("more digits than Postgres keeps", b"1." + b"1" * 16_384, "quarantined"),
    beside("as many digits as Postgres keeps", b"1." + b"1" * 16_000),
    beside("200 levels", b"[" * 200 + b"]" * 200),
    beside("10,000 levels", b"[" * 10_000 + b"]" * 10_000, "quarantined"),
    beside("10,000 levels of objects", b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "quarantined"),
    beside("duplicate keys", b'{"a": 1, "a": 2, "a": {"b": 1, "b": 2}}'),
    beside("null character in a name", rb'{"\u0000": 1, "\ud800": 2}'),
    beside("yen and dinars", b'{"currency": "jpy", "amount": 1000, "other": {"currency": "BHD", "amount": "1.234"}}'),
    beside("days of 23 and 25 hours", b'["2026-03-29T02:30:00", "2026-10-25T02:30:00+01:00", "2026-10-25T00:30:00Z"]'),
)

_KEYS = (
    beside("a lone surrogate as the key", rb'1, "id": "\ud800"', "quarantined"),
    beside("a null character as the key", rb'1, "id": "a\u0000"', "quarantined"),
    beside("3,000 characters as the key", b'1, "id": "' + b"k" * 3_000 + b'"', "quarantined"),
    beside("no key", b'1, "id": ""', "quarantined"),
)
KEYS = tuple(each for one in _KEYS for each in (one, text(f"a neighbour of {one.name}", b"x")))
"""Of records whose key is their `id`: of two, the last one counts. A page of nothing else could not be gone on from."""

LINES = tuple(each for each in JSON if each.name != "raw line ends")
"""Of files with a record a line: there a raw line end ends the record."""

REFUSED_BY_POSTGRES = (
    *("invalid UTF-8", "surrogate in UTF-8", "overlong UTF-8", "raw control characters", "raw line ends"),
    *("NaN", "Infinity"),
)
ROWS = (
    *(
        Hostile(each.name, b'$json${"x": %s}$json$::json' % each.value, each.outcome)
        for each in JSON
        if each.name not in REFUSED_BY_POSTGRES
    ),
    Hostile("a text of control characters", rb"E'a\r\nb\nc\rd\x01\x1f\x7f'::text", "kept"),
    Hostile("numeric NaN and Infinity", b"array['NaN', 'Infinity', '-Infinity']::numeric[]", "kept"),
    Hostile("float NaN and Infinity", b"array['NaN', 'Infinity', '-0', '1e308', '5e-324']::float8[]", "kept"),
    Hostile("numerics", b"array[1.10, 12345678901234567890.123456789, 1e-30]::numeric[]", "kept"),
    Hostile("a numeric too large for a float", b"1e400::numeric", "kept"),
    Hostile("64-bit bounds", b"array[9223372036854775807, -9223372036854775808]::bigint[]", "kept"),
    Hostile(
        "times without end", b"array['infinity', '-infinity', '0044-03-15 BC', '294276-12-31']::timestamptz[]", "kept"
    ),
    Hostile("bytes", rb"'\x00ff'::bytea", "kept"),
)
"""Expressions of SQL: what a column of a table may hold, JSON that Postgres takes among it."""

CELLS = (
    Hostile("null character", b"a\x00b", "kept"),
    Hostile("mixed line ends", b'"a\r\nb\nc\rd"', "kept"),
    Hostile("byte order mark", "\ufeffa\ufeff".encode(), "kept"),
    Hostile("words of JSON", rb"NaN null \u0000 \ud800", "kept"),
    Hostile("quotes", b'"a ""quoted"", word"', "kept"),
    Hostile("emoji and marks", "\U0001f600 \u202e \x7f".encode(), "kept"),
    Hostile("64-bit ids", b"18446744073709551616", "kept"),
    Hostile("decimals", b"1.10", "kept"),
    Hostile("SQL", b"'; drop table raw.x; -- $$ %s {{ x }}", "kept"),
    Hostile("yen", b"1000", "kept"),
    Hostile("dinars", b'"1,234"', "kept"),
    Hostile("an hour that is not there", b"2026-03-29T02:30:00", "kept"),
    Hostile("an hour that is there twice", b"2026-10-25T02:30:00+01:00", "kept"),
    Hostile("900,000 characters", b"0123456789" * 90_000, "kept"),
)

WHOLE_FILES = {
    "a line is longer than 1,000,000 characters": b"0123456789" * 1_048_576,
    "not UTF-8": b"caf\xe9",
    "a quote that does not open or close a field": b'a "b" c',
    "unexpected end of data": b'"a',
}
"""Cells that cost the whole of their file, by what is said of it: 10 MB among them, which an API's record may have."""
