"""Roles that were granted, and how galleries are shared."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds what is granted on each resource, and how a gallery is shared."""
    op.add_column("galleries", sa.Column("sharing", sa.JSON(none_as_null=True), nullable=True))
    for table in ("galleries", "definitions", "versions"):
        op.add_column(table, sa.Column("grants", sa.JSON(none_as_null=True), nullable=True))
