"""The secrets of one stack, made once and kept in files that only the owner can read."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

_CREDENTIALS = "credentials.json"
_PSEUDONYM_KEY = "pseudonym.key"


@dataclass(frozen=True)
class S3Credentials:
    """The object store's root credentials."""

    access_key: str
    secret_key: str = field(repr=False)


def pseudonym_key_file(home: Path) -> Path:
    """The file with the key of the pseudonyms (64 hex digits), made when missing and never replaced.

    A new key would give every person new pseudonyms, so traces from before and after could not be compared.
    """
    path = home / _PSEUDONYM_KEY
    _create(path, secrets.token_hex(32) + "\n")
    return path


def s3_credentials(home: Path) -> S3Credentials:
    """This stack's credentials, made when missing.

    Where the file exists clients expect tables in the object store, so it is made only when that starts.
    """
    path = home / _CREDENTIALS
    fresh = {"access_key": "tdc" + secrets.token_hex(8), "secret_key": secrets.token_hex(24)}
    _create(path, json.dumps(fresh, indent=2) + "\n")
    held = json.loads(path.read_text("utf-8"))
    return S3Credentials(held["access_key"], held["secret_key"])


def _create(path: Path, content: str) -> None:
    # Written whole under another name and linked into place: a crash leaves no empty key behind, and of
    # two starters the second keeps the first one's.
    if path.exists():
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
