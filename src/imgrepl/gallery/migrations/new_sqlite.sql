CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

CREATE TABLE identity (
	id INTEGER NOT NULL, 
	store_id TEXT NOT NULL, 
	index_id TEXT NOT NULL, 
	epoch BIGINT NOT NULL, 
	domain JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_identity PRIMARY KEY (id), 
	CONSTRAINT ck_identity_single CHECK (id = 1)
);

CREATE TABLE regions (
	name TEXT NOT NULL, 
	display_name TEXT NOT NULL, 
	standard JSON NOT NULL, 
	zones JSON NOT NULL, 
	premium JSON, 
	parent TEXT, 
	CONSTRAINT pk_regions PRIMARY KEY (name), 
	CONSTRAINT fk_regions_parent FOREIGN KEY(parent) REFERENCES regions (name)
);

CREATE TABLE places (
	id INTEGER NOT NULL, 
	region TEXT NOT NULL, 
	role TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	endpoint JSON NOT NULL, 
	capabilities JSON, 
	CONSTRAINT pk_places PRIMARY KEY (id), 
	CONSTRAINT ck_places_role CHECK (role IN ('standard', 'premium', 'zone1', 'zone2', 'zone3')), 
	CONSTRAINT fk_places_region FOREIGN KEY(region) REFERENCES regions (name), 
	CONSTRAINT uq_places_region UNIQUE (region, role, number)
);

CREATE TABLE galleries (
	id INTEGER NOT NULL, 
	subscription TEXT NOT NULL, 
	subscription_key TEXT NOT NULL, 
	group_name TEXT NOT NULL, 
	group_key TEXT NOT NULL, 
	name TEXT NOT NULL, 
	name_key TEXT NOT NULL, 
	incarnation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	next_revision BIGINT NOT NULL, 
	location TEXT NOT NULL, 
	description TEXT, 
	tags JSON NOT NULL, 
	soft_delete_enabled BOOLEAN NOT NULL, 
	soft_delete_retention_days INTEGER NOT NULL, 
	created_at DATETIME, 
	provisioning_state TEXT NOT NULL, soft_delete_grace_days INTEGER DEFAULT '0' NOT NULL, sharing JSON, grants JSON, 
	CONSTRAINT pk_galleries PRIMARY KEY (id), 
	CONSTRAINT ck_galleries_provisioning_state CHECK (provisioning_state IN ('Creating', 'Updating', 'Failed', 'Succeeded', 'Deleting')), 
	CONSTRAINT uq_galleries_subscription_key UNIQUE (subscription_key, name_key)
);

CREATE INDEX ix_galleries_location ON galleries (location);

CREATE TABLE definitions (
	id INTEGER NOT NULL, 
	gallery_id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	name_key TEXT NOT NULL, 
	incarnation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	next_revision BIGINT NOT NULL, 
	location TEXT NOT NULL, 
	publisher TEXT NOT NULL, 
	offer TEXT NOT NULL, 
	sku TEXT NOT NULL, 
	identifier_key TEXT NOT NULL, 
	os_type TEXT NOT NULL, 
	os_state TEXT NOT NULL, 
	hyper_v_generation TEXT NOT NULL, 
	architecture TEXT NOT NULL, 
	features JSON NOT NULL, 
	recommended_vcpus JSON NOT NULL, 
	recommended_memory JSON NOT NULL, 
	disallowed_disk_types JSON NOT NULL, 
	description TEXT, 
	end_of_life_date DATETIME, 
	release_note_uri TEXT, 
	eula TEXT, 
	privacy_statement_uri TEXT, 
	purchase_plan JSON, 
	tags JSON NOT NULL, 
	created_at DATETIME, 
	provisioning_state TEXT NOT NULL, grants JSON, features_start_at JSON DEFAULT '{}' NOT NULL, allow_update_image BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_definitions PRIMARY KEY (id), 
	CONSTRAINT ck_definitions_provisioning_state CHECK (provisioning_state IN ('Creating', 'Updating', 'Failed', 'Succeeded', 'Deleting')), 
	CONSTRAINT fk_definitions_gallery_id FOREIGN KEY(gallery_id) REFERENCES galleries (id), 
	CONSTRAINT uq_definitions_identifier UNIQUE (gallery_id, identifier_key), 
	CONSTRAINT uq_definitions_name UNIQUE (gallery_id, name_key)
);

CREATE INDEX ix_definitions_location ON definitions (location);

CREATE TABLE versions (
	id INTEGER NOT NULL, 
	definition_id INTEGER NOT NULL, 
	major INTEGER NOT NULL, 
	minor INTEGER NOT NULL, 
	patch INTEGER NOT NULL, 
	incarnation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	next_revision BIGINT NOT NULL, 
	location TEXT NOT NULL, 
	replica_count INTEGER NOT NULL, 
	storage_account_type TEXT NOT NULL, 
	committed BOOLEAN NOT NULL, 
	exclude_from_latest BOOLEAN NOT NULL, 
	end_of_life_date DATETIME, 
	published_at DATETIME, 
	replication_mode TEXT NOT NULL, 
	safety JSON NOT NULL, 
	tags JSON NOT NULL, 
	provisioning_state TEXT NOT NULL, 
	operation_id TEXT, deleted_at DATETIME, consumption_ends_at DATETIME, hard_deletion_at DATETIME, replica_counts_before JSON, grants JSON, storage_account_strategy TEXT, 
	CONSTRAINT pk_versions PRIMARY KEY (id), 
	CONSTRAINT ck_versions_provisioning_state CHECK (provisioning_state IN ('Creating', 'Updating', 'Failed', 'Succeeded', 'Deleting')), 
	CONSTRAINT fk_versions_definition_id FOREIGN KEY(definition_id) REFERENCES definitions (id), 
	CONSTRAINT uq_versions_definition_id UNIQUE (definition_id, major, minor, patch)
);

CREATE TABLE version_targets (
	version_id INTEGER NOT NULL, 
	region TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	replica_count INTEGER NOT NULL, 
	storage_account_type TEXT NOT NULL, 
	exclude_from_latest BOOLEAN, parent TEXT, 
	CONSTRAINT pk_version_targets PRIMARY KEY (version_id, region), 
	CONSTRAINT ck_version_targets_replica_count CHECK (replica_count > 0), 
	CONSTRAINT fk_version_targets_version_id FOREIGN KEY(version_id) REFERENCES versions (id) ON DELETE CASCADE
);

CREATE INDEX ix_version_targets_region ON version_targets (region);

CREATE TABLE version_disks (
	version_id INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	lun INTEGER, 
	source TEXT NOT NULL, 
	format TEXT, 
	provisioned_bytes BIGINT, 
	occupied_bytes BIGINT, 
	stored_bytes BIGINT, 
	content_id TEXT, 
	chunks BIGINT, 
	sha256 TEXT, host_caching TEXT, source_state JSON, 
	CONSTRAINT pk_version_disks PRIMARY KEY (version_id, position), 
	CONSTRAINT fk_version_disks_version_id FOREIGN KEY(version_id) REFERENCES versions (id) ON DELETE CASCADE
);

CREATE INDEX ix_version_disks_content_id ON version_disks (content_id);

CREATE TABLE packs (
	pack_id TEXT NOT NULL, 
	pack_bytes BIGINT NOT NULL, footer_digest TEXT, 
	CONSTRAINT pk_packs PRIMARY KEY (pack_id)
);

CREATE TABLE place_packs (
	place_id INTEGER NOT NULL, 
	pack_id TEXT NOT NULL, 
	generation INTEGER NOT NULL, 
	state TEXT NOT NULL, 
	operation_id TEXT, 
	proof_level INTEGER, 
	proof_at DATETIME, 
	reason TEXT, 
	changed_at DATETIME NOT NULL, 
	CONSTRAINT pk_place_packs PRIMARY KEY (place_id, pack_id, generation), 
	CONSTRAINT ck_place_packs_present_is_proven CHECK (state <> 'present' OR proof_level IS NOT NULL), 
	CONSTRAINT ck_place_packs_state CHECK (state IN ('intended', 'present', 'damaged', 'condemned', 'deleting', 'gone')), 
	CONSTRAINT fk_place_packs_pack_id FOREIGN KEY(pack_id) REFERENCES packs (pack_id), 
	CONSTRAINT fk_place_packs_place_id FOREIGN KEY(place_id) REFERENCES places (id)
);

CREATE INDEX ix_place_packs_operation_id ON place_packs (operation_id);

CREATE INDEX ix_place_packs_pack_id ON place_packs (pack_id);

CREATE INDEX ix_place_packs_place_state ON place_packs (place_id, state, pack_id);

CREATE UNIQUE INDEX uq_place_packs_live ON place_packs (place_id, pack_id) WHERE state IN ('intended', 'present', 'damaged', 'condemned');

CREATE TABLE contents (
	content_id TEXT NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	occupied_bytes BIGINT NOT NULL, 
	stored_bytes BIGINT NOT NULL, 
	chunks BIGINT NOT NULL, 
	generation INTEGER NOT NULL, 
	removed BOOLEAN NOT NULL, 
	CONSTRAINT pk_contents PRIMARY KEY (content_id)
);

CREATE TABLE content_packs (
	content_id TEXT NOT NULL, 
	pack_id TEXT NOT NULL, 
	used_bytes BIGINT NOT NULL, 
	CONSTRAINT pk_content_packs PRIMARY KEY (content_id, pack_id), 
	CONSTRAINT fk_content_packs_content_id FOREIGN KEY(content_id) REFERENCES contents (content_id), 
	CONSTRAINT fk_content_packs_pack_id FOREIGN KEY(pack_id) REFERENCES packs (pack_id)
);

CREATE INDEX ix_content_packs_pack_id ON content_packs (pack_id);

CREATE TABLE place_contents (
	place_id INTEGER NOT NULL, 
	content_id TEXT NOT NULL, 
	sealed BOOLEAN NOT NULL, 
	generation INTEGER NOT NULL, 
	seal_revision BIGINT NOT NULL, 
	next_revision BIGINT NOT NULL, 
	proof_level INTEGER, 
	proof_at DATETIME, 
	CONSTRAINT pk_place_contents PRIMARY KEY (place_id, content_id), 
	CONSTRAINT fk_place_contents_content_id FOREIGN KEY(content_id) REFERENCES contents (content_id), 
	CONSTRAINT fk_place_contents_place_id FOREIGN KEY(place_id) REFERENCES places (id)
);

CREATE INDEX ix_place_contents_content_id ON place_contents (content_id);

CREATE TABLE operations (
	operation_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	target TEXT NOT NULL, 
	state TEXT NOT NULL, 
	request JSON NOT NULL, 
	fence BIGINT NOT NULL, 
	owner JSON, 
	lease_until DATETIME, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, 
	ended_at DATETIME, 
	cancel_requested BOOLEAN NOT NULL, 
	progress JSON, 
	result JSON, 
	error JSON, 
	CONSTRAINT pk_operations PRIMARY KEY (operation_id), 
	CONSTRAINT ck_operations_state CHECK (state IN ('Pending', 'Running', 'Succeeded', 'PartiallyCompleted', 'Failed', 'Canceled', 'Stalled'))
);

CREATE INDEX ix_operations_created_at ON operations (created_at);

CREATE INDEX ix_operations_target_ended_at ON operations (target, ended_at);

CREATE TABLE pins (
	operation_id TEXT NOT NULL, 
	place_id INTEGER NOT NULL, 
	pack_id TEXT NOT NULL, 
	CONSTRAINT pk_pins PRIMARY KEY (operation_id, place_id, pack_id), 
	CONSTRAINT fk_pins_operation_id FOREIGN KEY(operation_id) REFERENCES operations (operation_id), 
	CONSTRAINT fk_pins_pack_id FOREIGN KEY(pack_id) REFERENCES packs (pack_id), 
	CONSTRAINT fk_pins_place_id FOREIGN KEY(place_id) REFERENCES places (id)
);

CREATE INDEX ix_pins_place_pack ON pins (place_id, pack_id);

CREATE TABLE tombstones (
	resource_key TEXT NOT NULL, 
	incarnation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_tombstones PRIMARY KEY (resource_key, incarnation)
);

CREATE TABLE place_records (
	place_id INTEGER NOT NULL, 
	resource_key TEXT NOT NULL, 
	incarnation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	CONSTRAINT pk_place_records PRIMARY KEY (place_id, resource_key, incarnation), 
	CONSTRAINT fk_place_records_place_id FOREIGN KEY(place_id) REFERENCES places (id)
);

CREATE INDEX ix_place_records_resource_key ON place_records (resource_key);

CREATE TABLE activity (
	id INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	principal TEXT NOT NULL, 
	action TEXT NOT NULL, 
	target TEXT NOT NULL, 
	outcome TEXT NOT NULL, 
	detail JSON NOT NULL, 
	CONSTRAINT pk_activity PRIMARY KEY (id)
);

CREATE INDEX ix_activity_target ON activity (target);

CREATE TABLE moved_packs (
	place_id INTEGER NOT NULL, 
	pack_id TEXT NOT NULL, 
	revision INTEGER NOT NULL, 
	CONSTRAINT pk_moved_packs PRIMARY KEY (place_id, pack_id), 
	CONSTRAINT fk_moved_packs_place_id FOREIGN KEY(place_id) REFERENCES places (id), 
	CONSTRAINT fk_moved_packs_pack_id FOREIGN KEY(pack_id) REFERENCES packs (pack_id)
);

CREATE TABLE moved_parts (
	place_id INTEGER NOT NULL, 
	pack_id TEXT NOT NULL, 
	part_id TEXT NOT NULL, 
	CONSTRAINT pk_moved_parts PRIMARY KEY (place_id, pack_id, part_id), 
	CONSTRAINT fk_moved_parts_place_id FOREIGN KEY(place_id) REFERENCES places (id), 
	CONSTRAINT fk_moved_parts_pack_id FOREIGN KEY(pack_id) REFERENCES packs (pack_id), 
	CONSTRAINT fk_moved_parts_part_id FOREIGN KEY(part_id) REFERENCES packs (pack_id)
);

CREATE INDEX ix_moved_parts_place_part ON moved_parts (place_id, part_id);

CREATE TABLE moved_uses (
	place_id INTEGER NOT NULL, 
	pack_id TEXT NOT NULL, 
	content_id TEXT NOT NULL, 
	generation INTEGER NOT NULL, 
	CONSTRAINT pk_moved_uses PRIMARY KEY (place_id, pack_id, content_id), 
	CONSTRAINT fk_moved_uses_place_id FOREIGN KEY(place_id) REFERENCES places (id), 
	CONSTRAINT fk_moved_uses_pack_id FOREIGN KEY(pack_id) REFERENCES packs (pack_id), 
	CONSTRAINT fk_moved_uses_content_id FOREIGN KEY(content_id) REFERENCES contents (content_id)
);

CREATE INDEX ix_moved_uses_content_id ON moved_uses (content_id);

CREATE INDEX ix_versions_hard_deletion_at ON versions (hard_deletion_at);

CREATE TABLE ledger (
	id INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	subscription TEXT NOT NULL, 
	group_name TEXT NOT NULL, 
	gallery TEXT NOT NULL, 
	definition TEXT NOT NULL, 
	version TEXT NOT NULL, 
	from_region TEXT NOT NULL, 
	to_region TEXT NOT NULL, 
	is_first BOOLEAN NOT NULL, 
	egress_bytes BIGINT NOT NULL, 
	sent_bytes BIGINT NOT NULL, 
	requests BIGINT NOT NULL, 
	CONSTRAINT pk_ledger PRIMARY KEY (id)
);

CREATE INDEX ix_ledger_at ON ledger (at);

CREATE INDEX ix_versions_location_definition_id ON versions (location, definition_id);

CREATE TABLE "replicas" (
	version_id INTEGER NOT NULL, 
	region TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	storage_account_type TEXT NOT NULL, 
	state TEXT NOT NULL, 
	bytes_done BIGINT NOT NULL, 
	bytes_total BIGINT, 
	detail TEXT NOT NULL, 
	proof_level INTEGER, 
	verified_at DATETIME, 
	CONSTRAINT pk_replicas PRIMARY KEY (version_id, region, number), 
	CONSTRAINT fk_replicas_version_id FOREIGN KEY(version_id) REFERENCES versions (id) ON DELETE CASCADE, 
	CONSTRAINT ck_replicas_state CHECK (state IN ('Unknown', 'Replicating', 'Completed', 'Failed')), 
	CONSTRAINT ck_replicas_storage_account_type CHECK (storage_account_type IN ('Standard_LRS', 'Standard_ZRS', 'Premium_LRS', 'StandardSSD_LRS'))
);

CREATE INDEX ix_place_packs_state_proof ON place_packs (state, proof_level, proof_at);

INSERT INTO "alembic_version" VALUES('0008');

