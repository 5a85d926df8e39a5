"""What is fuzzed: good inputs, where in them it matters, and what reads them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fuzz.edits import Area
from images.sparse import SparseBytes

Mend = Callable[[SparseBytes], SparseBytes]
MEMORY_BYTES = 768 << 20
"""What reading one input may take beyond what the process had: stated limits and some room."""


@dataclass(frozen=True, kw_only=True)
class Seed:
    """A good input. `mend` makes checksums right again, so that what they guard is reached."""

    name: str
    content: SparseBytes
    areas: Sequence[Area] = ()
    mend: Mend | None = None


@dataclass(frozen=True, kw_only=True)
class Target:
    """`read` gives a word for what became of an input: what it was, or the code of an error.

    Whatever else it raises is a finding. `weight` is how often it comes among the others.
    """

    name: str
    seeds: Sequence[Seed]
    read: Callable[[SparseBytes], str]
    weight: int = 1
    memory_bytes: int = MEMORY_BYTES
