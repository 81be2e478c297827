"""VersityGW: an S3 service with conditional writes over a directory; without Go, just the directory."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ops.stack import cache as downloads
from ops.stack.errors import NotReadyError, UnavailableError
from ops.stack.keys import s3_credentials
from ops.stack.model import LOOPBACK, Command, Ports, Say, Stack
from ops.stack.versions import S3_BUCKET, S3_REGION, VERSITYGW_VERSION

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MODULE = "github.com/versity/versitygw/cmd/versitygw"
_BUILD_SECONDS = 900
_PROBE_SECONDS = 2.0
_TAIL_LINES = 6


class S3:
    """The object store for the tables."""

    name = "s3"
    start_seconds = 30.0
    stop_seconds = 10.0

    def ports(self, ports: Ports) -> tuple[int, ...]:
        return (ports.s3,)

    def address(self, stack: Stack) -> str:
        return f"http://{LOOPBACK}:{stack.ports.s3}"

    def fetch(self, cache: Path, say: Say) -> Path:
        return downloads.fetched(cache, f"versitygw-{VERSITYGW_VERSION}", _build, say) / "versitygw"

    def command(self, stack: Stack, program: Path) -> Command:
        objects = stack.home / "s3"
        objects.mkdir(parents=True, exist_ok=True)
        keys = s3_credentials(stack.home)
        argv = [str(program), "--port", f"{LOOPBACK}:{stack.ports.s3}", "--region", S3_REGION, "--quiet", "posix"]
        if not _keeps_attributes(objects):
            sidecar = stack.home / "s3-attributes"
            sidecar.mkdir(exist_ok=True)
            argv += ["--sidecar", str(sidecar)]
        # By environment: a command line can be read by every user of the machine.
        env = {"ROOT_ACCESS_KEY": keys.access_key, "ROOT_SECRET_KEY": keys.secret_key}
        return Command((*argv, str(objects)), env, stack.home)

    def probe(self, stack: Stack) -> None:
        client = _client(stack)
        try:
            names = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
            if S3_BUCKET not in names:
                client.create_bucket(Bucket=S3_BUCKET)
        except (BotoCoreError, ClientError) as error:
            raise NotReadyError(f"does not list its buckets: {error}") from error
        finally:
            client.close()


def tables_directory(home: Path) -> Path:
    """Where the tables live when there is no object store."""
    return home / "tables"


def _client(stack: Stack) -> S3Client:
    keys = s3_credentials(stack.home)
    return boto3.session.Session().client(
        "s3",
        endpoint_url=f"http://{LOOPBACK}:{stack.ports.s3}",
        region_name=S3_REGION,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        config=Config(
            connect_timeout=_PROBE_SECONDS,
            read_timeout=_PROBE_SECONDS,
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
            proxies={},
        ),
    )


def _build(into: Path, say: Say) -> None:
    go = shutil.which("go")
    if go is None:
        raise UnavailableError("no Go compiler (`go`) to build VersityGW with")
    say(f"building VersityGW {VERSITYGW_VERSION} with Go (about 90 s, once)")
    try:
        done = subprocess.run(
            [go, "install", "-trimpath", f"{_MODULE}@{VERSITYGW_VERSION}"],
            env={**os.environ, "GOBIN": str(into), "GOFLAGS": "-buildvcs=false", "CGO_ENABLED": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_BUILD_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"VersityGW could not be built: {error}") from error
    if done.returncode != 0:
        tail = "\n".join(f"    {line}" for line in done.stderr.splitlines()[-_TAIL_LINES:])
        raise UnavailableError(f"VersityGW could not be built:\n{tail}")


def _keeps_attributes(directory: Path) -> bool:
    """Whether the file system keeps the extended attributes that VersityGW stores ETags in."""
    if not hasattr(os, "setxattr"):
        return True
    probe = directory.parent / ".xattr-probe"
    try:
        probe.touch()
        os.setxattr(probe, "user.tdc", b"1")
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    return True
