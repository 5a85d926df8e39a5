BEGIN TRANSACTION;
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
INSERT INTO "activity" VALUES(1,'2026-11-29 01:32:47.357000','builder','region.add','eastus','Succeeded','{"urls": ["file://@FOLDER@/eastus"]}');
INSERT INTO "activity" VALUES(2,'2026-11-29 01:32:48.481000','builder','region.add','westeurope','Succeeded','{"urls": ["file://@FOLDER@/westeurope"]}');
INSERT INTO "activity" VALUES(3,'2026-11-29 01:32:50.349000','builder','gallery.create','golden','Succeeded','{"location": "eastus"}');
INSERT INTO "activity" VALUES(4,'2026-11-29 01:32:51.847000','builder','image-definition.create','golden/debian','Succeeded','{"identifier": "golden/debian/default"}');
INSERT INTO "activity" VALUES(5,'2026-11-29 01:32:52.155000','builder','image-version.publish','golden/debian/1.0.0','Succeeded','{"operation": "20261129T013251-24fd4cbb9c41", "failures": {}}');
INSERT INTO "activity" VALUES(6,'2026-11-29 01:32:54.249000','builder','image-version.publish','golden/debian/1.1.0','Succeeded','{"operation": "20261129T013253-b7c10b7ceda7", "failures": {}}');
INSERT INTO "activity" VALUES(7,'2026-11-29 01:32:56.161000','builder','image-version.publish','golden/debian/1.2.0','Succeeded','{"operation": "20261129T013255-6b22154181e9", "failures": {}}');
INSERT INTO "activity" VALUES(8,'2026-11-29 01:32:58.254000','builder','image-version.delete','golden/debian/1.2.0','Succeeded','{"unreached": {}}');
INSERT INTO "activity" VALUES(9,'2026-11-29 01:33:03.030000','builder','collect','collect','Succeeded','{"deletedPacks": 2, "deletedBytes": 6748, "error": null}');
INSERT INTO "activity" VALUES(10,'2026-11-29 01:33:04.770000','builder','gallery.update','golden','Succeeded','{"revision": 2}');
INSERT INTO "activity" VALUES(11,'2026-11-29 01:33:07.809000','builder','image-version.publish','golden/debian/1.3.0','Succeeded','{"operation": "20261129T013307-e9dcfa8abbb7", "failures": {}}');
INSERT INTO "activity" VALUES(12,'2026-11-29 01:33:11.282000','builder','image-version.soft-delete','golden/debian/1.3.0','Succeeded','{}');
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0007');
CREATE TABLE content_packs (
	content_id TEXT NOT NULL, 
	pack_id TEXT NOT NULL, 
	used_bytes BIGINT NOT NULL, 
	CONSTRAINT pk_content_packs PRIMARY KEY (content_id, pack_id), 
	CONSTRAINT fk_content_packs_content_id FOREIGN KEY(content_id) REFERENCES contents (content_id), 
	CONSTRAINT fk_content_packs_pack_id FOREIGN KEY(pack_id) REFERENCES packs (pack_id)
);
INSERT INTO "content_packs" VALUES('0b843a8a49cb8d66084142333ea728c2725b95ca7f826006ef951b17c7c04497','51f5d3a1dd590ecfc88e116d2be7d5e64c1fcff2d00d55ae14ec4d56914af476',16819);
INSERT INTO "content_packs" VALUES('348cc35fe22516639153e60ebb7b35cfabe904c18dd1cdb63e9e61956235ce55','51f5d3a1dd590ecfc88e116d2be7d5e64c1fcff2d00d55ae14ec4d56914af476',8402);
INSERT INTO "content_packs" VALUES('348cc35fe22516639153e60ebb7b35cfabe904c18dd1cdb63e9e61956235ce55','f4060efb1cdefcf51968d0ee5228f84b81f479aee5ee52d5260fcf344f72b9ea',2127);
INSERT INTO "content_packs" VALUES('fc0a58f9a9ed43cf50d56a18aeaae5dd1b35cd3ffd679c5be7e367756d96133d','51f5d3a1dd590ecfc88e116d2be7d5e64c1fcff2d00d55ae14ec4d56914af476',16819);
INSERT INTO "content_packs" VALUES('fc0a58f9a9ed43cf50d56a18aeaae5dd1b35cd3ffd679c5be7e367756d96133d','f9cf01ede7ed04e788ad84b893c2ffcef7a789e08e7358a3b65774cf60ea3798',1047);
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
INSERT INTO "contents" VALUES('0b843a8a49cb8d66084142333ea728c2725b95ca7f826006ef951b17c7c04497',1048576,131072,16819,4,0,0);
INSERT INTO "contents" VALUES('348cc35fe22516639153e60ebb7b35cfabe904c18dd1cdb63e9e61956235ce55',1048576,81920,10529,3,0,0);
INSERT INTO "contents" VALUES('36572b9f456366e068ef8ba878d6ef8dc707a6233fa704e07819cd248d4d5e5e',1048576,24576,3154,1,0,1);
INSERT INTO "contents" VALUES('fc0a58f9a9ed43cf50d56a18aeaae5dd1b35cd3ffd679c5be7e367756d96133d',1048576,139264,17866,5,0,0);
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
INSERT INTO "definitions" VALUES(1,1,'debian','debian','963f5309885245ca992e4c70e11d86f8',1,2,'eastus','golden','debian','default','golden/debian/default','Linux','Generalized','V2','x64','{}','[null, null]','[null, null]','[]',NULL,NULL,NULL,NULL,NULL,NULL,'{}','2026-11-29 01:32:51.839701','Succeeded',NULL,'{}',0);
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
INSERT INTO "galleries" VALUES(1,'default','default','default','default','golden','golden','8862a8c2faa24f5fb7e3d217d0fe5045',2,3,'eastus',NULL,'{}',1,7,'2026-11-29 01:32:50.320222','Succeeded',0,NULL,NULL);
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
INSERT INTO "identity" VALUES(1,'871c21d600d64abe81d22cd2f422d0dd','c36484ab69ab421487cee164bc51a605',1,'{"domain_id": "696d677265706c20646f6d61696e2031", "chunk_key": "696d677265706c20646564757020646f6d61696e2c2072656c6561736520310a", "average_bytes": 32768, "seed": 7596841887469694001}','2026-11-29 01:32:47.343000');
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
INSERT INTO "ledger" VALUES(1,'2026-11-29 01:32:52.138235','default','default','golden','debian','1.0.0','eastus','eastus',1,0,424,3);
INSERT INTO "ledger" VALUES(2,'2026-11-29 01:32:54.066856','default','default','golden','debian','1.1.0','eastus','eastus',1,0,464,3);
INSERT INTO "ledger" VALUES(3,'2026-11-29 01:32:54.242028','default','default','golden','debian','1.1.0','eastus','westeurope',1,81920,4667,24);
INSERT INTO "ledger" VALUES(4,'2026-11-29 01:32:56.114750','default','default','golden','debian','1.2.0','eastus','eastus',1,0,422,3);
INSERT INTO "ledger" VALUES(5,'2026-11-29 01:32:56.151318','default','default','golden','debian','1.2.0','eastus','westeurope',1,24576,1574,4);
INSERT INTO "ledger" VALUES(6,'2026-11-29 01:33:07.799093','default','default','golden','debian','1.3.0','eastus','eastus',1,0,465,3);
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
INSERT INTO "operations" VALUES('20261129T013251-24fd4cbb9c41','publish','golden/debian/1.0.0','Succeeded','{"version": {"subscription": "default", "group": "default", "gallery": "golden", "definition": "debian", "version": "1.0.0"}, "disks": [{"lun": null, "source": "@FOLDER@/1.0.0.raw", "parents": [], "sha256": false, "ignore_checksum": false, "size_from_geometry": false, "state": null}], "only": null}',1,'{"host": "builder", "boot_id": "00000000-0000-0000-0000-000000000000", "pid": 14395, "started_ticks": 1305389}',NULL,'2026-11-29 01:32:51.932000','2026-11-29 01:32:52.155000','2026-11-29 01:32:52.155000',0,NULL,'{"sentBytes": 18809, "seconds": 0.206}',NULL);
INSERT INTO "operations" VALUES('20261129T013253-b7c10b7ceda7','publish','golden/debian/1.1.0','Succeeded','{"version": {"subscription": "default", "group": "default", "gallery": "golden", "definition": "debian", "version": "1.1.0"}, "disks": [{"lun": null, "source": "@FOLDER@/1.1.0.raw", "parents": [], "sha256": false, "ignore_checksum": false, "size_from_geometry": false, "state": null}], "only": null}',1,'{"host": "builder", "boot_id": "00000000-0000-0000-0000-000000000000", "pid": 14502, "started_ticks": 1305571}',NULL,'2026-11-29 01:32:53.793000','2026-11-29 01:32:54.249000','2026-11-29 01:32:54.249000',0,NULL,'{"sentBytes": 8836, "seconds": 0.422}',NULL);
INSERT INTO "operations" VALUES('20261129T013255-6b22154181e9','publish','golden/debian/1.2.0','Succeeded','{"version": {"subscription": "default", "group": "default", "gallery": "golden", "definition": "debian", "version": "1.2.0"}, "disks": [{"lun": null, "source": "@FOLDER@/1.2.0.raw", "parents": [], "sha256": false, "ignore_checksum": false, "size_from_geometry": false, "state": null}], "only": null}',1,'{"host": "builder", "boot_id": "00000000-0000-0000-0000-000000000000", "pid": 14620, "started_ticks": 1305785}',NULL,'2026-11-29 01:32:55.773000','2026-11-29 01:32:56.160000','2026-11-29 01:32:56.160000',0,NULL,'{"sentBytes": 6685, "seconds": 0.373}',NULL);
INSERT INTO "operations" VALUES('20261129T013302-b55faa076908','collect','collect','Succeeded','{"graceSeconds": 0.0}',1,'{"host": "builder", "boot_id": "00000000-0000-0000-0000-000000000000", "pid": 14932, "started_ticks": 1306410}',NULL,'2026-11-29 01:33:02.654000','2026-11-29 01:33:03.029000','2026-11-29 01:33:03.029000',0,NULL,'{"deletedPacks": 2, "deletedBytes": 6748, "error": null}',NULL);
INSERT INTO "operations" VALUES('20261129T013307-e9dcfa8abbb7','publish','golden/debian/1.3.0','Succeeded','{"version": {"subscription": "default", "group": "default", "gallery": "golden", "definition": "debian", "version": "1.3.0"}, "disks": [{"lun": null, "source": "@FOLDER@/1.3.0.raw", "parents": [], "sha256": false, "ignore_checksum": false, "size_from_geometry": false, "state": null}], "only": null}',1,'{"host": "builder", "boot_id": "00000000-0000-0000-0000-000000000000", "pid": 15115, "started_ticks": 1306853}',NULL,'2026-11-29 01:33:07.389000','2026-11-29 01:33:07.809000','2026-11-29 01:33:07.809000',0,NULL,'{"sentBytes": 2987, "seconds": 0.401}',NULL);
CREATE TABLE packs (
	pack_id TEXT NOT NULL, 
	pack_bytes BIGINT NOT NULL, 
	CONSTRAINT pk_packs PRIMARY KEY (pack_id)
);
INSERT INTO "packs" VALUES('51f5d3a1dd590ecfc88e116d2be7d5e64c1fcff2d00d55ae14ec4d56914af476',17171);
INSERT INTO "packs" VALUES('f4060efb1cdefcf51968d0ee5228f84b81f479aee5ee52d5260fcf344f72b9ea',2347);
INSERT INTO "packs" VALUES('b3ccf60a757ba93b82073f96cefd042dde2cd3c696b99c56b8c317529e7a4bea',3374);
INSERT INTO "packs" VALUES('f9cf01ede7ed04e788ad84b893c2ffcef7a789e08e7358a3b65774cf60ea3798',1267);
CREATE TABLE pins (
	operation_id TEXT NOT NULL, 
	place_id INTEGER NOT NULL, 
	pack_id TEXT NOT NULL, 
	CONSTRAINT pk_pins PRIMARY KEY (operation_id, place_id, pack_id), 
	CONSTRAINT fk_pins_operation_id FOREIGN KEY(operation_id) REFERENCES operations (operation_id), 
	CONSTRAINT fk_pins_pack_id FOREIGN KEY(pack_id) REFERENCES packs (pack_id), 
	CONSTRAINT fk_pins_place_id FOREIGN KEY(place_id) REFERENCES places (id)
);
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
INSERT INTO "place_contents" VALUES(1,'0b843a8a49cb8d66084142333ea728c2725b95ca7f826006ef951b17c7c04497',1,0,1,2,3,'2026-11-29 01:32:52.116787');
INSERT INTO "place_contents" VALUES(1,'348cc35fe22516639153e60ebb7b35cfabe904c18dd1cdb63e9e61956235ce55',1,0,1,2,3,'2026-11-29 01:32:54.038181');
INSERT INTO "place_contents" VALUES(2,'348cc35fe22516639153e60ebb7b35cfabe904c18dd1cdb63e9e61956235ce55',1,0,1,2,2,'2026-11-29 01:32:54.122255');
INSERT INTO "place_contents" VALUES(3,'348cc35fe22516639153e60ebb7b35cfabe904c18dd1cdb63e9e61956235ce55',1,0,1,2,2,'2026-11-29 01:32:54.177578');
INSERT INTO "place_contents" VALUES(1,'36572b9f456366e068ef8ba878d6ef8dc707a6233fa704e07819cd248d4d5e5e',0,0,1,2,3,'2026-11-29 01:32:56.076109');
INSERT INTO "place_contents" VALUES(2,'36572b9f456366e068ef8ba878d6ef8dc707a6233fa704e07819cd248d4d5e5e',0,0,1,2,2,'2026-11-29 01:32:56.120901');
INSERT INTO "place_contents" VALUES(1,'fc0a58f9a9ed43cf50d56a18aeaae5dd1b35cd3ffd679c5be7e367756d96133d',1,0,1,2,3,'2026-11-29 01:33:07.773057');
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
INSERT INTO "place_packs" VALUES(1,'51f5d3a1dd590ecfc88e116d2be7d5e64c1fcff2d00d55ae14ec4d56914af476',0,'present',NULL,5,'2026-11-29 01:32:54.069461',NULL,'2026-11-29 01:32:51.991000');
INSERT INTO "place_packs" VALUES(1,'f4060efb1cdefcf51968d0ee5228f84b81f479aee5ee52d5260fcf344f72b9ea',0,'present',NULL,3,'2026-11-29 01:32:53.903528',NULL,'2026-11-29 01:32:53.904000');
INSERT INTO "place_packs" VALUES(2,'f4060efb1cdefcf51968d0ee5228f84b81f479aee5ee52d5260fcf344f72b9ea',0,'present',NULL,2,'2026-11-29 01:32:54.104839',NULL,'2026-11-29 01:32:54.113000');
INSERT INTO "place_packs" VALUES(3,'f4060efb1cdefcf51968d0ee5228f84b81f479aee5ee52d5260fcf344f72b9ea',0,'present',NULL,2,'2026-11-29 01:32:54.112664',NULL,'2026-11-29 01:32:54.114000');
INSERT INTO "place_packs" VALUES(2,'51f5d3a1dd590ecfc88e116d2be7d5e64c1fcff2d00d55ae14ec4d56914af476',0,'present',NULL,2,'2026-11-29 01:32:54.103977',NULL,'2026-11-29 01:32:54.113000');
INSERT INTO "place_packs" VALUES(3,'51f5d3a1dd590ecfc88e116d2be7d5e64c1fcff2d00d55ae14ec4d56914af476',0,'present',NULL,2,'2026-11-29 01:32:54.107685',NULL,'2026-11-29 01:32:54.113000');
INSERT INTO "place_packs" VALUES(1,'b3ccf60a757ba93b82073f96cefd042dde2cd3c696b99c56b8c317529e7a4bea',0,'gone',NULL,3,'2026-11-29 01:32:55.959732',NULL,'2026-11-29 01:33:02.884000');
INSERT INTO "place_packs" VALUES(2,'b3ccf60a757ba93b82073f96cefd042dde2cd3c696b99c56b8c317529e7a4bea',0,'gone',NULL,2,'2026-11-29 01:32:56.098443',NULL,'2026-11-29 01:33:02.948000');
INSERT INTO "place_packs" VALUES(1,'f9cf01ede7ed04e788ad84b893c2ffcef7a789e08e7358a3b65774cf60ea3798',0,'present',NULL,3,'2026-11-29 01:33:07.583909',NULL,'2026-11-29 01:33:07.585000');
CREATE TABLE place_records (
	place_id INTEGER NOT NULL, 
	resource_key TEXT NOT NULL, 
	incarnation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	CONSTRAINT pk_place_records PRIMARY KEY (place_id, resource_key, incarnation), 
	CONSTRAINT fk_place_records_place_id FOREIGN KEY(place_id) REFERENCES places (id)
);
INSERT INTO "place_records" VALUES(1,'default/default/golden','8862a8c2faa24f5fb7e3d217d0fe5045',2);
INSERT INTO "place_records" VALUES(1,'default/default/golden/debian','963f5309885245ca992e4c70e11d86f8',1);
INSERT INTO "place_records" VALUES(1,'default/default/golden/debian/1.0.0','e9dfabb5012741178e359f4f744ef973',1);
INSERT INTO "place_records" VALUES(1,'default/default/golden/debian/1.1.0','ceb41a690c994b63920bd582ec5d60d7',1);
INSERT INTO "place_records" VALUES(2,'default/default/golden','8862a8c2faa24f5fb7e3d217d0fe5045',2);
INSERT INTO "place_records" VALUES(2,'default/default/golden/debian','963f5309885245ca992e4c70e11d86f8',1);
INSERT INTO "place_records" VALUES(2,'default/default/golden/debian/1.1.0','ceb41a690c994b63920bd582ec5d60d7',1);
INSERT INTO "place_records" VALUES(1,'default/default/golden/debian/1.2.0','feb2715f5f9841eea45c29f2ece756f2',2);
INSERT INTO "place_records" VALUES(2,'default/default/golden/debian/1.2.0','feb2715f5f9841eea45c29f2ece756f2',2);
INSERT INTO "place_records" VALUES(1,'default/default/golden/debian/1.3.0','081d3b74a36c4faa96b49eea986e478e',2);
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
INSERT INTO "places" VALUES(1,'eastus','standard',0,0,'{"url": "file://@FOLDER@/eastus/r0", "addressing": "auto"}','{"server": "file", "conditional_put": true, "conditional_swap": true, "checksum_checked": true, "checksum_returned": false, "server_copy": true, "copy_keeps_checksum": false, "copy_rehashes": false}');
INSERT INTO "places" VALUES(2,'westeurope','standard',0,0,'{"url": "file://@FOLDER@/westeurope/r0", "addressing": "auto"}','{"server": "file", "conditional_put": true, "conditional_swap": true, "checksum_checked": true, "checksum_returned": false, "server_copy": true, "copy_keeps_checksum": false, "copy_rehashes": false}');
INSERT INTO "places" VALUES(3,'westeurope','standard',1,0,'{"url": "file://@FOLDER@/westeurope/r1", "addressing": "auto"}','{"server": "file", "conditional_put": true, "conditional_swap": true, "checksum_checked": true, "checksum_returned": false, "server_copy": true, "copy_keeps_checksum": false, "copy_rehashes": false}');
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
INSERT INTO "regions" VALUES('eastus','eastus','[{"url": "file://@FOLDER@/eastus", "addressing": "auto"}]','[]',NULL,NULL);
INSERT INTO "regions" VALUES('westeurope','westeurope','[{"url": "file://@FOLDER@/westeurope", "addressing": "auto"}]','[]',NULL,NULL);
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
	CONSTRAINT ck_replicas_state CHECK (state IN ('Unknown', 'Replicating', 'Completed', 'Failed')), 
	CONSTRAINT fk_replicas_version_id FOREIGN KEY(version_id) REFERENCES versions (id) ON DELETE CASCADE, 
	CONSTRAINT ck_replicas_storage_account_type CHECK (storage_account_type IN ('Standard_LRS', 'Standard_ZRS', 'Premium_LRS', 'StandardSSD_LRS'))
);
INSERT INTO "replicas" VALUES(1,'eastus',0,'Standard_LRS','Completed',0,0,'',3,'2026-11-29 01:32:52.136896');
INSERT INTO "replicas" VALUES(2,'eastus',0,'Standard_LRS','Completed',0,0,'',3,'2026-11-29 01:32:54.060875');
INSERT INTO "replicas" VALUES(2,'westeurope',0,'Standard_LRS','Completed',19518,19518,'',2,'2026-11-29 01:32:54.240121');
INSERT INTO "replicas" VALUES(2,'westeurope',1,'Standard_LRS','Completed',19518,19518,'',2,'2026-11-29 01:32:54.240121');
INSERT INTO "replicas" VALUES(3,'eastus',0,'Standard_LRS','Completed',0,0,'',3,'2026-11-29 01:33:07.793653');
CREATE TABLE tombstones (
	resource_key TEXT NOT NULL, 
	incarnation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_tombstones PRIMARY KEY (resource_key, incarnation)
);
INSERT INTO "tombstones" VALUES('default/default/golden/debian/1.2.0','feb2715f5f9841eea45c29f2ece756f2',2,'2026-11-29 01:32:58.221000');
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
INSERT INTO "version_disks" VALUES(1,0,NULL,'@FOLDER@/1.0.0.raw','raw',1048576,131072,16819,'0b843a8a49cb8d66084142333ea728c2725b95ca7f826006ef951b17c7c04497',4,NULL,NULL,NULL);
INSERT INTO "version_disks" VALUES(2,0,NULL,'@FOLDER@/1.1.0.raw','raw',1048576,81920,10529,'348cc35fe22516639153e60ebb7b35cfabe904c18dd1cdb63e9e61956235ce55',3,NULL,NULL,NULL);
INSERT INTO "version_disks" VALUES(3,0,NULL,'@FOLDER@/1.3.0.raw','raw',1048576,139264,17866,'fc0a58f9a9ed43cf50d56a18aeaae5dd1b35cd3ffd679c5be7e367756d96133d',5,NULL,NULL,NULL);
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
INSERT INTO "version_targets" VALUES(1,'eastus',0,1,'Standard_LRS',NULL,NULL);
INSERT INTO "version_targets" VALUES(2,'eastus',0,1,'Standard_LRS',NULL,NULL);
INSERT INTO "version_targets" VALUES(2,'westeurope',1,2,'Standard_LRS',NULL,NULL);
INSERT INTO "version_targets" VALUES(3,'eastus',0,1,'Standard_LRS',NULL,NULL);
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
INSERT INTO "versions" VALUES(1,1,1,0,0,'e9dfabb5012741178e359f4f744ef973',1,2,'eastus',1,'Standard_LRS',1,0,NULL,'2026-11-29 01:32:52.044503','Full','{"allow_deletion_of_replicated_locations": true, "block_deletion_before_end_of_life": false}','{}','Succeeded',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "versions" VALUES(2,1,1,1,0,'ceb41a690c994b63920bd582ec5d60d7',1,2,'eastus',1,'Standard_LRS',1,0,NULL,'2026-11-29 01:32:53.941200','Full','{"allow_deletion_of_replicated_locations": true, "block_deletion_before_end_of_life": false}','{}','Succeeded',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "versions" VALUES(3,1,1,3,0,'081d3b74a36c4faa96b49eea986e478e',2,3,'eastus',1,'Standard_LRS',1,0,NULL,'2026-11-29 01:33:07.617051','Full','{"allow_deletion_of_replicated_locations": true, "block_deletion_before_end_of_life": false}','{}','Succeeded',NULL,'2026-11-29 01:33:11.267517','2026-12-06 01:33:11.267517','2026-12-06 01:33:11.267517','{"eastus": 1}',NULL,NULL);
CREATE INDEX ix_galleries_location ON galleries (location);
CREATE INDEX ix_definitions_location ON definitions (location);
CREATE INDEX ix_version_targets_region ON version_targets (region);
CREATE INDEX ix_version_disks_content_id ON version_disks (content_id);
CREATE INDEX ix_place_packs_operation_id ON place_packs (operation_id);
CREATE INDEX ix_place_packs_pack_id ON place_packs (pack_id);
CREATE INDEX ix_place_packs_place_state ON place_packs (place_id, state, pack_id);
CREATE UNIQUE INDEX uq_place_packs_live ON place_packs (place_id, pack_id) WHERE state IN ('intended', 'present', 'damaged', 'condemned');
CREATE INDEX ix_content_packs_pack_id ON content_packs (pack_id);
CREATE INDEX ix_place_contents_content_id ON place_contents (content_id);
CREATE INDEX ix_operations_created_at ON operations (created_at);
CREATE INDEX ix_operations_target_ended_at ON operations (target, ended_at);
CREATE INDEX ix_pins_place_pack ON pins (place_id, pack_id);
CREATE INDEX ix_place_records_resource_key ON place_records (resource_key);
CREATE INDEX ix_activity_target ON activity (target);
CREATE INDEX ix_moved_parts_place_part ON moved_parts (place_id, part_id);
CREATE INDEX ix_moved_uses_content_id ON moved_uses (content_id);
CREATE INDEX ix_versions_hard_deletion_at ON versions (hard_deletion_at);
CREATE INDEX ix_ledger_at ON ledger (at);
CREATE INDEX ix_versions_location_definition_id ON versions (location, definition_id);
COMMIT;
