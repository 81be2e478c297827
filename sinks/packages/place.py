"""Where packages live: a directory or a prefix of an object store. `<place>/<name>/<version>/...`.

A version is there when its manifest is there, and that is written last, in one step that fails where there is one
already. Builders of one package take turns: in a directory by a lock that dies with its process, in an object store by
a lease that its owner renews.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import boto3
import pyarrow.fs as pafs
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from schemas.errors import StorageUnavailable, UsageError
from schemas.settings import Settings
from sinks.packages.errors import PackageError, storage_error
from sinks.packages.manifest import FILE_NAME
from sinks.packages.turns import BucketTurn, DirectoryTurn, Turn
from sinks.packages.versions import is_version, number
from sinks.query import arrow_filesystem
from sinks.tables import table_uri

_CHUNK_BYTES = 4 * 2**20

FOLDER = "packages"
"""Under the root of the tables, unless a place is named."""


class Store(Protocol):
    """The few things that directories and object stores do differently."""

    def put_new(self, path: str, content: bytes) -> bool:
        """Write a file in one step unless it is there; False where it is."""

    def turn(self, name: str) -> Turn:
        """A turn at building this package, not taken yet."""

    def exists(self) -> bool:
        """Whether there is anything to look into: a directory, a bucket."""


class Place:
    """Packages under one address. Methods raise StorageUnavailable where the store does not answer."""

    def __init__(self, uri: str, files: pafs.FileSystem, store: Store) -> None:
        self.uri = uri
        self.files = files
        self._store = store

    def exists(self) -> bool:
        """Whether the directory or the bucket is there; a prefix of a bucket is, with or without objects."""
        try:
            return self._store.exists()
        except (OSError, BotoCoreError, ClientError) as error:
            raise StorageUnavailable(f"{self.uri} cannot be read ({type(error).__name__}: {error})") from None

    def names(self) -> list[str]:
        """Packages with a published version."""
        return [name for name in self._folders("") if self.versions(name)]

    def versions(self, name: str) -> list[str]:
        """Published versions, oldest first."""
        found = [version for version in self._folders(name) if is_version(version)]
        return sorted((version for version in found if self.published(name, version)), key=number)

    def published(self, name: str, version: str) -> bool:
        """Whether a version is there."""
        return self.size(f"{name}/{version}/{FILE_NAME}") is not None

    def size(self, path: str) -> int | None:
        """Size of a file, bytes; None where there is none."""
        with reading(path):
            info = self.files.get_file_info(path)
        return info.size if info.type == pafs.FileType.File else None

    def read(self, path: str) -> bytes:
        """A whole file. Raises PackageError where it is not there."""
        if self.size(path) is None:
            raise PackageError(f"{self.uri}/{path} is not there")
        with reading(path), self.files.open_input_stream(path, compression=None) as source:
            return bytes(source.read())

    def files_under(self, folder: str) -> list[str]:
        """Paths of all files of a folder, relative to it."""
        with reading(folder):
            found = self.files.get_file_info(pafs.FileSelector(folder, allow_not_found=True, recursive=True))
        return sorted(info.path.removeprefix(folder).lstrip("/") for info in found if info.type == pafs.FileType.File)

    def write(self, path: str, content: bytes) -> None:
        """Write a file, whatever is there."""
        try:
            self.files.create_dir(path.rpartition("/")[0], recursive=True)
            with self.files.open_output_stream(path, compression=None) as out:
                out.write(content)
        except OSError as error:
            raise storage_error(error, f"writing {path}") from error

    def copy_in(self, source: Path, path: str) -> tuple[int, str]:
        """Copy a local file here, whatever is there; its size in bytes and its sha256."""
        digest, size = sha256(), 0
        try:
            self.files.create_dir(path.rpartition("/")[0], recursive=True)
            with source.open("rb") as file, self.files.open_output_stream(path, compression=None) as out:
                while chunk := file.read(_CHUNK_BYTES):
                    out.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
        except OSError as error:
            raise storage_error(error, f"writing {path}") from error
        return size, digest.hexdigest()

    def write_new(self, path: str, content: bytes) -> bool:
        """Write a file in one step unless it is there; False where it is."""
        try:
            return self._store.put_new(path, content)
        except (OSError, BotoCoreError, ClientError) as error:
            raise storage_error(error, f"writing {path}") from error

    @contextmanager
    def building(self, name: str) -> Iterator[Turn]:
        """A turn at building one package; what killed builds left behind is cleared away first."""
        turn = self._store.turn(name)
        try:
            turn.take()
        except (OSError, BotoCoreError, ClientError) as error:
            raise storage_error(error, f"taking the turn at {name}") from error
        try:
            self._clear_leftovers(name)
            yield turn
        finally:
            turn.give_back()

    def discard(self, name: str, version: str) -> None:
        """Remove what an unpublished version left, as far as that is possible."""
        if not self.published(name, version):
            with reading(f"{name}/{version}"):
                self.files.delete_dir_contents(f"{name}/{version}", missing_dir_ok=True)
                self.files.delete_dir(f"{name}/{version}")

    def _clear_leftovers(self, name: str) -> None:
        for version in self._folders(name):
            if is_version(version) and not self.published(name, version):
                self.discard(name, version)

    def _folders(self, folder: str) -> list[str]:
        with reading(folder or self.uri):
            found = self.files.get_file_info(pafs.FileSelector(folder, allow_not_found=True))
        return sorted(info.base_name for info in found if info.type == pafs.FileType.Directory)


def open_place(settings: Settings, uri: str | None = None) -> Place:
    """The place at an address; that beside the tables where none is named. Raises UsageError where none can be."""
    if uri is None:
        uri = table_uri(settings.storage_root(), FOLDER)
    if not uri.startswith("s3://"):
        root = Path(uri).absolute()
        if "://" in uri or (root.exists() and not root.is_dir()):
            raise UsageError(f"{uri} holds no packages: they lie in a directory, or under s3://bucket/prefix")
        return Place(str(root), pafs.SubTreeFileSystem(str(root), pafs.LocalFileSystem()), _Directory(root))
    bucket, prefix = _split(uri)
    elsewhere = _at(settings, f"s3://{bucket}")
    options = elsewhere.storage_options()
    files = arrow_filesystem(elsewhere, prefix)
    return Place(uri.rstrip("/"), files, _Bucket(options, bucket, prefix))


@contextmanager
def reading(path: str) -> Iterator[None]:
    """What the file system raises, as an error of this project."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(
            f"{path} cannot be read or removed ({type(error).__name__}: {str(error)[:200]})"
        ) from None


def _split(uri: str) -> tuple[str, str]:
    bucket, _, prefix = uri.removeprefix("s3://").strip("/").partition("/")
    return bucket, prefix


def _at(settings: Settings, root: str) -> Settings:
    """The same store and credentials under another root."""
    options = settings.storage_options()
    changes: dict[str, object] = {"root": root}
    if options:
        changes |= {
            "endpoint_url": options.get("aws_endpoint_url"),
            "allow_http": options.get("aws_allow_http") == "true",
        }
        for field in ("access_key_id", "secret_access_key"):
            if f"aws_{field}" in options:
                changes[field] = options[f"aws_{field}"]
    storage = settings.storage.model_validate(settings.storage.model_dump() | changes)
    return settings.model_copy(update={"storage": storage})


class _Directory:
    def __init__(self, root: Path) -> None:
        self._root = root

    def put_new(self, path: str, content: bytes) -> bool:
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as draft:
            try:
                draft.write(content)
                draft.flush()
                os.fsync(draft.fileno())
                os.chmod(draft.name, 0o644)
                os.link(draft.name, target)
            except FileExistsError:
                return False
            finally:
                os.unlink(draft.name)
        return True

    def turn(self, name: str) -> Turn:
        return DirectoryTurn(self._root / name / ".building")

    def exists(self) -> bool:
        return self._root.is_dir()


class _Bucket:
    def __init__(self, options: Mapping[str, str], bucket: str, prefix: str) -> None:
        self.client = boto3.client(
            "s3",
            endpoint_url=options.get("aws_endpoint_url"),
            region_name=options["aws_region"],
            aws_access_key_id=options.get("aws_access_key_id"),
            aws_secret_access_key=options.get("aws_secret_access_key"),
            config=Config(connect_timeout=5, read_timeout=60, retries={"max_attempts": 3}),
        )
        self.bucket = bucket
        self._prefix = prefix

    def key(self, path: str) -> str:
        return f"{self._prefix}/{path}" if self._prefix else path

    def put_new(self, path: str, content: bytes) -> bool:
        try:
            self.client.put_object(Bucket=self.bucket, Key=self.key(path), Body=content, IfNoneMatch="*")
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412):
                return self.client.get_object(Bucket=self.bucket, Key=self.key(path))["Body"].read() == content
            raise
        return True

    def turn(self, name: str) -> Turn:
        return BucketTurn(self.client, self.bucket, self.key(f"{name}/.building"), name)

    def exists(self) -> bool:
        try:
            self.client.head_bucket(Bucket=self.bucket)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return False
            raise
        return True
