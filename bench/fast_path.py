"""The ingest fast path in one file: how fast the parts are when nothing stands between them.

The project's mark for speed, written before the engine by those who specified it and kept as they
wrote it but for types and line lengths: what it measures must not change, or old results mean
nothing. Not a design and not to be copied: it has no rows, no crash safety, no formats. The engine
does all of its own work and should stay within 1.3 times this file's wall time on the same disk and
server.

usage: fast_path.py ENDPOINT BUCKET RAW...
credentials from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY
needs: boto3 numpy xxhash blake3 zstandard
One known-chunk set serves all the disks given, in order; one line is printed for each.
"""

import base64
import hashlib
import os
import resource
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import blake3
import boto3
import numpy as np
import xxhash
import zstandard
from botocore.config import Config

BLOCK = 4096
CHUNK_BLOCKS_AVERAGE, CHUNK_BLOCKS_MIN, CHUNK_BLOCKS_MAX = 8, 2, 32  # 32 KiB, 8 KiB, 128 KiB
CUT_BELOW = (1 << 64) // CHUNK_BLOCKS_AVERAGE
WINDOW = 8 << 20
"""Bytes read, cut, hashed and compressed as one task; here a chunk also ends at a window's end."""
PACK_TARGET = 16 << 20
WORKERS, PUTS = 2, 4


def windows(fd: int) -> Iterator[tuple[int, int]]:
    """(offset, length) of the data of a sparse file, in pieces that end at multiples of WINDOW.

    Holes are never read.
    """
    size, position = os.fstat(fd).st_size, 0
    while position < size:
        try:
            position = os.lseek(fd, position, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(fd, position, os.SEEK_HOLE)
        while position < end:
            stop = min(end, (position // WINDOW + 1) * WINDOW)
            yield position, stop - position
            position = stop


def cut(data: memoryview) -> Iterator[memoryview]:
    """Chunks of `data` (a memoryview of whole blocks) as views.

    Zero blocks end a chunk and are dropped.
    """
    occupied = np.frombuffer(data, np.uint64).reshape(-1, BLOCK // 8).any(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], occupied.view(np.int8), [0])))).tolist()
    digest = xxhash.xxh3_64_intdigest
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        while first < end:
            stop = min(first + CHUNK_BLOCKS_MAX, end)
            last = (
                min(first + CHUNK_BLOCKS_MIN, end) - 1
            )  # blocks before the minimum are not hashed
            while last < stop - 1 and digest(data[last * BLOCK : (last + 1) * BLOCK]) >= CUT_BELOW:
                last += 1
            yield data[first * BLOCK : (last + 1) * BLOCK]
            first = last + 1


class Ingest:
    def __init__(self, client: Any, bucket: str) -> None:
        self.client, self.bucket = client, bucket
        self.known: set[bytes] = set()
        self.lock, self.local = threading.Lock(), threading.local()
        self.slots = threading.Semaphore(PUTS + 2)  # bounds the packs in memory

    def prepare(self, fd: int, offset: int, length: int) -> tuple[int, list[bytes | memoryview]]:
        """One task: read, cut, name, drop what is known, compress.

        Releases the interpreter lock in every heavy call.
        """
        read = os.pread(fd, length, offset)
        data = memoryview(read + bytes(-len(read) % BLOCK))
        if not hasattr(self.local, "zstd"):
            self.local.zstd = zstandard.ZstdCompressor(level=3)
        occupied, frames = 0, list[bytes | memoryview]()
        for chunk in cut(data):
            occupied += len(chunk)
            name = blake3.blake3(chunk).digest()
            with self.lock:
                new = name not in self.known
                self.known.add(name)
            if new:
                frames.append(min(self.local.zstd.compress(chunk), chunk, key=len))
        return occupied, frames

    def put(self, pack: bytes) -> None:
        try:
            digest = hashlib.sha256(pack)
            checksum = base64.b64encode(digest.digest()).decode()
            key = f"packs/{digest.hexdigest()}"
            self.client.put_object(Bucket=self.bucket, Key=key, Body=pack, ChecksumSHA256=checksum)
        finally:
            self.slots.release()

    def disk(self, path: str) -> tuple[int, int, int]:
        """Ingests one raw disk; gives (occupied bytes, sent bytes, packs)."""
        fd = os.open(path, os.O_RDONLY)
        occupied = sent = 0
        frames: list[bytes | memoryview] = []
        frames_bytes = 0
        tasks: deque[Future[tuple[int, list[bytes | memoryview]]]] = deque()
        puts: list[Future[None]] = []

        def seal() -> None:
            nonlocal frames, frames_bytes, sent
            pack = b"".join(frames)
            frames, frames_bytes, sent = [], 0, sent + len(pack)
            self.slots.acquire()
            puts.append(senders.submit(self.put, pack))

        def take() -> None:
            nonlocal occupied, frames_bytes
            # in disk order, whatever thread is first
            task_occupied, task_frames = tasks.popleft().result()
            occupied += task_occupied
            for frame in task_frames:
                frames.append(frame)
                frames_bytes += len(frame)
                if frames_bytes >= PACK_TARGET:
                    seal()

        with ThreadPoolExecutor(WORKERS) as workers, ThreadPoolExecutor(PUTS) as senders:
            for offset, length in windows(fd):
                tasks.append(workers.submit(self.prepare, fd, offset, length))
                if len(tasks) > 2 * WORKERS:
                    take()
            while tasks:
                take()
            if frames:
                seal()
            for put in puts:
                put.result()
        os.close(fd)
        return occupied, sent, len(puts)


def main(endpoint: str, bucket: str, *paths: str) -> None:
    config = Config(
        s3={"addressing_style": "path", "payload_signing_enabled": False},
        request_checksum_calculation="when_required",
        max_pool_connections=16,
    )
    client: Any = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=config)
    ingest = Ingest(client, bucket)
    for path in paths:
        before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        occupied, sent, packs = ingest.disk(path)
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(
            f"{Path(path).name}: {wall:.2f} s, {cpu:.2f} CPU-s, "
            f"occupied {occupied / 1e6:.0f} MB, sent {sent / 1e6:.1f} MB in {packs} packs, "
            f"peak {after.ru_maxrss >> 10} MiB"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
