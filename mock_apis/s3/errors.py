"""S3's errors: a status and an XML body with a code."""

from __future__ import annotations

from xml.sax.saxutils import escape


class S3Error(Exception):
    def __init__(self, status: int, code: str, message: str, more: dict[str, str] | None = None):
        super().__init__(message)
        self.status, self.code, self.message, self.more = status, code, message, more or {}

    def body(self) -> bytes:
        return error_body(self.code, self.message, self.more)


def error_body(code: str, message: str, more: dict[str, str] | None = None) -> bytes:
    parts = {"Code": code, "Message": message, **(more or {}), "RequestId": "HWDEMO0000000001"}
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in parts.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()
