"""Galleries and definitions in the index: names, uniqueness, revisions, tombstones."""

from dataclasses import replace

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from gallery import samples
from imgrepl.errors import Conflict, NotFound
from imgrepl.gallery import activity, definitions, galleries, records_log
from imgrepl.gallery.database import GalleryIndex
from imgrepl.gallery.schema import galleries as gallery_table
from imgrepl.model.gallery import (
    Architecture,
    GalleryId,
    HyperVGeneration,
    ImageIdentifier,
    OsState,
    OsType,
    ProvisioningState,
    PurchasePlan,
    Range,
)


def test_a_gallery_comes_back_as_it_was_put(index: GalleryIndex) -> None:
    put = samples.gallery(
        "Golden.Images_1",
        description="hardened",
        soft_delete_enabled=True,
        soft_delete_retention_days=30,
        provisioning_state=ProvisioningState.UPDATING,
    )
    with index.begin() as tx:
        galleries.create(tx, put)
    with index.read() as tx:
        assert galleries.get(tx, put.id) == put
        assert galleries.list_all(tx) == [put]


def test_names_are_found_without_case_and_shown_as_typed(index: GalleryIndex) -> None:
    with index.begin() as tx:
        galleries.create(tx, samples.gallery("Golden"))
        definitions.create(tx, samples.definition("Debian", GalleryId(gallery="gOLDEN")))
        found = definitions.get(tx, GalleryId(gallery="GOLDEN").definition("DEBIAN"))
    assert str(found.id) == "Golden/Debian"


def test_a_definition_comes_back_as_it_was_put(index: GalleryIndex) -> None:
    put = samples.definition(
        os_type=OsType.WINDOWS,
        os_state=OsState.SPECIALIZED,
        hyper_v_generation=HyperVGeneration.V1,
        architecture=Architecture.ARM64,
        features={"SecurityType": "TrustedLaunch"},
        recommended_vcpus=Range(1, 8),
        recommended_memory=Range(None, 64),
        disallowed_disk_types=("Standard_LRS",),
        description="d",
        end_of_life_date=samples.NOON,
        release_note_uri="https://example.org/notes",
        eula="e",
        privacy_statement_uri="https://example.org/privacy",
        purchase_plan=PurchasePlan("n", "p", "q"),
        tags={"a": "b"},
        created_at=samples.NOON,
    )
    with index.begin() as tx:
        galleries.create(tx, samples.gallery())
        definitions.create(tx, put)
        assert definitions.get(tx, put.id) == put
        changed = replace(put, revision=2, description=None, tags={}, recommended_vcpus=Range())
        definitions.update(tx, changed)
        assert definitions.list_all(tx, gallery=samples.GALLERY) == [changed]


def test_a_gallery_name_is_unique_in_its_subscription_whatever_group(index: GalleryIndex) -> None:
    elsewhere = GalleryId(subscription="other", gallery="golden")
    same_name = samples.gallery(id=GalleryId(group="prod", gallery="GOLDEN"))
    with index.begin() as tx:
        galleries.create(tx, samples.gallery())
        galleries.create(tx, samples.gallery(id=elsewhere))
        with pytest.raises(Conflict, match="eastus") as caught:
            galleries.create(tx, same_name)
    assert caught.value.code == "GalleryExists"


def test_the_database_itself_refuses_a_second_gallery_of_one_name(index: GalleryIndex) -> None:
    with index.begin() as tx:
        galleries.create(tx, samples.gallery())
        row = dict(tx.execute(sa.select(gallery_table)).mappings().one())
    row.pop("id")
    with pytest.raises(IntegrityError), index.begin() as tx:
        tx.execute(sa.insert(gallery_table).values(row))


def test_publisher_offer_and_sku_are_unique_in_a_gallery_without_case(index: GalleryIndex) -> None:
    taken = ImageIdentifier("CONTOSO", "Debian", "STANDARD")
    with index.begin() as tx:
        for name in ("golden", "silver"):
            galleries.create(tx, samples.gallery(name))
        definitions.create(tx, samples.definition())
        definitions.create(tx, samples.definition(of=GalleryId(gallery="silver")))
        with pytest.raises(Conflict, match="debian") as caught:
            definitions.create(tx, samples.definition("other", identifier=taken))
    assert caught.value.code == "IdentifierConflict"


def test_what_is_missing_is_named_from_the_outside_in(index: GalleryIndex) -> None:
    with index.begin() as tx:
        with pytest.raises(NotFound) as no_gallery:
            definitions.get(tx, samples.DEFINITION)
        galleries.create(tx, samples.gallery())
        with pytest.raises(NotFound) as no_definition:
            definitions.get(tx, samples.DEFINITION)
    assert no_gallery.value.code == "GalleryNotFound"
    assert no_definition.value.code == "DefinitionNotFound"


def test_what_is_not_empty_is_not_removed_and_its_children_are_named(index: GalleryIndex) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        with pytest.raises(Conflict) as caught:
            galleries.remove(tx, samples.GALLERY)
        assert caught.value.code == "NotEmpty"
        assert caught.value.details == ("debian",)
        definitions.remove(tx, samples.DEFINITION)
        galleries.remove(tx, samples.GALLERY)
        assert galleries.find(tx, samples.GALLERY) is None


def test_a_stale_revision_is_refused(index: GalleryIndex) -> None:
    with index.begin() as tx:
        galleries.create(tx, samples.gallery())
        galleries.update(tx, samples.gallery(revision=5))
        with pytest.raises(Conflict) as caught:
            galleries.update(tx, samples.gallery(revision=5, description="late"))
    assert caught.value.code == "ChangedMeanwhile"


def test_a_revision_is_given_out_once_even_if_it_is_not_used(index: GalleryIndex) -> None:
    with index.begin() as tx:
        galleries.create(tx, samples.gallery())
        assert galleries.next_revision(tx, samples.GALLERY) == 2
        assert galleries.next_revision(tx, samples.GALLERY) == 3
        galleries.update(tx, samples.gallery(revision=7))
        assert galleries.next_revision(tx, samples.GALLERY) == 8
        galleries.update(tx, samples.gallery(revision=8))
        assert galleries.next_revision(tx, samples.GALLERY) == 9


def test_a_tombstone_outlives_its_resource_and_only_rises(index: GalleryIndex) -> None:
    old, new = samples.incarnation(), samples.incarnation()
    with index.begin() as tx:
        records_log.bury(tx, samples.GALLERY, old, 4)
        records_log.bury(tx, GalleryId(gallery="GOLDEN"), old, 3)
        records_log.bury(tx, GalleryId(gallery="Golden"), old, 6)
        found = records_log.find(tx, samples.GALLERY, old)
        assert found is not None
        assert found.revision == 6
        assert records_log.find(tx, samples.GALLERY, new) is None
        assert records_log.find(tx, samples.DEFINITION, old) is None
        assert [entry.resource_key for entry in records_log.list_all(tx)] == [
            "default/default/golden"
        ]


def test_the_activity_log_gives_the_latest_first(index: GalleryIndex) -> None:
    with index.begin() as tx:
        for number in range(5):
            activity.log(tx, "a", f"target{number % 2}", "Succeeded", {"n": number}, "me")
        latest = activity.list_recent(tx, 2)
        of_one = activity.list_recent(tx, 9, activity.ActivityFilter(target="target1"))
    assert [entry.detail["n"] for entry in latest] == [4, 3]
    assert [entry.detail["n"] for entry in of_one] == [3, 1]
    assert latest[0].at.tzinfo is not None


_NAMES = st.sampled_from(["alpha", "ALPHA", "beta", "Gamma"])
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["+gallery", "-gallery", "+definition", "-definition"]),
        _NAMES,
        st.sampled_from(["one", "ONE", "two"]),
        st.sampled_from(["x", "X", "y"]),
    ),
    max_size=30,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(_STEPS)
def test_any_sequence_leaves_what_a_dictionary_would_hold(
    index: GalleryIndex, steps: list[tuple[str, str, str, str]]
) -> None:
    model: dict[str, dict[str, str]] = {}
    with index.begin() as tx:
        for step, name, child, sku in steps:
            codes = _apply(tx, step, name, child, sku)
            assert codes == _expected(model, step, name.lower(), child.lower(), sku.lower())
        found = {
            g.id.gallery.lower(): {
                d.id.definition.lower(): d.identifier.sku.lower()
                for d in definitions.list_all(tx, gallery=g.id)
            }
            for g in galleries.list_all(tx)
        }
        assert found == model
        tx.rollback()


def _apply(tx: sa.Connection, step: str, name: str, child: str, sku: str) -> str | None:
    gallery = GalleryId(gallery=name)
    made = samples.definition(child, gallery, identifier=ImageIdentifier("p", "o", sku))
    try:
        match step:
            case "+gallery":
                galleries.create(tx, samples.gallery(name))
            case "-gallery":
                galleries.remove(tx, gallery)
            case "+definition":
                definitions.create(tx, made)
            case _:
                definitions.remove(tx, made.id)
    except (Conflict, NotFound) as error:
        return error.code
    return None


def _expected(
    model: dict[str, dict[str, str]], step: str, name: str, child: str, sku: str
) -> str | None:
    if step == "+gallery":
        if name in model:
            return "GalleryExists"
        model[name] = {}
        return None
    if name not in model:
        return "GalleryNotFound"
    if step == "-gallery":
        return "NotEmpty" if model[name] else (model.pop(name), None)[1]
    if step == "-definition":
        return (model[name].pop(child), None)[1] if child in model[name] else "DefinitionNotFound"
    if child in model[name]:
        return "DefinitionExists"
    if sku in model[name].values():
        return "IdentifierConflict"
    model[name][child] = sku
    return None
