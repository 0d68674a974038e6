"""Hashes of bytes, values, files and tables: equal on every machine and in every process."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

BLOCK_BYTES = 2**23  # of a file that is hashed
GOLDEN = 0x9E3779B97F4A7C15  # 2**64 / golden ratio, odd: its multiples spread most evenly over 64 bits
# Finalizers, for `mixed`: a shift and a factor twice, and a shift.
MURMUR3_64 = (33, 0xFF51AFD7ED558CCD, 33, 0xC4CEB9FE1A85EC53, 33)
MURMUR3_32 = (16, 0x85EBCA6B, 13, 0xC2B2AE35, 16)
SPLITMIX_64 = (30, 0xBF58476D1CE4E5B9, 27, 0x94D049BB133111EB, 31)


def sha256_bytes(data: bytes) -> str:
    """Hex sha256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_json(value: Any) -> str:
    """Hex sha256 of a JSON value in canonical form (sorted keys, no spaces, UTF-8)."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return sha256_bytes(text.encode())


def sha256_file(path: Path, *, alive: Callable[[], None] = lambda: None) -> str:
    """Hex sha256 of a file's bytes; `alive` is called after each block of them."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as handle:
        while block := handle.read(BLOCK_BYTES):
            digest.update(block)
            alive()
    return digest.hexdigest()


def table_sha256(table: pa.Table) -> str:
    """Hash of the logical columns: equal for equal values, whatever the chunks, offsets or file format."""
    digest = hashlib.sha256()
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        chunk = column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)
        digest.update(f"{name}:{chunk.type}:{len(chunk)};".encode())
        _hash_array(digest, chunk)
    return digest.hexdigest()


def _hash_array(digest: Any, array: pa.Array) -> None:
    kind = array.type
    digest.update(np.packbits(array.is_null().to_numpy(zero_copy_only=False)).tobytes())
    if pa.types.is_map(kind):
        array = array.cast(pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)])))
        kind = array.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        lengths = array.value_lengths().fill_null(0)
        digest.update(lengths.to_numpy(zero_copy_only=False).astype("<i8").tobytes())
        _hash_array(digest, array.flatten())
    elif pa.types.is_struct(kind):
        for index in range(kind.num_fields):
            digest.update(kind.field(index).name.encode())
            _hash_array(digest, array.field(index))
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        texts = [value.encode() for value in array.fill_null("").to_pylist()]
        digest.update(np.array([len(text) for text in texts], "<i8").tobytes())
        digest.update(b"".join(texts))
    elif pa.types.is_boolean(kind):
        digest.update(array.fill_null(False).to_numpy(zero_copy_only=False).astype("u1").tobytes())
    elif pa.types.is_null(kind):
        return
    else:
        digest.update(np.ascontiguousarray(array.fill_null(0).to_numpy(zero_copy_only=False)).tobytes())


def stable_hash(*parts: object) -> int:
    """A 64-bit hash of the parts' texts: equal on every machine and in every process."""
    data = "\0".join(str(part) for part in parts).encode()
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def mixed(values: np.ndarray, finalizer: tuple[int, int, int, int, int]) -> np.ndarray:
    """A bijection of unsigned integers of a finalizer's width: every bit then depends on every bit."""
    first, factor, second, other, last = finalizer
    values = (values ^ (values >> first)) * factor
    values = (values ^ (values >> second)) * other
    return values ^ (values >> last)
