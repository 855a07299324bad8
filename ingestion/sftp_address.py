"""Where an SFTP server is, who it must prove to be, and how to log in to it.

For a source NAME the settings are NAME_SFTP_URL, NAME_SFTP_HOST_KEY and NAME_SFTP_PASSWORD or NAME_SFTP_PRIVATE_KEY.
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import paramiko
from paramiko.pkey import UnknownKeyType

from settings import SettingsError, secret, setting


@dataclass(frozen=True, slots=True)
class SftpAddress:
    """`folder` is absolute and ends with a slash. There is a password or a private key."""

    host: str
    port: int
    user: str
    folder: str
    host_key: paramiko.PKey
    password: str | None = field(repr=False)
    private_key: paramiko.PKey | None = field(repr=False)

    @classmethod
    def from_settings(cls, prefix: str, url_name: str) -> SftpAddress:
        """Read the settings that begin with `prefix`; raises SettingsError for one that is missing or wrong."""
        host, port, user, folder = _address(url_name, f"{prefix}_SFTP_PASSWORD")
        host_key = _host_key(f"{prefix}_SFTP_HOST_KEY", host, port)
        password, private_key = _login(prefix)
        return cls(host, port, user, folder, host_key, password, private_key)


def _address(url_name: str, password_name: str) -> tuple[str, int, str, str]:
    url = setting(url_name)
    wish = f"{url_name} is no SFTP address; write it as sftp://user@host:22/folder."
    try:
        parts = urlsplit(url)
        port = parts.port or 22
    except ValueError:
        raise SettingsError(wish) from None
    if parts.scheme != "sftp" or not parts.hostname or not parts.username:
        raise SettingsError(wish)
    if parts.password:
        raise SettingsError(f"{url_name} holds a password, which logs would show; move it to {password_name}.")
    folder = unquote(parts.path).strip("/")
    return parts.hostname, port, unquote(parts.username), f"/{folder}/" if folder else "/"


def _host_key(name: str, host: str, port: int) -> paramiko.PKey:
    """The public key of a line such as `ssh-ed25519 AAAA…`, with or without the host name in front."""
    how = f"get it with `ssh-keyscan -t ed25519 -p {port} {host}`, compare it with what the server's owner says"
    try:
        words = setting(name).split()
    except SettingsError as error:
        raise SettingsError(f"{error} It pins the server's key; {how}.") from None
    for kind, text in pairwise(words):
        if kind.startswith(("ssh-", "ecdsa-")):
            try:
                return paramiko.PKey.from_type_string(kind, base64.b64decode(text, validate=True))
            except (binascii.Error, paramiko.SSHException, ValueError, UnknownKeyType):
                break
    raise SettingsError(f"{name} is no host key such as `ssh-ed25519 AAAA…`: {how}.")


def _login(prefix: str) -> tuple[str | None, paramiko.PKey | None]:
    name = f"{prefix}_SFTP_PRIVATE_KEY"
    if not os.environ.get(name, "").strip():
        try:
            return secret(f"{prefix}_SFTP_PASSWORD"), None
        except SettingsError as error:
            raise SettingsError(f"{error} A key's file does as well: {name}.") from None
    try:
        return None, paramiko.PKey.from_path(Path(setting(name)).expanduser())
    except OSError as error:
        raise SettingsError(f"{name}: the file cannot be read: {error.strerror}.") from None
    except (paramiko.SSHException, UnknownKeyType, ValueError, TypeError):
        raise SettingsError(f"{name}: the file holds no private key without a passphrase.") from None
