"""Every table of the gallery index.

Names of people's things are kept as typed, with a folded twin (`…_key`) that the constraints and
look-ups use. Times are UTC; what nothing is looked up by is JSON. The migrations in `migrations/`
make exactly this; a test compares the two.
"""

from collections.abc import Iterable
from enum import StrEnum

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from imgrepl.gallery.types import DatabaseNow, UtcDateTime
from imgrepl.model.gallery import ProvisioningState
from imgrepl.model.operation import OperationState
from imgrepl.model.region import PlaceRole, StorageAccountType
from imgrepl.model.replica import ReplicaState

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


class PackState(StrEnum):
    """Where a pack stands in one place. `packs.EDGES` says which moves are legal."""

    INTENDED = "intended"
    PRESENT = "present"
    DAMAGED = "damaged"
    CONDEMNED = "condemned"
    DELETING = "deleting"
    GONE = "gone"


LIVE_PACK_STATES = (
    PackState.INTENDED,
    PackState.PRESENT,
    PackState.DAMAGED,
    PackState.CONDEMNED,
)


def _one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _provisioning_state() -> tuple[Column[str], CheckConstraint]:
    column = Column("provisioning_state", Text, nullable=False)
    return column, _one_of("provisioning_state", ProvisioningState)


def _live_packs() -> str:
    return "state IN ({})".format(", ".join(f"'{state}'" for state in LIVE_PACK_STATES))


identity = Table(
    "identity",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("store_id", Text, nullable=False),
    Column("index_id", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("domain", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False, default=DatabaseNow()),
    CheckConstraint("id = 1", name="single"),
)

regions = Table(
    "regions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("standard", JSON, nullable=False),
    Column("zones", JSON, nullable=False),
    Column("premium", JSON(none_as_null=True)),
    Column("parent", Text, ForeignKey("regions.name")),
)

places = Table(
    "places",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("region", Text, ForeignKey("regions.name"), nullable=False),
    Column("role", Text, nullable=False),
    _one_of("role", PlaceRole),
    Column("number", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("endpoint", JSON, nullable=False),
    Column("capabilities", JSON(none_as_null=True)),
    UniqueConstraint("region", "role", "number"),
)

galleries = Table(
    "galleries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subscription", Text, nullable=False),
    Column("subscription_key", Text, nullable=False),
    Column("group_name", Text, nullable=False),
    Column("group_key", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("incarnation", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("next_revision", BigInteger, nullable=False),
    Column("location", Text, nullable=False, index=True),
    Column("description", Text),
    Column("tags", JSON, nullable=False),
    Column("soft_delete_enabled", Boolean, nullable=False),
    Column("soft_delete_retention_days", Integer, nullable=False),
    Column("soft_delete_grace_days", Integer, nullable=False, server_default="0"),
    Column("sharing", JSON(none_as_null=True)),
    Column("grants", JSON(none_as_null=True)),
    Column("created_at", UtcDateTime),
    *_provisioning_state(),
    UniqueConstraint("subscription_key", "name_key"),
)

definitions = Table(
    "definitions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("gallery_id", Integer, ForeignKey("galleries.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("incarnation", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("next_revision", BigInteger, nullable=False),
    Column("location", Text, nullable=False, index=True),
    Column("publisher", Text, nullable=False),
    Column("offer", Text, nullable=False),
    Column("sku", Text, nullable=False),
    Column("identifier_key", Text, nullable=False),
    Column("os_type", Text, nullable=False),
    Column("os_state", Text, nullable=False),
    Column("hyper_v_generation", Text, nullable=False),
    Column("architecture", Text, nullable=False),
    Column("features", JSON, nullable=False),
    Column("features_start_at", JSON, nullable=False, server_default="{}"),
    Column("allow_update_image", Boolean, nullable=False, server_default=false()),
    Column("recommended_vcpus", JSON, nullable=False),
    Column("recommended_memory", JSON, nullable=False),
    Column("disallowed_disk_types", JSON, nullable=False),
    Column("description", Text),
    Column("end_of_life_date", UtcDateTime),
    Column("release_note_uri", Text),
    Column("eula", Text),
    Column("privacy_statement_uri", Text),
    Column("purchase_plan", JSON(none_as_null=True)),
    Column("tags", JSON, nullable=False),
    Column("grants", JSON(none_as_null=True)),
    Column("created_at", UtcDateTime),
    *_provisioning_state(),
    UniqueConstraint("gallery_id", "name_key", name="uq_definitions_name"),
    UniqueConstraint("gallery_id", "identifier_key", name="uq_definitions_identifier"),
)

versions = Table(
    "versions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("definition_id", Integer, ForeignKey("definitions.id"), nullable=False),
    Column("major", Integer, nullable=False),
    Column("minor", Integer, nullable=False),
    Column("patch", Integer, nullable=False),
    Column("incarnation", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("next_revision", BigInteger, nullable=False),
    Column("location", Text, nullable=False),
    Column("replica_count", Integer, nullable=False),
    Column("storage_account_type", Text, nullable=False),
    Column("committed", Boolean, nullable=False),
    Column("exclude_from_latest", Boolean, nullable=False),
    Column("end_of_life_date", UtcDateTime),
    Column("published_at", UtcDateTime),
    Column("replication_mode", Text, nullable=False),
    Column("safety", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
    *_provisioning_state(),
    Column("operation_id", Text),
    Column("deleted_at", UtcDateTime),
    Column("consumption_ends_at", UtcDateTime),
    Column("hard_deletion_at", UtcDateTime, index=True),
    Column("replica_counts_before", JSON(none_as_null=True)),
    Column("grants", JSON(none_as_null=True)),
    Column("storage_account_strategy", Text),
    Index("ix_versions_location_definition_id", "location", "definition_id"),
    UniqueConstraint("definition_id", "major", "minor", "patch"),
)


def _version_id() -> Column[int]:
    reference = ForeignKey("versions.id", ondelete="CASCADE")
    return Column("version_id", Integer, reference, primary_key=True)


version_targets = Table(
    "version_targets",
    metadata,
    _version_id(),
    Column("region", Text, primary_key=True, index=True),
    Column("position", Integer, nullable=False),
    Column("replica_count", Integer, nullable=False),
    CheckConstraint("replica_count > 0", name="replica_count"),
    Column("storage_account_type", Text, nullable=False),
    Column("exclude_from_latest", Boolean),
    Column("parent", Text),
)

version_disks = Table(
    "version_disks",
    metadata,
    _version_id(),
    Column("position", Integer, primary_key=True),
    Column("lun", Integer),
    Column("source", Text, nullable=False),
    Column("format", Text),
    Column("provisioned_bytes", BigInteger),
    Column("occupied_bytes", BigInteger),
    Column("stored_bytes", BigInteger),
    Column("content_id", Text, index=True),
    Column("chunks", BigInteger),
    Column("sha256", Text),
    Column("host_caching", Text),
    Column("source_state", JSON(none_as_null=True)),
)

replicas = Table(
    "replicas",
    metadata,
    _version_id(),
    Column("region", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("storage_account_type", Text, nullable=False),
    _one_of("storage_account_type", StorageAccountType),
    Column("state", Text, nullable=False),
    _one_of("state", ReplicaState),
    Column("bytes_done", BigInteger, nullable=False),
    Column("bytes_total", BigInteger),
    Column("detail", Text, nullable=False),
    Column("proof_level", Integer),
    Column("verified_at", UtcDateTime),
)

packs = Table(
    "packs",
    metadata,
    Column("pack_id", Text, primary_key=True),
    Column("pack_bytes", BigInteger, nullable=False),
    Column("footer_digest", Text),
)

place_packs = Table(
    "place_packs",
    metadata,
    Column("place_id", Integer, ForeignKey("places.id"), primary_key=True),
    Column("pack_id", Text, ForeignKey("packs.pack_id"), primary_key=True, index=True),
    Column("generation", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    _one_of("state", PackState),
    Column("operation_id", Text, index=True),
    Column("proof_level", Integer),
    Column("proof_at", UtcDateTime),
    Column("reason", Text),
    Column("changed_at", UtcDateTime, nullable=False),
    Index("ix_place_packs_place_state", "place_id", "state", "pack_id"),
    Index("ix_place_packs_state_proof", "state", "proof_level", "proof_at"),
    Index(
        "uq_place_packs_live",
        "place_id",
        "pack_id",
        unique=True,
        # PostgreSQL has the same condition by its migration: naming its dialect here would load it,
        # and its drivers, into every start that needs SQLite alone (a tenth of the whole).
        sqlite_where=text(_live_packs()),
    ),
    CheckConstraint("state <> 'present' OR proof_level IS NOT NULL", name="present_is_proven"),
)

operations = Table(
    "operations",
    metadata,
    Column("operation_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("state", Text, nullable=False),
    _one_of("state", OperationState),
    Column("request", JSON, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("owner", JSON(none_as_null=True)),
    Column("lease_until", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False, default=DatabaseNow(), index=True),
    Column("updated_at", UtcDateTime, nullable=False, default=DatabaseNow()),
    Column("ended_at", UtcDateTime),
    Column("cancel_requested", Boolean, nullable=False),
    Column("progress", JSON(none_as_null=True)),
    Column("result", JSON(none_as_null=True)),
    Column("error", JSON(none_as_null=True)),
    Index("ix_operations_target_ended_at", "target", "ended_at"),
)

pins = Table(
    "pins",
    metadata,
    Column("operation_id", Text, ForeignKey("operations.operation_id"), primary_key=True),
    Column("place_id", Integer, ForeignKey("places.id"), primary_key=True),
    Column("pack_id", Text, ForeignKey("packs.pack_id"), primary_key=True),
    Index("ix_pins_place_pack", "place_id", "pack_id"),
)

contents = Table(
    "contents",
    metadata,
    Column("content_id", Text, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("occupied_bytes", BigInteger, nullable=False),
    Column("stored_bytes", BigInteger, nullable=False),
    Column("chunks", BigInteger, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("removed", Boolean, nullable=False),
)

content_packs = Table(
    "content_packs",
    metadata,
    Column("content_id", Text, ForeignKey("contents.content_id"), primary_key=True),
    Column("pack_id", Text, ForeignKey("packs.pack_id"), primary_key=True, index=True),
    Column("used_bytes", BigInteger, nullable=False),
)

place_contents = Table(
    "place_contents",
    metadata,
    Column("place_id", Integer, ForeignKey("places.id"), primary_key=True),
    Column("content_id", Text, ForeignKey("contents.content_id"), primary_key=True, index=True),
    Column("sealed", Boolean, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("seal_revision", BigInteger, nullable=False),
    Column("next_revision", BigInteger, nullable=False),
    Column("proof_level", Integer),
    Column("proof_at", UtcDateTime),
)

moved_packs = Table(
    "moved_packs",
    metadata,
    Column("place_id", Integer, ForeignKey("places.id"), primary_key=True),
    Column("pack_id", Text, ForeignKey("packs.pack_id"), primary_key=True),
    Column("revision", Integer, nullable=False),
)

moved_parts = Table(
    "moved_parts",
    metadata,
    Column("place_id", Integer, ForeignKey("places.id"), primary_key=True),
    Column("pack_id", Text, ForeignKey("packs.pack_id"), primary_key=True),
    Column("part_id", Text, ForeignKey("packs.pack_id"), primary_key=True),
    Index("ix_moved_parts_place_part", "place_id", "part_id"),
)

moved_uses = Table(
    "moved_uses",
    metadata,
    Column("place_id", Integer, ForeignKey("places.id"), primary_key=True),
    Column("pack_id", Text, ForeignKey("packs.pack_id"), primary_key=True),
    Column("content_id", Text, ForeignKey("contents.content_id"), primary_key=True, index=True),
    Column("generation", Integer, nullable=False),
)

tombstones = Table(
    "tombstones",
    metadata,
    Column("resource_key", Text, primary_key=True),
    Column("incarnation", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("at", UtcDateTime, nullable=False, default=DatabaseNow()),
)

place_records = Table(
    "place_records",
    metadata,
    Column("place_id", Integer, ForeignKey("places.id"), primary_key=True),
    Column("resource_key", Text, primary_key=True, index=True),
    Column("incarnation", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
)

activity = Table(
    "activity",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False, default=DatabaseNow()),
    Column("principal", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False, index=True),
    Column("outcome", Text, nullable=False),
    Column("detail", JSON, nullable=False),
)

ledger = Table(
    "ledger",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("subscription", Text, nullable=False),
    Column("group_name", Text, nullable=False),
    Column("gallery", Text, nullable=False),
    Column("definition", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("from_region", Text, nullable=False),
    Column("to_region", Text, nullable=False),
    Column("is_first", Boolean, nullable=False),
    Column("egress_bytes", BigInteger, nullable=False),
    Column("sent_bytes", BigInteger, nullable=False),
    Column("requests", BigInteger, nullable=False),
)
