"""Versions that lie in a gallery's bin."""

import sqlalchemy as sa
from alembic import op

from imgrepl.gallery.types import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds how long a gallery keeps what was deleted, and since when a version is."""
    op.add_column(
        "galleries",
        sa.Column("soft_delete_grace_days", sa.Integer(), server_default="0", nullable=False),
    )
    for name in ("deleted_at", "consumption_ends_at", "hard_deletion_at"):
        op.add_column("versions", sa.Column(name, UtcDateTime(), nullable=True))
    op.add_column(
        "versions", sa.Column("replica_counts_before", sa.JSON(none_as_null=True), nullable=True)
    )
    op.create_index(
        op.f("ix_versions_hard_deletion_at"), "versions", ["hard_deletion_at"], unique=False
    )
