"""SQLite's plan of a statement, and whether a step of it walks a table that grows."""

from sqlalchemy import Connection

SMALL = {"places", "regions", "identity", "alembic_version"}
"""Tables that do not grow with the gallery."""

ISSUED = ("SELECT", "UPDATE", "DELETE", "WITH")


def plan_of(tx: Connection, statement: str, values: object) -> list[str]:
    """The steps; none for what reads nothing."""
    if not statement.lstrip().upper().startswith(ISSUED):
        return []
    first = values[0] if isinstance(values, list) else values
    explained = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", first)  # type: ignore[arg-type]
    return [row[3] for row in explained]


def walks(step: str, statement: str) -> bool:
    """Whether it looks at every row, and does not stop early in the order of an index."""
    words = step.split()
    if words[0] != "SCAN" or words[1] in SMALL | {"anon_1", "anon_2", "CONSTANT"}:
        return False
    return not ("USING INDEX" in step and "LIMIT" in statement)
