"""What can go wrong with a package, apart from wrong usage and an object store that is away."""

import errno

from schemas.errors import StorageUnavailable, TdcError


class PackageError(TdcError):
    """A package cannot be built, read or trusted as it is."""


class EmptyPackage(PackageError):
    """No row of the tables fits the recipe."""


def storage_error(error: Exception, doing: str) -> TdcError:
    """The error to raise for one of the operating system, Arrow, S3 or DuckDB, in words."""
    text = " ".join(str(error).split())[:400]
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in text:
        return PackageError(f"no space is left for {doing}; nothing was published")
    if isinstance(error, PermissionError):
        return PackageError(f"{doing} is not permitted ({text}); nothing was published")
    return StorageUnavailable(f"{doing} failed ({type(error).__name__}: {text}); nothing was published")
