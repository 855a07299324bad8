"""Contracts: one JSON Schema file a stream, in ingestion/contracts/<type>/<stream>.json, checked at speed.

A field that no contract names is kept (raw is what the source said) and noted as drift, unless the object that it
stands in says `"additionalProperties": true`; a record that lacks what is required, or has it in another type, is
rejected with every error it has.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema_rs
import msgspec

from settings import HeadwaterError

LONGEST_ERROR = 300
_LONE_SURROGATES = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATES = re.compile("[\ud800-\udfff]")
MOST_DECIMALS, MOST_DIGITS = 16_383, 131_072  # of Postgres' numeric, and so of a number in its jsonb
# Times that Postgres has too: from the year 1, less than 16 hours from UTC. Whole numbers that its bigint holds.
_A_TIME = {"not": {"type": "string", "pattern": "^0000-|[+-](?:1[6-9]|2[0-9]):[0-9]{2}$"}}
_AN_INTEGER = {"minimum": -(2**63), "maximum": 2**63 - 1}


class Verdict(NamedTuple):
    """`document` is the decoded record (None when it is no JSON at all); without `errors` the contract holds."""

    document: Any
    errors: list[str]


class Contract:
    """Checks records of one stream; `new_fields` collects the fields it met that the schema does not name."""

    def __init__(self, schema: dict[str, Any]):
        schema = _bounded(schema)
        # Errors travel to logs and reports: they say what is wrong with a value, never the value, which may be a
        # person's. `quarantine show` has the bytes.
        self._validator = jsonschema_rs.validator_for(schema, validate_formats=True, mask="the value")
        self._strict = jsonschema_rs.validator_for(_closed(schema), validate_formats=True)
        self.new_fields: set[str] = set()

    def check(self, data: bytes) -> Verdict:
        """Decode and check one record; never raises for what is in it."""
        try:
            document = decoded(data)
        except (ValueError, RecursionError) as error:
            return Verdict(None, [_short(f"not JSON: {_why(error)}")])
        try:
            if self._strict.is_valid(document):
                return Verdict(document, [])
            errors = [_short(f"{_path(e.instance_path)}: {e.message}") for e in self._validator.iter_errors(document)]
            self._note_drift(document)
        except (ValueError, RecursionError) as error:
            return Verdict(None, [_short(f"cannot be checked: {_why(error)}")])
        return Verdict(document, errors)

    def _note_drift(self, document: Any) -> None:
        for error in self._strict.iter_errors(document):
            if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
                place = _path(["[]" if isinstance(part, int) else part for part in error.instance_path])
                prefix = "" if place == "the record" else f"{place}."
                self.new_fields.update(f"{prefix}{name}" for name in error.kind.unexpected)


def load_contract(folder: Path, stream: str) -> Contract:
    """The contract of `stream`; raises HeadwaterError when its file is missing or no JSON Schema."""
    path = folder / f"{stream}.json"
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(schema, dict):
            raise ValueError("it is no JSON object")
        return Contract(schema)
    except OSError as error:
        raise HeadwaterError(
            f"The contract {path} cannot be read ({error.strerror}); every stream needs one."
        ) from error
    except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        raise HeadwaterError(f"The contract {path} is no JSON Schema: {str(error).splitlines()[0]}") from error


def decoded(data: bytes) -> Any:
    """The document; a lone surrogate, which JSON allows and no text can hold, is read as U+FFFD. Raises ValueError."""
    try:
        return _decoder.decode(data)
    except msgspec.DecodeError:
        if not _LONE_SURROGATES.search(data):
            raise
    document = json.loads(data.decode(), parse_constant=_no_constant, parse_float=_number)
    return msgspec.json.decode(_SURROGATES.sub("\ufffd", json.dumps(document, ensure_ascii=False)))


def has_lone_surrogates(data: bytes) -> bool:
    """Whether `decoded` had to replace some in this document."""
    try:
        _decoder.decode(data)
    except msgspec.DecodeError:
        return True
    return False


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _number(text: str) -> float:
    """A number as written; only zeros (too small ones are read as such) and long ones can be beyond Postgres."""
    value = float(text)
    if value in (0.0, math.inf, -math.inf) or len(text) > MOST_DECIMALS:
        try:
            exponent = Decimal(text).as_tuple().exponent
        except ArithmeticError:
            exponent = "n"
        if math.isinf(value) or not isinstance(exponent, int) or not -MOST_DECIMALS <= exponent <= MOST_DIGITS:
            raise ValueError("a number is out of range")
    return value


_decoder = msgspec.json.Decoder(float_hook=_number)


def _bounded(schema: Any) -> Any:
    """The schema with the bounds that Postgres sets to times and whole numbers, where it sets none of its own."""
    if isinstance(schema, list):
        return [_bounded(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    bounded = {name: _bounded(part) for name, part in schema.items()}
    if schema.get("format") == "date-time":
        bounded = _A_TIME | bounded
    kind = schema.get("type")
    if kind == "integer" or (isinstance(kind, list) and "integer" in kind and "number" not in kind):
        bounded = _AN_INTEGER | bounded
    return bounded


def _closed(schema: Any) -> Any:
    """The schema with every object shut to fields it does not name, except where it says that it expects more.

    What stands under anyOf, not and the like is left: shutting it would change which branch holds.
    """
    if not isinstance(schema, dict):
        return schema
    closed = dict(schema)
    if "properties" in schema:
        closed["properties"] = {name: _closed(part) for name, part in schema["properties"].items()}
        closed.setdefault("additionalProperties", False)
    if "items" in schema:
        closed["items"] = _closed(schema["items"])
    if "$defs" in schema:
        closed["$defs"] = {name: _closed(part) for name, part in schema["$defs"].items()}
    return closed


def _path(parts: Iterable[str | int]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else "[]" if part == "[]" else f".{part}" for part in parts)
    return text.removeprefix(".") or "the record"


def _why(error: BaseException) -> str:
    if isinstance(error, RecursionError) or "ecursion limit" in str(error):
        return "it is nested too deep"
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 (byte {error.object[error.start]:#04x})"
    return str(error)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_ERROR else f"{text[: LONGEST_ERROR - 1]}…"
