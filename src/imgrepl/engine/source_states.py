"""Is a source still what a shallow version was made to point at?"""

from blake3 import blake3

from imgrepl.disks.disk import ByteSource
from imgrepl.disks.source import FileSource
from imgrepl.engine.object_source import ObjectSource
from imgrepl.errors import Corrupt, Invalid
from imgrepl.model.source_state import SourceState

_PIECES = 64
_PIECE_BYTES = 64 << 10


def state_of(source: ByteSource) -> SourceState:
    """The source as it is now.

    Raises `Invalid` (`ShallowRule`) for one that cannot be told from another by size, times or
    ETag; and what reading it raises.
    """
    if isinstance(source, ObjectSource):
        return SourceState(
            size_bytes=source.size_bytes, etag=source.etag, endpoint_url=source.endpoint_url
        )
    stamp = source.stamp if isinstance(source, FileSource) else None
    if stamp is None:
        raise Invalid(
            f"{source.name} is neither a regular file nor an object: nothing tells whether it is"
            " still the same",
            code="ShallowRule",
            target=source.name,
            hint="publish it without --replication-mode Shallow",
        )
    return SourceState(size_bytes=source.size_bytes, sample=_sample(source), **stamp._asdict())


def check_state(source: ByteSource, expected: SourceState) -> None:
    """Passes only for the source that was pointed at. Raises `Corrupt` (`ShallowSourceChanged`)."""
    changes = expected.differences(state_of(source))
    if changes:
        raise Corrupt(
            f"{source.name} is not what the version points at any more: {changes[0]}",
            code="ShallowSourceChanged",
            target=source.name,
            details=changes,
            hint="put the same file or object back, or publish what is there under another number",
        )


def _sample(source: ByteSource) -> str:
    """BLAKE3 of up to 64 pieces of 64 KiB, first and last among them: 4 MiB of any file."""
    last = max(0, source.size_bytes - _PIECE_BYTES)
    offsets = dict.fromkeys(last * number // (_PIECES - 1) for number in range(_PIECES))
    digest, buffer = blake3(), memoryview(bytearray(_PIECE_BYTES))
    for offset in offsets:
        piece = buffer[: min(_PIECE_BYTES, source.size_bytes - offset)]
        source.read_into(offset, piece)
        digest.update(piece)
    return digest.hexdigest()
