"""An S3 server of endless disks that keeps no payload: for what no machine could hold.

    python bench/harness/endless.py FOLDER

Prints its port. The bucket `disks` has an object `<N>gib.raw` for every N: dense, incompressible,
of blocks that are all different, made when they are read. Every other bucket takes what is put. Of
a pack only the footer and the place of its first block on the disk are kept (in FOLDER); when it is
read, the bytes between are made again. So every byte that a client reads, sends, and reads back is
real, and proven by the digests in footer and key.

Holds packs of these disks alone: one operation at a time, chunks in disk order, none compressed.
"""

import hashlib
import os
import re
import sys
import threading
from base64 import b64decode, b64encode
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree.ElementTree import fromstring
from xml.sax.saxutils import escape

import numpy as np

DISKS = "disks"
BLOCK_BYTES = 4096
_BASE_BLOCKS = 256
_HEADER_BYTES = 64
_ENTRY_BYTES = 44
_TRAILER_BYTES = 48
_LAST_MODIFIED = "Thu, 01 Jan 2026 00:00:00 GMT"


class Generator:
    """Disks on which block n begins with n + 1 and goes on at random, the same every time."""

    def __init__(self) -> None:
        self._base = np.random.default_rng(1).integers(
            1, 1 << 63, size=(_BASE_BLOCKS, BLOCK_BYTES // 8), dtype=np.uint64
        )

    def read(self, offset: int, length: int) -> memoryview:
        """Any range of the disk, which has no end."""
        first, last = offset // BLOCK_BYTES, -(-(offset + length) // BLOCK_BYTES)
        numbers = np.arange(first, last, dtype=np.uint64)
        blocks = self._base[numbers % np.uint64(_BASE_BLOCKS)]
        blocks ^= _scrambled(numbers)[:, None]
        blocks[:, 0] = numbers + np.uint64(1)
        start = offset - first * BLOCK_BYTES
        return memoryview(blocks.reshape(-1).view(np.uint8).data)[start : start + length]


def _scrambled(numbers: np.ndarray) -> np.ndarray:
    """SplitMix64: a number that looks random for every number."""
    with np.errstate(over="ignore"):
        mixed = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(mixed ^ (mixed >> np.uint64(31)))


@dataclass(frozen=True, slots=True)
class _Object:
    """`body` None stands for a pack: what is kept of it lies at `footer_at` of the file."""

    length: int
    etag: str
    sha256: bytes
    body: bytes | None = None
    disk_offset: int = 0
    footer_at: int = 0
    footer_length: int = 0


class Store:
    """All objects. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._generator = Generator()
        self._footers = os.open(folder / "footers", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        self._footers_end = 0
        self._objects: dict[str, _Object] = {}
        self._lock = threading.Lock()

    def find(self, path: str) -> _Object | None:
        bucket, _, key = path.partition("/")
        disk = re.fullmatch(r"(\d+)gib\.raw", key) if bucket == DISKS else None
        if disk is not None:
            return _Object(length=int(disk[1]) << 30, etag=f'"{disk[1]}"', sha256=b"")
        return self._objects.get(path)

    def keys(self, prefix: str) -> list[tuple[str, _Object]]:
        return sorted((k, o) for k, o in self._objects.items() if k.startswith(prefix))

    def delete(self, path: str) -> None:
        self._objects.pop(path, None)

    def put(self, path: str, body: bytes, sha256: bytes) -> _Object:
        """Keeps a small object as it is, and of a pack what it can be made from again."""
        etag = f'"{sha256.hex()[:32]}"'
        if "/packs/" in path:
            made = self._pack(body, sha256, etag)
        else:
            made = _Object(length=len(body), etag=etag, sha256=sha256, body=body)
        self._objects[path] = made
        return made

    def _pack(self, body: bytes, sha256: bytes, etag: str) -> _Object:
        slots = int.from_bytes(body[-_TRAILER_BYTES : -_TRAILER_BYTES + 4], "little")
        length = _HEADER_BYTES + slots * _ENTRY_BYTES + _TRAILER_BYTES
        number = int.from_bytes(body[_HEADER_BYTES : _HEADER_BYTES + 8], "little") - 1
        offset = number * BLOCK_BYTES
        plain = self._generator.read(offset, len(body) - _HEADER_BYTES - length)
        if plain != memoryview(body)[_HEADER_BYTES:-length]:
            raise ValueError("this pack does not hold a generated disk in its order")
        with self._lock:
            at, self._footers_end = self._footers_end, self._footers_end + length
        os.pwrite(self._footers, body[-length:], at)
        return _Object(
            length=len(body),
            etag=etag,
            sha256=sha256,
            disk_offset=offset,
            footer_at=at,
            footer_length=length,
        )

    def read(self, path: str, found: _Object, start: int, end: int) -> bytes | memoryview:
        """Bytes `start` to `end` of an object."""
        if path.startswith(f"{DISKS}/"):
            return self._generator.read(start, end - start)
        if found.body is not None:
            return found.body[start:end]
        footer = os.pread(self._footers, found.footer_length, found.footer_at)
        frames_end = found.length - len(footer)
        parts = [footer[:_HEADER_BYTES][start:end]]  # the footer repeats the header
        from_frames, to_frames = max(start, _HEADER_BYTES), min(end, frames_end)
        if from_frames < to_frames:
            at = found.disk_offset + from_frames - _HEADER_BYTES
            parts.append(bytes(self._generator.read(at, to_frames - from_frames)))
        if end > frames_end:
            parts.append(footer[max(0, start - frames_end) : end - frames_end])
        return b"".join(parts)


class Handler(BaseHTTPRequestHandler):
    """As much of S3 as imgrepl asks for, in its own words."""

    protocol_version = "HTTP/1.1"
    server_version = "Endless"
    disable_nagle_algorithm = True
    store: ClassVar[Store]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""

    def do_HEAD(self) -> None:
        found = self.store.find(self._path)
        if found is None:
            return self._say(HTTPStatus.NOT_FOUND)
        return self._say(HTTPStatus.OK, headers=_facts(found), length=found.length)

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        if "list-type" in query:
            return self._list(query.get("prefix", [""])[0])
        found = self.store.find(self._path)
        if found is None:
            return self._fail(HTTPStatus.NOT_FOUND, "NoSuchKey")
        span = _span(self.headers.get("Range"), found.length)
        if span is None:
            return self._fail(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "InvalidRange")
        start, end = span
        headers = _facts(found)
        status = HTTPStatus.OK
        if "Range" in self.headers:
            status = HTTPStatus.PARTIAL_CONTENT
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{found.length}"
        return self._say(status, self.store.read(self._path, found, start, end), headers)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        path = self._path
        if "/" not in path:
            return self._say(HTTPStatus.OK)  # any bucket is there
        if "x-amz-copy-source" in self.headers:
            return self._fail(HTTPStatus.NOT_IMPLEMENTED, "NotImplemented")
        present = self.store.find(path)
        wanted = self.headers.get("If-Match")
        if (present is not None and "If-None-Match" in self.headers) or (
            wanted is not None and (present is None or present.etag != wanted)
        ):
            return self._fail(HTTPStatus.PRECONDITION_FAILED, "PreconditionFailed")
        sha256 = hashlib.sha256(body).digest()
        stated = self.headers.get("x-amz-checksum-sha256")
        if stated is not None and b64decode(stated) != sha256:
            return self._fail(HTTPStatus.BAD_REQUEST, "BadDigest")
        return self._say(HTTPStatus.OK, headers=_facts(self.store.put(path, body, sha256)))

    def do_POST(self) -> None:
        """DeleteObjects."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        keys = [node.text or "" for node in fromstring(body).iter() if node.tag.endswith("Key")]
        for key in keys:
            self.store.delete(f"{self._path}/{key}")
        deleted = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        self._say(HTTPStatus.OK, f"<DeleteResult>{deleted}</DeleteResult>".encode())

    @property
    def _path(self) -> str:
        return unquote(urlsplit(self.path).path).strip("/")

    def _list(self, prefix: str) -> None:
        bucket = self._path
        contents = "".join(
            f"<Contents><Key>{escape(key.removeprefix(f'{bucket}/'))}</Key>"
            f"<Size>{found.length}</Size><ETag>{escape(found.etag)}</ETag></Contents>"
            for key, found in self.store.keys(f"{bucket}/{prefix}")
        )
        answer = f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
        self._say(HTTPStatus.OK, answer.encode())

    def _fail(self, status: HTTPStatus, code: str) -> None:
        self._say(status, f"<Error><Code>{code}</Code></Error>".encode())

    def _say(
        self,
        status: HTTPStatus,
        body: bytes | memoryview = b"",
        headers: dict[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if body:
            self.wfile.write(body)


def _facts(found: _Object) -> dict[str, str]:
    facts = {"ETag": found.etag, "Last-Modified": _LAST_MODIFIED}
    if found.sha256:
        facts["x-amz-checksum-sha256"] = b64encode(found.sha256).decode()
    return facts


def _span(header: str | None, length: int) -> tuple[int, int] | None:
    """Start and end of a Range; None where it has no byte of the object."""
    if header is None:
        return 0, length
    first, _, last = header.removeprefix("bytes=").partition("-")
    if not first:
        return max(0, length - int(last)), length
    start, end = int(first), min(int(last) + 1 if last else length, length)
    return (start, end) if start < end else None


def main(folder: str) -> None:
    """Serves until stdin ends, so that it never outlives who started it."""
    Handler.store = Store(Path(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
