"""What a pack's footer is to say, and which packs were proven longest ago."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the digest, which is filled in as packs are written or read whole, and an order."""
    op.add_column("packs", sa.Column("footer_digest", sa.Text(), nullable=True))
    op.create_index(
        "ix_place_packs_state_proof", "place_packs", ["state", "proof_level", "proof_at"]
    )
