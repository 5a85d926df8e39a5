"""Sources that shallow versions point at, target regions that are edge zones, and their types."""

import sqlalchemy as sa
from alembic import op

from imgrepl.gallery.types import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TYPES = "ck_replicas_storage_account_type"


def upgrade() -> None:
    """Adds states of sources, parents of targets, and one more storage account type."""
    op.add_column(
        "version_disks", sa.Column("source_state", sa.JSON(none_as_null=True), nullable=True)
    )
    op.add_column("version_targets", sa.Column("parent", sa.Text(), nullable=True))
    with op.batch_alter_table("replicas", copy_from=_replicas_until_now()) as replicas:
        replicas.drop_constraint(op.f(_TYPES), type_="check")
        replicas.create_check_constraint(
            op.f(_TYPES),
            "storage_account_type IN"
            " ('Standard_LRS', 'Standard_ZRS', 'Premium_LRS', 'StandardSSD_LRS')",
        )


def _replicas_until_now() -> sa.Table:
    """SQLite changes a constraint by copying the table, and tells nobody of its checks."""
    return sa.Table(
        "replicas",
        sa.MetaData(),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("storage_account_type", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("bytes_done", sa.BigInteger(), nullable=False),
        sa.Column("bytes_total", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("proof_level", sa.Integer(), nullable=True),
        sa.Column("verified_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "state IN ('Unknown', 'Replicating', 'Completed', 'Failed')",
            name=op.f("ck_replicas_state"),
        ),
        sa.CheckConstraint(
            "storage_account_type IN ('Standard_LRS', 'Standard_ZRS', 'Premium_LRS')",
            name=op.f(_TYPES),
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.id"], name=op.f("fk_replicas_version_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("version_id", "region", "number", name=op.f("pk_replicas")),
    )
