"""The first index."""

import sqlalchemy as sa
from alembic import op

from imgrepl.gallery.types import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes every table."""
    _regions()
    _galleries()
    _versions()
    _packs()
    _contents()
    _work()


def _regions() -> None:
    op.create_table(
        "identity",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("store_id", sa.Text(), nullable=False),
        sa.Column("index_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("domain", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_identity_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity")),
    )
    op.create_table(
        "regions",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("standard", sa.JSON(), nullable=False),
        sa.Column("zones", sa.JSON(), nullable=False),
        sa.Column("premium", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("parent", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["parent"], ["regions.name"], name=op.f("fk_regions_parent")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_regions")),
    )
    op.create_table(
        "places",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("endpoint", sa.JSON(), nullable=False),
        sa.Column("capabilities", sa.JSON(none_as_null=True), nullable=True),
        sa.CheckConstraint(
            "role IN ('standard', 'premium', 'zone1', 'zone2', 'zone3')",
            name=op.f("ck_places_role"),
        ),
        sa.ForeignKeyConstraint(["region"], ["regions.name"], name=op.f("fk_places_region")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_places")),
        sa.UniqueConstraint("region", "role", "number", name=op.f("uq_places_region")),
    )


def _galleries() -> None:
    op.create_table(
        "galleries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subscription", sa.Text(), nullable=False),
        sa.Column("subscription_key", sa.Text(), nullable=False),
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("group_key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("incarnation", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("next_revision", sa.BigInteger(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("soft_delete_enabled", sa.Boolean(), nullable=False),
        sa.Column("soft_delete_retention_days", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=True),
        sa.Column("provisioning_state", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "provisioning_state IN ('Creating', 'Updating', 'Failed', 'Succeeded', 'Deleting')",
            name=op.f("ck_galleries_provisioning_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_galleries")),
        sa.UniqueConstraint(
            "subscription_key", "name_key", name=op.f("uq_galleries_subscription_key")
        ),
    )
    op.create_index(op.f("ix_galleries_location"), "galleries", ["location"], unique=False)
    op.create_table(
        "definitions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("gallery_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("incarnation", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("next_revision", sa.BigInteger(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("publisher", sa.Text(), nullable=False),
        sa.Column("offer", sa.Text(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("identifier_key", sa.Text(), nullable=False),
        sa.Column("os_type", sa.Text(), nullable=False),
        sa.Column("os_state", sa.Text(), nullable=False),
        sa.Column("hyper_v_generation", sa.Text(), nullable=False),
        sa.Column("architecture", sa.Text(), nullable=False),
        sa.Column("features", sa.JSON(), nullable=False),
        sa.Column("recommended_vcpus", sa.JSON(), nullable=False),
        sa.Column("recommended_memory", sa.JSON(), nullable=False),
        sa.Column("disallowed_disk_types", sa.JSON(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("end_of_life_date", UtcDateTime(), nullable=True),
        sa.Column("release_note_uri", sa.Text(), nullable=True),
        sa.Column("eula", sa.Text(), nullable=True),
        sa.Column("privacy_statement_uri", sa.Text(), nullable=True),
        sa.Column("purchase_plan", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=True),
        sa.Column("provisioning_state", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "provisioning_state IN ('Creating', 'Updating', 'Failed', 'Succeeded', 'Deleting')",
            name=op.f("ck_definitions_provisioning_state"),
        ),
        sa.ForeignKeyConstraint(
            ["gallery_id"], ["galleries.id"], name=op.f("fk_definitions_gallery_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_definitions")),
        sa.UniqueConstraint("gallery_id", "identifier_key", name="uq_definitions_identifier"),
        sa.UniqueConstraint("gallery_id", "name_key", name="uq_definitions_name"),
    )
    op.create_index(op.f("ix_definitions_location"), "definitions", ["location"], unique=False)


def _versions() -> None:
    op.create_table(
        "versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("definition_id", sa.Integer(), nullable=False),
        sa.Column("major", sa.Integer(), nullable=False),
        sa.Column("minor", sa.Integer(), nullable=False),
        sa.Column("patch", sa.Integer(), nullable=False),
        sa.Column("incarnation", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("next_revision", sa.BigInteger(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("replica_count", sa.Integer(), nullable=False),
        sa.Column("storage_account_type", sa.Text(), nullable=False),
        sa.Column("committed", sa.Boolean(), nullable=False),
        sa.Column("exclude_from_latest", sa.Boolean(), nullable=False),
        sa.Column("end_of_life_date", UtcDateTime(), nullable=True),
        sa.Column("published_at", UtcDateTime(), nullable=True),
        sa.Column("replication_mode", sa.Text(), nullable=False),
        sa.Column("safety", sa.JSON(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("provisioning_state", sa.Text(), nullable=False),
        sa.Column("operation_id", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "provisioning_state IN ('Creating', 'Updating', 'Failed', 'Succeeded', 'Deleting')",
            name=op.f("ck_versions_provisioning_state"),
        ),
        sa.ForeignKeyConstraint(
            ["definition_id"], ["definitions.id"], name=op.f("fk_versions_definition_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_versions")),
        sa.UniqueConstraint(
            "definition_id", "major", "minor", "patch", name=op.f("uq_versions_definition_id")
        ),
    )
    op.create_table(
        "version_targets",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("replica_count", sa.Integer(), nullable=False),
        sa.Column("storage_account_type", sa.Text(), nullable=False),
        sa.Column("exclude_from_latest", sa.Boolean(), nullable=True),
        sa.CheckConstraint("replica_count > 0", name=op.f("ck_version_targets_replica_count")),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["versions.id"],
            name=op.f("fk_version_targets_version_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("version_id", "region", name=op.f("pk_version_targets")),
    )
    op.create_index(op.f("ix_version_targets_region"), "version_targets", ["region"], unique=False)
    op.create_table(
        "version_disks",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("lun", sa.Integer(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=True),
        sa.Column("provisioned_bytes", sa.BigInteger(), nullable=True),
        sa.Column("occupied_bytes", sa.BigInteger(), nullable=True),
        sa.Column("stored_bytes", sa.BigInteger(), nullable=True),
        sa.Column("content_id", sa.Text(), nullable=True),
        sa.Column("chunks", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["versions.id"],
            name=op.f("fk_version_disks_version_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("version_id", "position", name=op.f("pk_version_disks")),
    )
    op.create_index(
        op.f("ix_version_disks_content_id"), "version_disks", ["content_id"], unique=False
    )
    op.create_table(
        "replicas",
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
            name=op.f("ck_replicas_storage_account_type"),
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.id"], name=op.f("fk_replicas_version_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("version_id", "region", "number", name=op.f("pk_replicas")),
    )


def _packs() -> None:
    op.create_table(
        "packs",
        sa.Column("pack_id", sa.Text(), nullable=False),
        sa.Column("pack_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pack_id", name=op.f("pk_packs")),
    )
    op.create_table(
        "place_packs",
        sa.Column("place_id", sa.Integer(), nullable=False),
        sa.Column("pack_id", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("operation_id", sa.Text(), nullable=True),
        sa.Column("proof_level", sa.Integer(), nullable=True),
        sa.Column("proof_at", UtcDateTime(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "state <> 'present' OR proof_level IS NOT NULL",
            name=op.f("ck_place_packs_present_is_proven"),
        ),
        sa.CheckConstraint(
            "state IN ('intended', 'present', 'damaged', 'condemned', 'deleting', 'gone')",
            name=op.f("ck_place_packs_state"),
        ),
        sa.ForeignKeyConstraint(
            ["pack_id"], ["packs.pack_id"], name=op.f("fk_place_packs_pack_id")
        ),
        sa.ForeignKeyConstraint(["place_id"], ["places.id"], name=op.f("fk_place_packs_place_id")),
        sa.PrimaryKeyConstraint("place_id", "pack_id", "generation", name=op.f("pk_place_packs")),
    )
    op.create_index(
        op.f("ix_place_packs_operation_id"), "place_packs", ["operation_id"], unique=False
    )
    op.create_index(op.f("ix_place_packs_pack_id"), "place_packs", ["pack_id"], unique=False)
    op.create_index(
        "ix_place_packs_place_state", "place_packs", ["place_id", "state", "pack_id"], unique=False
    )
    op.create_index(
        "uq_place_packs_live",
        "place_packs",
        ["place_id", "pack_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('intended', 'present', 'damaged', 'condemned')"),
        postgresql_where=sa.text("state IN ('intended', 'present', 'damaged', 'condemned')"),
    )


def _contents() -> None:
    op.create_table(
        "contents",
        sa.Column("content_id", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("occupied_bytes", sa.BigInteger(), nullable=False),
        sa.Column("stored_bytes", sa.BigInteger(), nullable=False),
        sa.Column("chunks", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("content_id", name=op.f("pk_contents")),
    )
    op.create_table(
        "content_packs",
        sa.Column("content_id", sa.Text(), nullable=False),
        sa.Column("pack_id", sa.Text(), nullable=False),
        sa.Column("used_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["content_id"], ["contents.content_id"], name=op.f("fk_content_packs_content_id")
        ),
        sa.ForeignKeyConstraint(
            ["pack_id"], ["packs.pack_id"], name=op.f("fk_content_packs_pack_id")
        ),
        sa.PrimaryKeyConstraint("content_id", "pack_id", name=op.f("pk_content_packs")),
    )
    op.create_index(op.f("ix_content_packs_pack_id"), "content_packs", ["pack_id"], unique=False)
    op.create_table(
        "place_contents",
        sa.Column("place_id", sa.Integer(), nullable=False),
        sa.Column("content_id", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Boolean(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("seal_revision", sa.BigInteger(), nullable=False),
        sa.Column("next_revision", sa.BigInteger(), nullable=False),
        sa.Column("proof_level", sa.Integer(), nullable=True),
        sa.Column("proof_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["content_id"], ["contents.content_id"], name=op.f("fk_place_contents_content_id")
        ),
        sa.ForeignKeyConstraint(
            ["place_id"], ["places.id"], name=op.f("fk_place_contents_place_id")
        ),
        sa.PrimaryKeyConstraint("place_id", "content_id", name=op.f("pk_place_contents")),
    )
    op.create_index(
        op.f("ix_place_contents_content_id"), "place_contents", ["content_id"], unique=False
    )


def _work() -> None:
    op.create_table(
        "operations",
        sa.Column("operation_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("progress", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("error", sa.JSON(none_as_null=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('Pending', 'Running', 'Succeeded', 'PartiallyCompleted', 'Failed', "
            "'Canceled', 'Stalled')",
            name=op.f("ck_operations_state"),
        ),
        sa.PrimaryKeyConstraint("operation_id", name=op.f("pk_operations")),
    )
    op.create_index(op.f("ix_operations_created_at"), "operations", ["created_at"], unique=False)
    op.create_index(
        "ix_operations_target_ended_at", "operations", ["target", "ended_at"], unique=False
    )
    op.create_table(
        "pins",
        sa.Column("operation_id", sa.Text(), nullable=False),
        sa.Column("place_id", sa.Integer(), nullable=False),
        sa.Column("pack_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["operation_id"], ["operations.operation_id"], name=op.f("fk_pins_operation_id")
        ),
        sa.ForeignKeyConstraint(["pack_id"], ["packs.pack_id"], name=op.f("fk_pins_pack_id")),
        sa.ForeignKeyConstraint(["place_id"], ["places.id"], name=op.f("fk_pins_place_id")),
        sa.PrimaryKeyConstraint("operation_id", "place_id", "pack_id", name=op.f("pk_pins")),
    )
    op.create_index("ix_pins_place_pack", "pins", ["place_id", "pack_id"], unique=False)
    op.create_table(
        "tombstones",
        sa.Column("resource_key", sa.Text(), nullable=False),
        sa.Column("incarnation", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("resource_key", "incarnation", name=op.f("pk_tombstones")),
    )
    op.create_table(
        "place_records",
        sa.Column("place_id", sa.Integer(), nullable=False),
        sa.Column("resource_key", sa.Text(), nullable=False),
        sa.Column("incarnation", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["place_id"], ["places.id"], name="fk_place_records_place_id"),
        sa.PrimaryKeyConstraint("place_id", "resource_key", "incarnation", name="pk_place_records"),
    )
    op.create_index("ix_place_records_resource_key", "place_records", ["resource_key"])
    op.create_table(
        "activity",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activity")),
    )
    op.create_index(op.f("ix_activity_target"), "activity", ["target"], unique=False)
