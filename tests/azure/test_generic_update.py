"""`--set`, `--add` and `--remove`: what they do to a document, and which changes that makes."""

from typing import Any

import pytest

from gallery import samples
from imgrepl.actions.version_requests import TargetRequest, UpdateVersion, VersionView
from imgrepl.azure import edited, shapes
from imgrepl.azure.generic_update import Edits, apply
from imgrepl.errors import Conflict, Invalid
from imgrepl.model.gallery import Range, VersionName
from imgrepl.model.region import StorageAccountType

DOCUMENT: dict[str, Any] = {
    "description": "old",
    "count": 1,
    "tags": {"a": "b"},
    "recommended": {"memory": {"min": 1, "max": None}},
    "targets": [{"name": "eastus", "count": 1}, {"name": "westus", "count": 2}],
    "types": ["Standard_LRS"],
}


@pytest.mark.parametrize(
    ("edits", "path", "value"),
    [
        (Edits(sets=["description=new=er"]), ["description"], "new=er"),
        (Edits(sets=["tags.x.y=1.10"]), ["tags", "x.y"], "1.10"),
        (Edits(sets=["recommended.memory.max=8"]), ["recommended", "memory", "max"], "8"),
        (Edits(sets=["targets[1].count=5"]), ["targets", 1, "count"], "5"),
        (Edits(sets=["targets[name=EastUS].count=5"]), ["targets", 0, "count"], "5"),
        (Edits(sets=['types=["A","B"]']), ["types"], ["A", "B"]),
        (Edits(sets=['types=["A"]'], force_string=True), ["types"], '["A"]'),
        (Edits(sets=["description=null"]), ["description"], None),
        (Edits(adds=["types", "Premium_LRS"]), ["types"], ["Standard_LRS", "Premium_LRS"]),
        (
            Edits(adds=["targets", "name=north", "count=3"]),
            ["targets", 2],
            {"name": "north", "count": "3"},
        ),
        (Edits(adds=["tags", "c=d", "e=f"]), ["tags"], {"a": "b", "c": "d", "e": "f"}),
        (Edits(removes=["targets", "0"]), ["targets"], [{"name": "westus", "count": 2}]),
        (Edits(removes=["targets[name=westus]"]), ["targets"], [{"name": "eastus", "count": 1}]),
        (Edits(removes=["tags.a"]), ["tags"], {}),
        (Edits(removes=["description"]), ["description"], None),
        (Edits(removes=["types"]), ["types"], []),
    ],
)
def test_an_edit_changes_what_its_path_names(
    edits: Edits, path: list[str | int], value: object
) -> None:
    found: Any = apply(DOCUMENT, edits)
    for step in path:
        found = found[step]
    assert found == value
    assert DOCUMENT["description"] == "old"
    assert DOCUMENT["targets"][0] == {"name": "eastus", "count": 1}


@pytest.mark.parametrize(
    "edits",
    [
        Edits(sets=["description"]),
        Edits(sets=["nowhere=1"]),
        Edits(sets=["targets[7].count=1"]),
        Edits(sets=["targets[name=mars].count=1"]),
        Edits(sets=["targets[x].count=1"]),
        Edits(sets=["description.deeper=1"]),
        Edits(sets=["=1"]),
        Edits(sets=["types=[broken"]),
        Edits(adds=["description", "x"]),
        Edits(adds=["targets"]),
        Edits(adds=["name=x"]),
        Edits(removes=["nowhere"]),
        Edits(removes=["targets", "x=y"]),
        Edits(removes=["targets", "9"]),
    ],
    ids=str,
)
def test_an_edit_that_leads_nowhere_is_refused(edits: Edits) -> None:
    with pytest.raises(Invalid) as refused:
        apply(DOCUMENT, edits)
    assert refused.value.code == "InvalidPath"
    assert refused.value.hint


def _version_changes(**words: Any) -> UpdateVersion:
    version = samples.version(target_regions=(samples.target(), samples.target("westus", 2)))
    before = shapes.version(VersionView(version=version, replicas=()))
    return edited.changes(
        edited.version_changes, before, Edits(**words), UpdateVersion(), tags=None
    )


def test_a_region_is_added_and_counted_as_with_az() -> None:
    changes = _version_changes(
        sets=["publishingProfile.targetRegions[name=westus].regionalReplicaCount=5"],
        adds=["publishingProfile.targetRegions", "name=North Europe", "excludeFromLatest=true"],
    )
    lrs = StorageAccountType.STANDARD_LRS
    assert changes.target_regions == [
        TargetRequest("eastus", 1, lrs),
        TargetRequest("westus", 5, lrs),
        TargetRequest("northeurope", None, None),
    ]
    assert changes.exclude_from_latest_in == {"eastus": None, "westus": None, "northeurope": True}


def test_profiles_of_a_version_are_reached_by_their_paths() -> None:
    changes = _version_changes(
        sets=[
            "publishingProfile.excludeFromLatest=true",
            "publishingProfile.replicaCount=4",
            "publishingProfile.endOfLifeDate=2030-01-01",
            "safetyProfile.blockDeletionBeforeEndOfLife=true",
            "tags.build=0012",
        ]
    )
    assert (changes.exclude_from_latest, changes.replica_count) == (True, 4)
    assert changes.end_of_life_date is not None
    assert changes.block_deletion_before_end_of_life is True
    assert changes.tags == {"build": "0012"}
    assert changes.target_regions is None


@pytest.mark.parametrize(
    "path",
    ["location=westus", "storageProfile.osDiskImage.sizeInGB=9", "name=2.0.0", "etag=x"],
)
def test_what_cannot_change_of_a_version_is_refused(path: str) -> None:
    with pytest.raises(Conflict) as refused:
        _version_changes(sets=[path])
    assert refused.value.code == "ImmutableProperty"
    assert refused.value.target == path.partition("=")[0]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["identity.type=SystemAssigned"], "--profile"),
        (["securityProfile.uefiSettings={}"], "machines"),
        (["publishingProfile.targetRegions[0].additionalReplicaSets=[1]"], "region add"),
        (["publishingProfile.targetRegions[0].encryption={}", "identity=null"], "--profile"),
        (['publishingProfile.targetRegions[0].encryption={"osDiskImage": {}}'], "bucket"),
    ],
)
def test_fields_of_azure_alone_are_refused_with_the_way_out(words: list[str], hint: str) -> None:
    with pytest.raises(Conflict) as refused:
        _version_changes(sets=words)
    assert refused.value.code == "ImmutableProperty"
    assert hint in (refused.value.hint or "")


@pytest.mark.parametrize(
    "word",
    [
        "publishingProfile.targetRegions=x",
        'publishingProfile.targetRegions=["eastus"]',
        'publishingProfile.targetRegions=[{"region": "eastus"}]',
        "publishingProfile.replicaCount=many",
        "publishingProfile.excludeFromLatest=perhaps",
        "publishingProfile.endOfLifeDate=soon",
        "safetyProfile.blockDeletionBeforeEndOfLife=3",
        "tags=5",
        'tags={"a": {"b": "c"}}',
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(word: str) -> None:
    with pytest.raises(Invalid) as refused:
        _version_changes(sets=[word])
    assert refused.value.code == "InvalidValue"


def test_features_of_a_definition_say_since_when() -> None:
    before = shapes.definition(samples.definition(recommended_vcpus=Range(1, 4)))
    words = ["features", "name=IsHibernateSupported", "value=True", "startsAtVersion=1.2.0"]
    after = apply(before, Edits(sets=["recommended.vCPUs.max="], adds=words))
    changes = edited.definition_changes(before, after)
    assert changes.features == {"IsHibernateSupported": "True"}
    assert changes.features_start_at == {"IsHibernateSupported": VersionName(1, 2, 0)}
    assert changes.recommended_vcpus == Range(1, None)
    assert changes.recommended_memory is None


def test_the_bin_of_a_gallery_is_reached_and_a_wrong_value_is_refused() -> None:
    before = shapes.gallery(samples.gallery())
    after = apply(before, Edits(sets=["softDeletePolicy.isSoftDeleteEnabled=true"]))
    assert edited.gallery_changes(before, after).soft_delete_enabled is True
    wrong = apply(before, Edits(sets=["softDeletePolicy.retentionPeriodInDays=soon"]))
    with pytest.raises(Invalid) as refused:
        edited.gallery_changes(before, wrong)
    assert refused.value.code == "InvalidValue"
    assert "soon" in refused.value.message
