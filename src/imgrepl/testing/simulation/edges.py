"""Every move of every state, seen by the database itself: triggers write it down, a check reads it.

Nothing that the code under test does can go past them, whichever statement it uses.
"""

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, text

from imgrepl.gallery.packs import EDGES
from imgrepl.gallery.schema import PackState
from imgrepl.model.gallery import ProvisioningState
from imgrepl.model.operation import OperationState
from imgrepl.model.replica import ReplicaState
from imgrepl.model.states import PROVISIONING_MOVES

_TABLE = "simulation_witness"
_KEYS = {
    "place_packs": "{0}.place_id || '/' || {0}.pack_id || '.' || {0}.generation",
    "replicas": "{0}.version_id || '/' || {0}.region || '/' || {0}.number",
    "operations": "{0}.operation_id",
}


def _triggers() -> Iterator[str]:
    yield (
        f"CREATE TABLE {_TABLE} (id INTEGER PRIMARY KEY, kind TEXT, item TEXT, before TEXT,"
        " after TEXT)"
    )
    insert = f"INSERT INTO {_TABLE} (kind, item, before, after) VALUES"
    for table, key in _KEYS.items():
        old, new = key.format("OLD"), key.format("NEW")
        for event, values in (
            ("INSERT", f"{new}, '', NEW.state"),
            ("UPDATE OF state", f"{new}, OLD.state, NEW.state"),
            ("DELETE", f"{old}, OLD.state, ''"),
        ):
            name = f"simulation_{table}_{event.split()[0].lower()}"
            yield (
                f"CREATE TRIGGER {name} AFTER {event} ON {table} BEGIN {insert}"
                f" ('{table}', {values}); END"
            )
    yield (
        "CREATE TRIGGER simulation_fence AFTER UPDATE OF fence ON operations"
        f" WHEN NEW.fence < OLD.fence BEGIN {insert}"
        " ('fence', NEW.operation_id, OLD.fence, NEW.fence); END"
    )
    yield (
        "CREATE TRIGGER simulation_versions_update AFTER UPDATE OF provisioning_state ON versions"
        f" BEGIN {insert}"
        " ('versions', NEW.id, OLD.provisioning_state, NEW.provisioning_state); END"
    )
    yield (
        "CREATE TRIGGER simulation_versions_delete AFTER DELETE ON versions WHEN OLD.committed"
        f" BEGIN {insert} ('versions', OLD.id, OLD.provisioning_state, ''); END"
    )
    yield (
        "CREATE TRIGGER simulation_committed AFTER UPDATE OF committed ON versions"
        f" WHEN OLD.committed AND NOT NEW.committed BEGIN {insert}"
        " ('committed', NEW.id, 'committed', 'staged'); END"
    )
    yield (
        "CREATE TRIGGER simulation_content AFTER UPDATE OF generation ON contents"
        f" WHEN NEW.generation < OLD.generation BEGIN {insert}"
        " ('content', NEW.content_id, OLD.generation, NEW.generation); END"
    )


_SEEN = text("SELECT * FROM simulation_witness WHERE id > :after ORDER BY id")
WITNESSES = tuple(_triggers())
"""Statements that make the triggers, in an index that is to be watched."""

_LEGAL_PACKS: Mapping[str, frozenset[str]] = {
    "": frozenset({PackState.INTENDED}),
    **{str(state): frozenset(map(str, after)) for state, after in EDGES.items()},
}
_WORKING = {ReplicaState.REPLICATING, ReplicaState.FAILED}
_LEGAL_REPLICAS: Mapping[str, frozenset[str]] = {
    "": frozenset({ReplicaState.UNKNOWN}),
    ReplicaState.UNKNOWN: frozenset({*_WORKING}),
    ReplicaState.REPLICATING: frozenset({*_WORKING, ReplicaState.COMPLETED}),
    ReplicaState.FAILED: frozenset({*_WORKING}),
    ReplicaState.COMPLETED: frozenset({ReplicaState.COMPLETED, ReplicaState.REPLICATING}),
}


def illegal_moves(tx: Connection, after: int) -> tuple[int, list[str]]:
    """What moved as it must not since move `after`; and the last move there was."""
    rows = tx.execute(_SEEN, {"after": after}).all()
    faults = [
        f"{row.kind} {row.item} went from {row.before or 'nothing'} to {row.after or 'nothing'}"
        for row in rows
        if not _legal(row.kind, row.before, row.after)
    ]
    return (rows[-1].id if rows else after), faults


def _legal(kind: str, before: str, after: str) -> bool:
    if kind == "place_packs":
        if before == after or (before, after) == (PackState.INTENDED, ""):
            return True
        return after in _LEGAL_PACKS[before]
    if kind == "replicas":
        return before == after or not after or after in _LEGAL_REPLICAS[before]
    if kind == "versions":
        now = ProvisioningState(before)
        if not after:  # a committed version goes by its deletion alone
            return now is ProvisioningState.DELETING
        return before == after or after in PROVISIONING_MOVES[now]
    if kind == "operations":
        return before == after or not (before and OperationState(before).ended)
    return False
