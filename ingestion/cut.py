"""Cut a JSON answer into its records without touching a byte of them: raw keeps what the source said.

msgspec does it at speed. It refuses some records that others of the same answer must not fall with (a lone surrogate
escape, nesting without end): then a scanner that only knows strings and brackets cuts, and the contract judges.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},]', re.DOTALL)  # possessive: a string may be 10 MB long
_REFUSALS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_whole = msgspec.json.Decoder(msgspec.Raw)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array = msgspec.json.Decoder(list[msgspec.Raw])


def members(document: bytes) -> dict[str, bytes]:
    """The members of a JSON object, each value as its bytes; raises ValueError when it is no object."""
    try:
        return {name: bytes(value) for name, value in _object.decode(document).items()}
    except _REFUSALS:
        found = {}
        for part in _parts(document, b"{", b"}"):
            name = _TOKEN.match(part)
            if not name or not part[name.end() :].lstrip().startswith(b":"):
                raise ValueError("not a JSON object") from None
            found[msgspec.json.decode(name[0], type=str)] = part[name.end() :].lstrip()[1:].strip()
        return found


def together(fields: Mapping[str, bytes]) -> bytes:
    """The JSON object of these members: what `members` took apart."""
    return b"{" + b",".join(msgspec.json.encode(name) + b":" + value for name, value in fields.items()) + b"}"


def elements(document: bytes) -> list[bytes]:
    """The elements of a JSON array, each as its bytes; raises ValueError when it is no array."""
    try:
        return [bytes(value) for value in _array.decode(document)]
    except _REFUSALS:
        return list(_parts(document, b"[", b"]"))


def at(document: bytes, *path: str) -> bytes:
    """The bytes at `path` within nested objects; raises ValueError that names the first member that is not there."""
    for name in path:
        found = members(document)
        if name not in found:
            raise ValueError(f"the answer has no {'.'.join(path)!r}")
        document = found[name]
    return document


def looks_whole(document: bytes) -> bool:
    """Whether this is one JSON document that was not cut; what is inside its strings is the contract's affair."""
    try:
        _whole.decode(document)
    except _REFUSALS:
        text = document.strip()
        try:
            return sum(1 for _ in _parts(text, text[:1], {b"{": b"}", b"[": b"]"}.get(text[:1], b""))) >= 0
        except ValueError:
            return False
    return True


def _parts(document: bytes, opening: bytes, closing: bytes) -> Iterator[bytes]:
    """What stands between the commas of the outermost brackets."""
    text = document.strip()
    if not opening or not closing or not text.startswith(opening) or not text.endswith(closing):
        raise ValueError("not a JSON array" if opening == b"[" else "not a JSON object")
    depth, start = 0, 1
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in (b"[", b"{"):
            depth += 1
        elif mark in (b"]", b"}"):
            depth -= 1
            if depth == 0 and token.end() != len(text):
                raise ValueError("more than one JSON document")
        if (mark == b"," and depth == 1) or depth == 0:
            part = text[start : token.start()].strip()
            if part or mark == b",":
                yield part
            start = token.end()
    if depth:
        raise ValueError("a JSON document that was cut")
