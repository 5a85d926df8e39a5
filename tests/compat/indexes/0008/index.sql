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
INSERT INTO "activity" VALUES(1,'2026-11-29 01:33:13.779000','builder','region.add','eastus','Succeeded','{"urls": ["file://@FOLDER@/eastus"]}');
INSERT INTO "activity" VALUES(2,'2026-11-29 01:33:15.467000','builder','region.add','westeurope','Succeeded','{"urls": ["file://@FOLDER@/westeurope"]}');
INSERT INTO "activity" VALUES(3,'2026-11-29 01:33:17.685000','builder','gallery.create','golden','Succeeded','{"location": "eastus"}');
INSERT INTO "activity" VALUES(4,'2026-11-29 01:33:21.064000','builder','image-definition.create','golden/debian','Succeeded','{"identifier": "golden/debian/default"}');
INSERT INTO "activity" VALUES(5,'2026-11-29 01:33:21.428000','builder','image-version.publish','golden/debian/1.0.0','Succeeded','{"operation": "20261129T013321-8fb53d10dd46", "failures": {}}');
INSERT INTO "activity" VALUES(6,'2026-11-29 01:33:26.103000','builder','image-version.publish','golden/debian/1.1.0','Succeeded','{"operation": "20261129T013325-402fbee73af8", "failures": {}}');
INSERT INTO "activity" VALUES(7,'2026-11-29 01:33:30.795000','builder','image-version.publish','golden/debian/1.2.0','Succeeded','{"operation": "20261129T013329-7249827733dc", "failures": {}}');
INSERT INTO "activity" VALUES(8,'2026-11-29 01:33:35.106000','builder','image-version.delete','golden/debian/1.2.0','Succeeded','{"unreached": {}}');
INSERT INTO "activity" VALUES(9,'2026-11-29 01:33:43.221000','builder','collect','collect','Succeeded','{"deletedPacks": 2, "deletedBytes": 6748, "error": null}');
INSERT INTO "activity" VALUES(10,'2026-11-29 01:33:45.040000','builder','gallery.update','golden','Succeeded','{"revision": 2}');
INSERT INTO "activity" VALUES(11,'2026-11-29 01:33:47.373000','builder','image-version.publish','golden/debian/1.3.0','Succeeded','{"operation": "20261129T013346-68ada1a329eb", "failures": {}}');
INSERT INTO "activity" VALUES(12,'2026-11-29 01:33:50.061000','builder','image-version.soft-delete','golden/debian/1.3.0','Succeeded','{}');
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0008');
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
INSERT INTO "definitions" VALUES(1,1,'debian','debian','a2c885445911429aa0a81f2807963e06',1,2,'eastus','golden','debian','default','golden/debian/default','Linux','Generalized','V2','x64','{}','[null, null]','[null, null]','[]',NULL,NULL,NULL,NULL,NULL,NULL,'{}','2026-11-29 01:33:20.893614','Succeeded',NULL,'{}',0);
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
INSERT INTO "galleries" VALUES(1,'default','default','default','default','golden','golden','ac90a05002f14b38b0314a90754be0b4',2,3,'eastus',NULL,'{}',1,7,'2026-11-29 01:33:17.671659','Succeeded',0,NULL,NULL);
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
INSERT INTO "identity" VALUES(1,'eb8a6948814f4bbcb4ade2254e1e1044','433e0f56ca6a4a1989e7002149d61427',1,'{"domain_id": "696d677265706c20646f6d61696e2031", "chunk_key": "696d677265706c20646564757020646f6d61696e2c2072656c6561736520310a", "average_bytes": 32768, "seed": 7596841887469694001}','2026-11-29 01:33:13.754000');
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
INSERT INTO "ledger" VALUES(1,'2026-11-29 01:33:21.411210','default','default','golden','debian','1.0.0','eastus','eastus',1,0,424,3);
INSERT INTO "ledger" VALUES(2,'2026-11-29 01:33:25.958670','default','default','golden','debian','1.1.0','eastus','eastus',1,0,464,3);
INSERT INTO "ledger" VALUES(3,'2026-11-29 01:33:26.086085','default','default','golden','debian','1.1.0','eastus','westeurope',1,81920,4667,24);
INSERT INTO "ledger" VALUES(4,'2026-11-29 01:33:30.657408','default','default','golden','debian','1.2.0','eastus','eastus',1,0,422,3);
INSERT INTO "ledger" VALUES(5,'2026-11-29 01:33:30.704559','default','default','golden','debian','1.2.0','eastus','westeurope',1,24576,1574,4);
INSERT INTO "ledger" VALUES(6,'2026-11-29 01:33:47.362606','default','default','golden','debian','1.3.0','eastus','eastus',1,0,465,3);
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
INSERT INTO "operations" VALUES('20261129T013321-8fb53d10dd46','publish','golden/debian/1.0.0','Succeeded','{"version": {"subscription": "default", "group": "default", "gallery": "golden", "definition": "debian", "version": "1.0.0"}, "disks": [{"lun": null, "source": "@FOLDER@/1.0.0.raw", "parents": [], "sha256": false, "ignore_checksum": false, "size_from_geometry": false, "state": null}], "only": null}',1,'{"host": "builder", "boot_id": "00000000-0000-0000-0000-000000000000", "pid": 15636, "started_ticks": 1308147}',NULL,'2026-11-29 01:33:21.106000','2026-11-29 01:33:21.427000','2026-11-29 01:33:21.427000',0,NULL,'{"sentBytes": 18809, "seconds": 0.287}',NULL);
INSERT INTO "operations" VALUES('20261129T013325-402fbee73af8','publish','golden/debian/1.1.0','Succeeded','{"version": {"subscription": "default", "group": "default", "gallery": "golden", "definition": "debian", "version": "1.1.0"}, "disks": [{"lun": null, "source": "@FOLDER@/1.1.0.raw", "parents": [], "sha256": false, "ignore_checksum": false, "size_from_geometry": false, "state": null}], "only": null}',1,'{"host": "builder", "boot_id": "00000000-0000-0000-0000-000000000000", "pid": 15777, "started_ticks": 1308553}',NULL,'2026-11-29 01:33:25.432000','2026-11-29 01:33:26.103000','2026-11-29 01:33:26.103000',0,NULL,'{"sentBytes": 8836, "seconds": 0.62}',NULL);
INSERT INTO "operations" VALUES('20261129T013329-7249827733dc','publish','golden/debian/1.2.0','Succeeded','{"version": {"subscription": "default", "group": "default", "gallery": "golden", "definition": "debian", "version": "1.2.0"}, "disks": [{"lun": null, "source": "@FOLDER@/1.2.0.raw", "parents": [], "sha256": false, "ignore_checksum": false, "size_from_geometry": false, "state": null}], "only": null}',1,'{"host": "builder", "boot_id": "00000000-0000-0000-0000-000000000000", "pid": 15918, "started_ticks": 1308986}',NULL,'2026-11-29 01:33:29.701000','2026-11-29 01:33:30.778000','2026-11-29 01:33:30.778000',0,NULL,'{"sentBytes": 6685, "seconds": 1.004}',NULL);
INSERT INTO "operations" VALUES('20261129T013342-6a8b45614ea6','collect','collect','Succeeded','{"graceSeconds": 0.0}',1,'{"host": "builder", "boot_id": "00000000-0000-0000-0000-000000000000", "pid": 16354, "started_ticks": 1310239}',NULL,'2026-11-29 01:33:42.478000','2026-11-29 01:33:43.221000','2026-11-29 01:33:43.221000',0,NULL,'{"deletedPacks": 2, "deletedBytes": 6748, "error": null}',NULL);
INSERT INTO "operations" VALUES('20261129T013346-68ada1a329eb','publish','golden/debian/1.3.0','Succeeded','{"version": {"subscription": "default", "group": "default", "gallery": "golden", "definition": "debian", "version": "1.3.0"}, "disks": [{"lun": null, "source": "@FOLDER@/1.3.0.raw", "parents": [], "sha256": false, "ignore_checksum": false, "size_from_geometry": false, "state": null}], "only": null}',1,'{"host": "builder", "boot_id": "00000000-0000-0000-0000-000000000000", "pid": 16579, "started_ticks": 1310869}',NULL,'2026-11-29 01:33:46.979000','2026-11-29 01:33:47.372000','2026-11-29 01:33:47.372000',0,NULL,'{"sentBytes": 2987, "seconds": 0.353}',NULL);
CREATE TABLE packs (
	pack_id TEXT NOT NULL, 
	pack_bytes BIGINT NOT NULL, footer_digest TEXT, 
	CONSTRAINT pk_packs PRIMARY KEY (pack_id)
);
INSERT INTO "packs" VALUES('51f5d3a1dd590ecfc88e116d2be7d5e64c1fcff2d00d55ae14ec4d56914af476',17171,'11f1ef5e2cdeb710ab4d5ea81cc9631c31ca389ff9d7425a729c82f94e252a7e');
INSERT INTO "packs" VALUES('f4060efb1cdefcf51968d0ee5228f84b81f479aee5ee52d5260fcf344f72b9ea',2347,'430b3a8fa534b3ba0ee022b967f79b013eb5ea1b04328d52da951e4dc733fa30');
INSERT INTO "packs" VALUES('b3ccf60a757ba93b82073f96cefd042dde2cd3c696b99c56b8c317529e7a4bea',3374,'37e7382ffad7d513876e87d4aa7b6419d38bb631f379bc0e123f692a614b3c51');
INSERT INTO "packs" VALUES('f9cf01ede7ed04e788ad84b893c2ffcef7a789e08e7358a3b65774cf60ea3798',1267,'7e1c67017c859e7d9794254fe707b54d67d9a268b9dffd94c8698cd0e7ca1855');
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
INSERT INTO "place_contents" VALUES(1,'0b843a8a49cb8d66084142333ea728c2725b95ca7f826006ef951b17c7c04497',1,0,1,2,3,'2026-11-29 01:33:21.365844');
INSERT INTO "place_contents" VALUES(1,'348cc35fe22516639153e60ebb7b35cfabe904c18dd1cdb63e9e61956235ce55',1,0,1,2,3,'2026-11-29 01:33:25.940247');
INSERT INTO "place_contents" VALUES(2,'348cc35fe22516639153e60ebb7b35cfabe904c18dd1cdb63e9e61956235ce55',1,0,1,2,2,'2026-11-29 01:33:26.032652');
INSERT INTO "place_contents" VALUES(3,'348cc35fe22516639153e60ebb7b35cfabe904c18dd1cdb63e9e61956235ce55',1,0,1,2,2,'2026-11-29 01:33:26.049041');
INSERT INTO "place_contents" VALUES(1,'36572b9f456366e068ef8ba878d6ef8dc707a6233fa704e07819cd248d4d5e5e',0,0,1,2,3,'2026-11-29 01:33:30.517418');
INSERT INTO "place_contents" VALUES(2,'36572b9f456366e068ef8ba878d6ef8dc707a6233fa704e07819cd248d4d5e5e',0,0,1,2,2,'2026-11-29 01:33:30.649519');
INSERT INTO "place_contents" VALUES(1,'fc0a58f9a9ed43cf50d56a18aeaae5dd1b35cd3ffd679c5be7e367756d96133d',1,0,1,2,3,'2026-11-29 01:33:47.333310');
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
INSERT INTO "place_packs" VALUES(1,'51f5d3a1dd590ecfc88e116d2be7d5e64c1fcff2d00d55ae14ec4d56914af476',0,'present',NULL,5,'2026-11-29 01:33:25.935005',NULL,'2026-11-29 01:33:21.195000');
INSERT INTO "place_packs" VALUES(1,'f4060efb1cdefcf51968d0ee5228f84b81f479aee5ee52d5260fcf344f72b9ea',0,'present',NULL,3,'2026-11-29 01:33:25.751955',NULL,'2026-11-29 01:33:25.752000');
INSERT INTO "place_packs" VALUES(2,'f4060efb1cdefcf51968d0ee5228f84b81f479aee5ee52d5260fcf344f72b9ea',0,'present',NULL,2,'2026-11-29 01:33:26.015821',NULL,'2026-11-29 01:33:26.023000');
INSERT INTO "place_packs" VALUES(3,'f4060efb1cdefcf51968d0ee5228f84b81f479aee5ee52d5260fcf344f72b9ea',0,'present',NULL,2,'2026-11-29 01:33:26.022997',NULL,'2026-11-29 01:33:26.024000');
INSERT INTO "place_packs" VALUES(2,'51f5d3a1dd590ecfc88e116d2be7d5e64c1fcff2d00d55ae14ec4d56914af476',0,'present',NULL,2,'2026-11-29 01:33:26.017179',NULL,'2026-11-29 01:33:26.024000');
INSERT INTO "place_packs" VALUES(3,'51f5d3a1dd590ecfc88e116d2be7d5e64c1fcff2d00d55ae14ec4d56914af476',0,'present',NULL,2,'2026-11-29 01:33:26.018741',NULL,'2026-11-29 01:33:26.024000');
INSERT INTO "place_packs" VALUES(1,'b3ccf60a757ba93b82073f96cefd042dde2cd3c696b99c56b8c317529e7a4bea',0,'gone',NULL,3,'2026-11-29 01:33:30.151113',NULL,'2026-11-29 01:33:42.963000');
INSERT INTO "place_packs" VALUES(2,'b3ccf60a757ba93b82073f96cefd042dde2cd3c696b99c56b8c317529e7a4bea',0,'gone',NULL,2,'2026-11-29 01:33:30.569325',NULL,'2026-11-29 01:33:43.089000');
INSERT INTO "place_packs" VALUES(1,'f9cf01ede7ed04e788ad84b893c2ffcef7a789e08e7358a3b65774cf60ea3798',0,'present',NULL,3,'2026-11-29 01:33:47.197988',NULL,'2026-11-29 01:33:47.199000');
CREATE TABLE place_records (
	place_id INTEGER NOT NULL, 
	resource_key TEXT NOT NULL, 
	incarnation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	CONSTRAINT pk_place_records PRIMARY KEY (place_id, resource_key, incarnation), 
	CONSTRAINT fk_place_records_place_id FOREIGN KEY(place_id) REFERENCES places (id)
);
INSERT INTO "place_records" VALUES(1,'default/default/golden','ac90a05002f14b38b0314a90754be0b4',2);
INSERT INTO "place_records" VALUES(1,'default/default/golden/debian','a2c885445911429aa0a81f2807963e06',1);
INSERT INTO "place_records" VALUES(1,'default/default/golden/debian/1.0.0','6330e040f01b43a8b8b729fec7805820',1);
INSERT INTO "place_records" VALUES(1,'default/default/golden/debian/1.1.0','f6fb4891c259486c9892ff95df94fc9d',1);
INSERT INTO "place_records" VALUES(2,'default/default/golden','ac90a05002f14b38b0314a90754be0b4',2);
INSERT INTO "place_records" VALUES(2,'default/default/golden/debian','a2c885445911429aa0a81f2807963e06',1);
INSERT INTO "place_records" VALUES(2,'default/default/golden/debian/1.1.0','f6fb4891c259486c9892ff95df94fc9d',1);
INSERT INTO "place_records" VALUES(1,'default/default/golden/debian/1.2.0','8c1aa4d6a3e44563b98870c64737314f',2);
INSERT INTO "place_records" VALUES(2,'default/default/golden/debian/1.2.0','8c1aa4d6a3e44563b98870c64737314f',2);
INSERT INTO "place_records" VALUES(1,'default/default/golden/debian/1.3.0','e2b5634282c1484b85f5adf52742ccb3',2);
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
INSERT INTO "replicas" VALUES(1,'eastus',0,'Standard_LRS','Completed',0,0,'',3,'2026-11-29 01:33:21.401634');
INSERT INTO "replicas" VALUES(2,'eastus',0,'Standard_LRS','Completed',0,0,'',3,'2026-11-29 01:33:25.957316');
INSERT INTO "replicas" VALUES(2,'westeurope',0,'Standard_LRS','Completed',19518,19518,'',2,'2026-11-29 01:33:26.081139');
INSERT INTO "replicas" VALUES(2,'westeurope',1,'Standard_LRS','Completed',19518,19518,'',2,'2026-11-29 01:33:26.081139');
INSERT INTO "replicas" VALUES(3,'eastus',0,'Standard_LRS','Completed',0,0,'',3,'2026-11-29 01:33:47.353400');
CREATE TABLE tombstones (
	resource_key TEXT NOT NULL, 
	incarnation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_tombstones PRIMARY KEY (resource_key, incarnation)
);
INSERT INTO "tombstones" VALUES('default/default/golden/debian/1.2.0','8c1aa4d6a3e44563b98870c64737314f',2,'2026-11-29 01:33:35.068000');
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
INSERT INTO "versions" VALUES(1,1,1,0,0,'6330e040f01b43a8b8b729fec7805820',1,2,'eastus',1,'Standard_LRS',1,0,NULL,'2026-11-29 01:33:21.275074','Full','{"allow_deletion_of_replicated_locations": true, "block_deletion_before_end_of_life": false}','{}','Succeeded',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "versions" VALUES(2,1,1,1,0,'f6fb4891c259486c9892ff95df94fc9d',1,2,'eastus',1,'Standard_LRS',1,0,NULL,'2026-11-29 01:33:25.789791','Full','{"allow_deletion_of_replicated_locations": true, "block_deletion_before_end_of_life": false}','{}','Succeeded',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "versions" VALUES(3,1,1,3,0,'e2b5634282c1484b85f5adf52742ccb3',2,3,'eastus',1,'Standard_LRS',1,0,NULL,'2026-11-29 01:33:47.264047','Full','{"allow_deletion_of_replicated_locations": true, "block_deletion_before_end_of_life": false}','{}','Succeeded',NULL,'2026-11-29 01:33:50.055479','2026-12-06 01:33:50.055479','2026-12-06 01:33:50.055479','{"eastus": 1}',NULL,NULL);
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
CREATE INDEX ix_place_packs_state_proof ON place_packs (state, proof_level, proof_at);
COMMIT;
