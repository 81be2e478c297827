"""Taking turns: one builder of a package at a time, and none is kept out by a dead one."""

import fcntl
import json
import os
import socket
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import psutil
from botocore.exceptions import BotoCoreError, ClientError

from sinks.packages.errors import PackageError, storage_error

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LEASE_SECONDS = 300
"""A builder that has not renewed its lease for this long is taken for dead; a dead one of this machine at once."""
_RENEW_SECONDS = 60


class Turn(Protocol):
    """One builder at a time."""

    def take(self) -> None:
        """Take it. Raises PackageError where another builder has it."""

    def renew(self, *, at_once: bool = False) -> None:
        """Say that the builder lives; call it often, `at_once` where much depends on it. Raises PackageError where the
        turn was lost."""

    def give_back(self) -> None:
        """Let the next builder go."""


class DirectoryTurn:
    """A lock on a file; the operating system lets go of it when its process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def take(self) -> None:
        while self._handle is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            except FileNotFoundError:
                continue  # a builder that published nothing has just removed the folder
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                raise PackageError(f"another build of {self._path.parent.name} is running") from None
            if self._is_there(handle):
                self._handle = handle
            else:
                os.close(handle)

    def renew(self, *, at_once: bool = False) -> None:
        """Nothing to do: the lock lives as long as the process."""

    def give_back(self) -> None:
        if self._handle is None:
            return
        with suppress(OSError):
            if [path.name for path in self._path.parent.iterdir()] == [self._path.name]:
                # Nothing was published, now or ever: no empty package is left behind.
                self._path.unlink()
                self._path.parent.rmdir()
        os.close(self._handle)
        self._handle = None

    def _is_there(self, handle: int) -> bool:
        """Whether the lock is on the file that others will find: a builder may remove it in between."""
        try:
            return os.path.samestat(os.fstat(handle), self._path.stat())
        except FileNotFoundError:
            return False


_held: set[str] = set()
"""Leases of this process: one that it could not give back is not in the way of its next build."""


class BucketTurn:
    """An object that says who builds. Every change of it is a conditional write, so two cannot both have it."""

    def __init__(self, client: "S3Client", bucket: str, key: str, name: str) -> None:
        self._client = client
        self._bucket = bucket
        self._key = key
        self._name = name
        self._token = uuid.uuid4().hex
        self._etag = ""
        self._renewed = 0.0

    def take(self) -> None:
        try:
            self._put(none_is_there=True)
            return
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (409, 412):
                raise
        found = self._client.get_object(Bucket=self._bucket, Key=self._key)
        owner = json.loads(found["Body"].read())
        age = (datetime.now(UTC) - found["LastModified"]).total_seconds()
        here = owner["host"] == socket.gethostname()
        mine = here and owner["pid"] == os.getpid() and owner.get("token") not in _held
        gone = mine or (here and not alive(owner["pid"], owner["started"]))
        if age < LEASE_SECONDS and not gone:
            raise PackageError(
                f"another build of {self._name} is running on {owner['host']}, process "
                f"{owner['pid']}. If it is dead, try again in {LEASE_SECONDS - int(age)} seconds"
            )
        self._put(instead_of=found["ETag"])

    def renew(self, *, at_once: bool = False) -> None:
        if not at_once and time.monotonic() - self._renewed < _RENEW_SECONDS:
            return
        try:
            self._put(instead_of=self._etag)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (404, 409, 412):
                raise PackageError("another builder took over; nothing was published") from None
            raise storage_error(error, "renewing the lease") from error
        except BotoCoreError as error:
            raise storage_error(error, "renewing the lease") from error

    def give_back(self) -> None:
        _held.discard(self._token)
        with suppress(BotoCoreError, ClientError):  # it runs out by itself
            found = self._client.get_object(Bucket=self._bucket, Key=self._key)
            if json.loads(found["Body"].read()).get("token") != self._token:
                return  # another builder has it now
            self._client.delete_object(Bucket=self._bucket, Key=self._key)

    def _put(self, *, none_is_there: bool = False, instead_of: str = "") -> None:
        owner = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": psutil.Process().create_time(),
            "token": self._token,
        }
        client, bucket, key = self._client, self._bucket, self._key
        body = json.dumps(owner).encode()
        if none_is_there:
            done = client.put_object(Bucket=bucket, Key=key, Body=body, IfNoneMatch="*")
        else:
            done = client.put_object(Bucket=bucket, Key=key, Body=body, IfMatch=instead_of)
        _held.add(self._token)
        self._etag = done["ETag"]
        self._renewed = time.monotonic()


def alive(pid: int, started: float) -> bool:
    """Whether a process of this machine still is the one that started at this time."""
    try:
        return abs(psutil.Process(pid).create_time() - started) < 1
    except psutil.Error:
        return False
