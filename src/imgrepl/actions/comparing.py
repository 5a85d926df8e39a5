"""Compares two versions: may what runs on the first go on with the second, what do they share."""

from dataclasses import dataclass

from imgrepl.actions import allowing, rehearsing
from imgrepl.actions.context import Context
from imgrepl.engine import foreign, shared_content
from imgrepl.engine.shared_content import Overlap
from imgrepl.errors import Conflict, ImgreplError, Interrupted
from imgrepl.gallery import contents, definitions, replicas
from imgrepl.gallery import versions as rows
from imgrepl.model import compatibility
from imgrepl.model.compatibility import Check, Image
from imgrepl.model.events import Notice
from imgrepl.model.gallery import ImageVersion, VersionId
from imgrepl.model.ids import PackId
from imgrepl.model.policy import Action
from imgrepl.model.replica import ReplicaState


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two versions beside each other. `content` is None where no region could say it.

    The three figures of packs are the stored bytes of packs that both name, and one alone.
    """

    first: ImageVersion
    second: ImageVersion
    checks: tuple[Check, ...]
    content: Overlap | None
    shared_packs: int
    shared_pack_bytes: int
    only_first_pack_bytes: int
    only_second_pack_bytes: int

    @property
    def compatible(self) -> bool:
        """Whether nothing blocks going on with the second."""
        return compatibility.may_go_on(self.checks)


def compare(ctx: Context, first: VersionId, second: VersionId) -> Comparison:
    """Compares two published versions, of whatever galleries. Raises `NotFound`, `Conflict`.

    A shallow one is read from its source, which raises `Corrupt` and `NotFound` where it changed.
    What they share chunk by chunk is told by the footers of their packs, which are read; where no
    region gives those, the rest is told all the same.
    """
    allowing.check(ctx, Action.VERSION_READ, first)
    allowing.check(ctx, Action.VERSION_READ, second)
    with ctx.index.read() as tx:
        one, other = rows.get(tx, first), rows.get(tx, second)
    for version in (one, other):
        if not version.committed:
            raise Conflict(
                f"{version.id} is still being published",
                code="VersionStaged",
                hint="`imgrepl image-version wait` waits for it",
            )
    one, other = rehearsing.with_content(ctx, one), rehearsing.with_content(ctx, other)
    with ctx.index.read() as tx:
        images = [
            Image(
                version=version,
                definition=definitions.get(tx, version.id.definition),
                regions=frozenset(
                    replica.region
                    for replica in replicas.of_version(tx, version.id)
                    if replica.state is ReplicaState.COMPLETED
                ),
            )
            for version in (one, other)
        ]
        packs = [set(contents.packs_of(tx, version.content_ids)) for version in (one, other)]
        sizes = contents.pack_bytes_of(tx, packs[0] | packs[1])

    def total(which: set[PackId]) -> int:
        return sum(sizes[pack_id] for pack_id in which)

    return Comparison(
        first=one,
        second=other,
        checks=tuple(compatibility.compare(*images)),
        content=_content(ctx, one, other),
        shared_packs=len(packs[0] & packs[1]),
        shared_pack_bytes=total(packs[0] & packs[1]),
        only_first_pack_bytes=total(packs[0] - packs[1]),
        only_second_pack_bytes=total(packs[1] - packs[0]),
    )


def _content(ctx: Context, one: ImageVersion, other: ImageVersion) -> Overlap | None:
    try:
        found = [foreign.look(ctx.engine, version) for version in (one, other)]
        return shared_content.overlap(*found)
    except Interrupted:
        raise
    except ImgreplError as error:
        text = f"what the contents share cannot be told: {error.message}"
        ctx.events(Notice(level="warning", text=text, subject=str(other.id)))
        return None
