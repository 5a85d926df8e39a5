"""Features that start at a version, host caching, the storage strategy, and counting by region."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the fields, and the index by which a region's versions are counted."""
    op.add_column(
        "definitions",
        sa.Column("features_start_at", sa.JSON(), server_default="{}", nullable=False),
    )
    op.add_column(
        "definitions",
        sa.Column("allow_update_image", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.add_column("versions", sa.Column("storage_account_strategy", sa.Text(), nullable=True))
    op.add_column("version_disks", sa.Column("host_caching", sa.Text(), nullable=True))
    op.create_index(
        op.f("ix_versions_location_definition_id"),
        "versions",
        ["location", "definition_id"],
        unique=False,
    )
