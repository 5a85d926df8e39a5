"""What is known about a pack in a place, and since when."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum


class ProofLevel(IntEnum):
    """How a pack was proven, weakest first."""

    LISTED = 1
    """Its key was seen."""
    SIZE = 2
    """HEAD gave the right length."""
    PUT_CHECKSUM = 3
    """The server took it under our SHA-256, or states that checksum itself."""
    SERVER_REHASH = 4
    """The server read it and computed the checksum anew."""
    FULL_READ = 5
    """We read every byte and every digest agreed."""

    @property
    def word(self) -> str:
        """As results say it: `fullRead`."""
        first, *rest = self.name.lower().split("_")
        return first + "".join(part.capitalize() for part in rest)


@dataclass(frozen=True)
class Proof:
    """A level and the moment it was reached (UTC)."""

    level: ProofLevel
    at: datetime
