"""What users were told, and may hold the program to."""

from dataclasses import dataclass, field

Disks = tuple[str, ...]
"""Names of the disks of a version: the OS disk, then its data disks by LUN."""


@dataclass
class Promise:
    """One version's. `asked` is what it may hold, `kept` what a user was told that it holds.

    `may_go` says that its deletion was asked for: it may be there or not.
    """

    asked: set[Disks] = field(default_factory=set)
    kept: Disks | None = None
    may_go: bool = False

    @property
    def is_due(self) -> bool:
        """Whether it must be there."""
        return self.kept is not None and not self.may_go

    def allows(self, disks: Disks) -> bool:
        """Whether it may hold these disks."""
        return disks == self.kept if self.kept is not None else disks in self.asked


class Promises:
    """Those of all versions, by name; changed as users ask and are answered."""

    def __init__(self) -> None:
        self.of: dict[str, Promise] = {}

    def get(self, name: str) -> Promise:
        """A version's promise: an empty one where nobody asked for it."""
        return self.of.setdefault(name, Promise())

    def asks_to_publish(self, name: str, disks: Disks) -> None:
        """From now on the version may be there."""
        self.get(name).asked.add(disks)

    def is_published(self, name: str, disks: Disks) -> None:
        """A user was told so. Two different contents under one name are never told."""
        promise = self.get(name)
        assert promise.kept in {None, disks}, f"{name} was {promise.kept} and is {disks} now"
        promise.kept = disks

    def asks_to_delete(self, name: str) -> None:
        """From now on the version may be gone."""
        self.get(name).may_go = True

    def is_deleted(self, name: str) -> None:
        """A user was told so; the name is free."""
        self.of[name] = Promise()

    def is_open(self, name: str) -> None:
        """Asked to publish and to delete at once: whichever came last."""
        promise = self.get(name)
        promise.kept, promise.may_go = None, True
