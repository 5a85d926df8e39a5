"""Packs of which a place has only some frames, in other packs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds what is moved, which packs it leads to, and whose needs it meets."""
    op.create_table(
        "moved_packs",
        *_key_of("moved_packs"),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("place_id", "pack_id", name=op.f("pk_moved_packs")),
    )
    op.create_table(
        "moved_parts",
        *_key_of("moved_parts"),
        sa.Column("part_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["part_id"], ["packs.pack_id"], name=op.f("fk_moved_parts_part_id")
        ),
        sa.PrimaryKeyConstraint("place_id", "pack_id", "part_id", name=op.f("pk_moved_parts")),
    )
    op.create_index(
        "ix_moved_parts_place_part", "moved_parts", ["place_id", "part_id"], unique=False
    )
    op.create_table(
        "moved_uses",
        *_key_of("moved_uses"),
        sa.Column("content_id", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["content_id"], ["contents.content_id"], name=op.f("fk_moved_uses_content_id")
        ),
        sa.PrimaryKeyConstraint("place_id", "pack_id", "content_id", name=op.f("pk_moved_uses")),
    )
    op.create_index(op.f("ix_moved_uses_content_id"), "moved_uses", ["content_id"], unique=False)


def _key_of(table: str) -> tuple[sa.schema.SchemaItem, ...]:
    """A place and a pack, which all three tables begin with."""
    return (
        sa.Column("place_id", sa.Integer(), nullable=False),
        sa.Column("pack_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["place_id"], ["places.id"], name=op.f(f"fk_{table}_place_id")),
        sa.ForeignKeyConstraint(["pack_id"], ["packs.pack_id"], name=op.f(f"fk_{table}_pack_id")),
    )
