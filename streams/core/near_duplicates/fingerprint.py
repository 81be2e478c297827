"""Fingerprints of canonical forms: an exact hash, then MinHash (rensa) for bands and a signature."""

import struct
from array import array
from collections.abc import Sequence

import xxhash
from rensa import RMinHash

from streams.core.near_duplicates.document import Document
from streams.core.near_duplicates.records import MATCHES, Fingerprint
from streams.core.near_duplicates.words import WORD_BYTES, shingles, word_hashes

BANDS = 12
ROWS = 4
"""A pair of Jaccard similarity s shares a band with probability 1 - (1 - s^4)^12: .963 at .7, .998 at .8, .9999 at .85.
More rows in a band would need more bands for the same; each band costs time and memory in the index."""
BAND_BYTES = 4
VERSION = f"2-{RMinHash.ALGORITHM_VERSION}"
"""Changes whenever the same trace gets another fingerprint: an index must not mix them.

1: task and tool calls are the particulars. 2: the execution mode is one, too.
"""

_SEED = 1
_MAX_WORDS = 32_768
_CHUNK = 64
_pack = struct.Struct(f"<{MATCHES}I").pack
_LOW_NIBBLES = int.from_bytes(b"\x0f" * (MATCHES // 2), "little")


def fingerprints(documents: Sequence[Document]) -> list[Fingerprint]:
    """Fingerprints, in order. Linear in the words; of a form longer than 32,768 words the first ones are signed, all
    of them are in the exact hash."""
    found: list[Fingerprint] = []
    for start in range(0, len(documents), _CHUNK):  # rows of a small chunk stay in the processor's cache
        found.extend(_chunk(documents[start : start + _CHUNK]))
    return found


def _chunk(documents: Sequence[Document]) -> list[Fingerprint]:
    hashes = [word_hashes(document.text) for document in documents]
    parts: list[bytes] = []
    ends = array("Q", [0])
    total = 0
    for words in hashes:
        part = shingles(words[: _MAX_WORDS * WORD_BYTES]) or b"\0" * WORD_BYTES
        parts.append(part)
        total += len(part) // WORD_BYTES
        ends.append(total)
    tokens = array("Q")
    tokens.frombytes(b"".join(parts))
    rows = RMinHash.digest_matrix_from_flat_token_hashes(tokens, ends, MATCHES, _SEED).to_rows()
    return [_fingerprint(*item) for item in zip(documents, hashes, rows, strict=True)]


def _fingerprint(document: Document, words: bytes, row: list[int]) -> Fingerprint:
    raw = _pack(*row)
    low = raw[::4]
    half = MATCHES // 2
    signature = (int.from_bytes(low[:half], "little") & _LOW_NIBBLES) | (
        (int.from_bytes(low[half:], "little") & _LOW_NIBBLES) << 4
    )
    digest = xxhash.xxh3_64_digest
    bands = [digest(raw[at : at + 4 * ROWS], number)[:BAND_BYTES] for number, at in _BAND_STARTS]
    return Fingerprint(
        exact=xxhash.xxh3_128_digest(document.particulars + words),
        particulars=document.particulars,
        bands=b"".join(bands),
        signature=signature.to_bytes(half, "little"),
    )


_BAND_STARTS = tuple((number, number * 4 * ROWS) for number in range(BANDS))
