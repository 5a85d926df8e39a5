"""What a user does with image definitions."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from imgrepl.actions import allowing, record_spreading, sharing_profiles, targets
from imgrepl.actions.context import Context
from imgrepl.errors import Conflict
from imgrepl.gallery import activity, definitions, galleries, records_log
from imgrepl.model import etags, names, rules
from imgrepl.model.gallery import (
    OPEN_RANGE,
    Architecture,
    DefinitionId,
    GalleryId,
    HyperVGeneration,
    ImageDefinition,
    ImageIdentifier,
    OsState,
    OsType,
    PurchasePlan,
    Range,
    VersionName,
)
from imgrepl.model.ids import IncarnationId
from imgrepl.model.policy import Action
from imgrepl.model.region import normal_region_name


@dataclass(frozen=True, kw_only=True)
class CreateDefinition:
    """A definition to make. Without `location` it gets its gallery's.

    `recommended_memory` is in GB.
    """

    id: DefinitionId
    identifier: ImageIdentifier
    os_type: OsType
    os_state: OsState = OsState.GENERALIZED
    hyper_v_generation: HyperVGeneration = HyperVGeneration.V2
    architecture: Architecture = Architecture.X64
    location: str | None = None
    features: Mapping[str, str] = field(default_factory=dict)
    features_start_at: Mapping[str, VersionName] = field(default_factory=dict)
    allow_update_image: bool = False
    recommended_vcpus: Range = OPEN_RANGE
    recommended_memory: Range = OPEN_RANGE
    disallowed_disk_types: tuple[str, ...] = ()
    description: str | None = None
    end_of_life_date: datetime | None = None
    release_note_uri: str | None = None
    eula: str | None = None
    privacy_statement_uri: str | None = None
    purchase_plan: PurchasePlan | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DefinitionChanges:
    """What an update sets: None leaves a field as it is.

    `clear` names fields of `CLEARABLE` to be set back to None. `features` and their starts replace
    those there are, where `allow_update_image` is set or was.
    """

    description: str | None = None
    end_of_life_date: datetime | None = None
    release_note_uri: str | None = None
    recommended_vcpus: Range | None = None
    recommended_memory: Range | None = None
    disallowed_disk_types: tuple[str, ...] | None = None
    features: Mapping[str, str] | None = None
    features_start_at: Mapping[str, VersionName] | None = None
    allow_update_image: bool | None = None
    tags: Mapping[str, str] | None = None
    clear: frozenset[str] = frozenset()


CLEARABLE = frozenset({"description", "end_of_life_date", "release_note_uri"})
_NOT_COMPARED = frozenset(
    {"incarnation", "revision", "created_at", "provisioning_state", "id", "grants"}
)


def create(
    ctx: Context, request: CreateDefinition, *, past_end_of_life: bool = False
) -> ImageDefinition:
    """Makes a definition; one that exists with the same fields is given as it is.

    With `past_end_of_life` its end of life may have come, as that of a copy of another one.

    Raises `NotFound`: `GalleryNotFound`, `RegionNotFound`; `Conflict`: `DefinitionExists`,
    `IdentifierConflict`; `Invalid` for names, limits and fields.
    """
    allowing.check(ctx, Action.DEFINITION_WRITE, request.id)
    with ctx.index.begin() as tx:
        gallery = galleries.get(tx, request.id.gallery)
        asked = _checked(ctx, request, gallery.id, request.location or gallery.location)
        targets.home_region(tx, asked.location)
        sharing_profiles.check_member(
            gallery,
            asked.location,
            has_plan=asked.purchase_plan is not None,
            target=str(asked.id),
        )
        present = definitions.find(tx, asked.id)
        if present is not None:
            return _same(present, asked)
        if not past_end_of_life:
            rules.check_end_of_life(asked.end_of_life_date, ctx.clock.now())
        count = definitions.count(tx, gallery.id.subscription, asked.location)
        where = f"subscription {gallery.id.subscription} in {asked.location}"
        ctx.limits.check_room("image definitions", count, ctx.limits.definitions_max, where)
        definitions.create(tx, asked)
        detail = {"identifier": "/".join(asked.identifier)}
        _log(ctx, tx, "create", asked, detail)
    record_spreading.publish(ctx, asked)
    return asked


def show(ctx: Context, definition_id: DefinitionId) -> ImageDefinition:
    """The definition. Raises `NotFound` (`GalleryNotFound`, `DefinitionNotFound`)."""
    allowing.check(ctx, Action.DEFINITION_READ, definition_id)
    with ctx.index.read() as tx:
        return definitions.get(tx, definition_id)


def list_of(ctx: Context, gallery_id: GalleryId) -> list[ImageDefinition]:
    """A gallery's definitions by name. Raises `NotFound` (`GalleryNotFound`)."""
    sees = allowing.seeing(ctx, Action.DEFINITION_READ, gallery_id)
    with ctx.index.read() as tx:
        return [one for one in definitions.list_all(tx, gallery=gallery_id) if sees(one.id)]


def update(
    ctx: Context,
    definition_id: DefinitionId,
    changes: DefinitionChanges,
    *,
    if_match: str | None = None,
) -> ImageDefinition:
    """Changes what may change. Nothing to change: nothing is written.

    Raises `NotFound`; `Conflict` (`ChangedMeanwhile`, `ImmutableProperty`); `Invalid` for a field
    that breaks a rule.
    """
    allowing.check(ctx, Action.DEFINITION_WRITE, definition_id)
    with ctx.index.begin() as tx:
        before = definitions.get(tx, definition_id)
        etags.check_match(before, if_match)
        after = _changed(ctx, before, changes)
        if after != before:
            after = replace(after, revision=definitions.next_revision(tx, definition_id))
            definitions.update(tx, after)
            _log(ctx, tx, "update", after, {"revision": after.revision})
    record_spreading.publish(ctx, after)  # whoever made this change may have died before
    return after


def delete(ctx: Context, definition_id: DefinitionId, *, if_match: str | None = None) -> None:
    """Deletes a definition without versions and leaves a tombstone.

    Raises `NotFound`; `Conflict`: `NotEmpty` with its versions, `ChangedMeanwhile`.
    """
    allowing.check(ctx, Action.DEFINITION_DELETE, definition_id)
    with ctx.index.begin() as tx:
        definition = definitions.get(tx, definition_id)
        etags.check_match(definition, if_match)
        revision = definitions.next_revision(tx, definition_id)
        definitions.remove(tx, definition_id)
        records_log.bury(tx, definition.id, definition.incarnation, revision)
        _log(ctx, tx, "delete", definition, {})
    record_spreading.bury(ctx, definition, revision)


def _checked(
    ctx: Context, request: CreateDefinition, gallery_id: GalleryId, location: str
) -> ImageDefinition:
    given = {item.name: getattr(request, item.name) for item in fields(request)}
    features = rules.check_features(request.features)
    given |= {
        "id": names.check_definition(gallery_id.definition(request.id.definition)),
        "identifier": names.check_identifier(request.identifier),
        "location": normal_region_name(location),
        "features": features,
        "features_start_at": rules.check_feature_starts(request.features_start_at, features),
        "disallowed_disk_types": rules.check_disk_types(request.disallowed_disk_types),
        "tags": rules.check_tags(request.tags, ctx.limits),
        "description": request.description or None,
    }
    _check_ranges(request.recommended_vcpus, request.recommended_memory)
    rules.check_security(features, request.hyper_v_generation)
    rules.check_plan(request.purchase_plan)
    rules.check_uri("releaseNoteUri", request.release_note_uri)
    rules.check_uri("privacyStatementUri", request.privacy_statement_uri)
    return ImageDefinition(
        **given,
        incarnation=IncarnationId(uuid.uuid4().hex),
        revision=1,
        created_at=ctx.clock.now(),
    )


def _check_ranges(vcpus: Range | None, memory: Range | None) -> None:
    if vcpus is not None:
        rules.check_range("recommended.vCPUs", vcpus, rules.VCPUS_MAX)
    if memory is not None:
        rules.check_range("recommended.memory", memory, rules.MEMORY_GB_MAX)


def _same(present: ImageDefinition, asked: ImageDefinition) -> ImageDefinition:
    compared = [item.name for item in fields(asked) if item.name not in _NOT_COMPARED]
    differ = [name for name in compared if getattr(present, name) != getattr(asked, name)]
    if not differ:
        return present
    raise Conflict(
        f"image definition {present.id} exists with another {', '.join(differ)}",
        code="DefinitionExists",
        target=str(present.id),
        details=[
            f"{name}: {getattr(present, name)}, not {getattr(asked, name)}" for name in differ
        ],
        hint="`imgrepl image-definition update` changes what may change; for the rest make another",
    )


def _changed(ctx: Context, before: ImageDefinition, changes: DefinitionChanges) -> ImageDefinition:
    assert changes.clear <= CLEARABLE, f"not clearable: {changes.clear - CLEARABLE}"
    set_to: dict[str, Any] = dict.fromkeys(changes.clear)
    for item in fields(changes):
        value = getattr(changes, item.name)
        if item.name not in {"clear", *changes.clear} and value is not None:
            set_to[item.name] = value
    _check_ranges(changes.recommended_vcpus, changes.recommended_memory)
    rules.check_uri("releaseNoteUri", changes.release_note_uri)
    if changes.end_of_life_date != before.end_of_life_date:
        rules.check_end_of_life(changes.end_of_life_date, ctx.clock.now())
    if changes.tags is not None:
        set_to["tags"] = rules.check_tags(changes.tags, ctx.limits)
    if changes.disallowed_disk_types is not None:
        set_to["disallowed_disk_types"] = rules.check_disk_types(changes.disallowed_disk_types)
    if changes.features is not None or changes.features_start_at is not None:
        set_to |= _features(before, changes)
    return replace(before, **set_to)


def _features(before: ImageDefinition, changes: DefinitionChanges) -> dict[str, Any]:
    asked = before.features if changes.features is None else changes.features
    features = rules.check_features(asked)
    kept = {name: at for name, at in before.features_start_at.items() if name in features}
    given = kept if changes.features_start_at is None else changes.features_start_at
    starts = rules.check_feature_starts(given, features)
    rules.check_security(features, before.hyper_v_generation)
    differs = (features, starts) != (dict(before.features), dict(before.features_start_at))
    allowed = changes.allow_update_image
    if differs and not (before.allow_update_image if allowed is None else allowed):
        raise Conflict(
            f"the features of {before.id} cannot change: allowUpdateImage is false",
            code="ImmutableProperty",
            target="features",
            details=[f"{name}={value}" for name, value in before.features.items()],
            hint="say --allow-update-image with the change, or make another definition",
        )
    return {"features": features, "features_start_at": starts}


def _log(
    ctx: Context, tx: Connection, what: str, definition: ImageDefinition, detail: Mapping[str, Any]
) -> None:
    action = f"image-definition.{what}"
    activity.log(tx, action, str(definition.id), "Succeeded", detail, ctx.principal)
