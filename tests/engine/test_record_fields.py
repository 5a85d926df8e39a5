"""Records say all of a resource, and what came later is absent where it says nothing."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gallery import samples
from gallery.samples import NOON
from imgrepl.engine.record_fields import definition_of, fields_of, gallery_of, version_of
from imgrepl.model.gallery import (
    Gallery,
    ImageDefinition,
    ImageVersion,
    ProvisioningState,
    SoftDeletion,
)

DELETION = SoftDeletion(
    deleted_at=NOON,
    consumption_ends_at=NOON + timedelta(days=7),
    hard_deletion_at=NOON + timedelta(days=9),
    replica_counts={"eastus": 3},
)
_OF = {Gallery: gallery_of, ImageDefinition: definition_of, ImageVersion: version_of}


def _version(**fields: Any) -> ImageVersion:
    made = samples.version(content="c", published_at=NOON, committed=True)
    return replace(made, provisioning_state=ProvisioningState.SUCCEEDED, **fields)


@pytest.mark.parametrize(
    "resource",
    [
        samples.gallery(soft_delete_enabled=True),
        samples.gallery(soft_delete_grace_days=2),
        samples.definition(end_of_life_date=NOON),
        _version(exclude_from_latest=True, tags={"a": "b"}),
        _version(deletion=DELETION),
    ],
)
def test_a_resource_comes_back_from_its_record(
    resource: Gallery | ImageDefinition | ImageVersion,
) -> None:
    said = json.loads(json.dumps(fields_of(resource)))
    of = _OF[type(resource)]
    assert of(said, resource.incarnation, resource.revision) == resource


def test_what_came_later_is_absent_where_it_says_nothing() -> None:
    assert "deletion" not in fields_of(_version())
    assert "soft_delete_grace_days" not in fields_of(samples.gallery())
    assert fields_of(_version(deletion=DELETION))["deletion"]["replica_counts"] == {"eastus": 3}


def test_a_deletion_changes_nothing_else_in_the_record() -> None:
    version = _version(deletion=DELETION)
    with_it, without = fields_of(version), fields_of(replace(version, deletion=None))
    assert {name for name in with_it if with_it[name] != without.get(name)} == {"deletion"}
