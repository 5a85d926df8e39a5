"""From a resource's JSON before and after its edits to the changes that an action makes."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from imgrepl.actions.definitions import DefinitionChanges
from imgrepl.actions.galleries import GalleryChanges
from imgrepl.actions.version_requests import TargetRequest, UpdateVersion
from imgrepl.azure import absent, generic_update, target_regions
from imgrepl.azure.generic_update import Edits
from imgrepl.errors import Conflict, Invalid
from imgrepl.model.gallery import Range, VersionName
from imgrepl.model.region import normal_region_name

Json = Mapping[str, Any]
T = TypeVar("T")
C = TypeVar("C", GalleryChanges, DefinitionChanges, UpdateVersion)

_FIELD_END = re.compile(r"[.=\[]")
_GALLERY = ("description", "tags", "softDeletePolicy")
_DEFINITION = (
    "description",
    "endOfLifeDate",
    "releaseNoteUri",
    "recommended",
    "disallowed.diskTypes",
    "features",
    "allowUpdateImage",
    "tags",
)
_VERSION = (
    "publishingProfile.targetRegions",
    "publishingProfile.replicaCount",
    "publishingProfile.excludeFromLatest",
    "publishingProfile.endOfLifeDate",
    "safetyProfile",
    "tags",
)


def changes(
    of: Callable[[Json, Json], C],
    before: Json,
    edits: Edits,
    stated: C,
    tags: Mapping[str, str] | None,
) -> C:
    """The changes that `edits` make to the document `before`, under those that were `stated`.

    `tags`, where given, are those that the edits begin with. Raises as `generic_update.apply` and
    as what `of` is.
    """
    for word in (*edits.sets, *edits.adds):
        _refuse_absent(_FIELD_END.split(word)[0], word)
    base = before if tags is None else {**before, "tags": dict(tags)}
    found = of(before, generic_update.apply(base, edits))
    said = {item.name: getattr(stated, item.name) for item in fields(stated)}
    return replace(found, **{name: value for name, value in said.items() if _is_said(value)})


def _is_said(value: object) -> bool:
    """None and empty collections say nothing; an empty text clears, and False and 0 are values."""
    return value is not None and value not in ((), {}, frozenset())


def gallery_changes(before: Json, after: Json) -> GalleryChanges:
    """What differs. Raises `Conflict` (`ImmutableProperty`), `Invalid` (`InvalidValue`)."""
    changed = _Changed(before, after, _GALLERY)
    policy = "softDeletePolicy"
    return GalleryChanges(
        description=changed.get("description", lambda value: _text(value) or ""),
        tags=changed.get("tags", _tags),
        soft_delete_enabled=changed.get(f"{policy}.isSoftDeleteEnabled", _truth),
        soft_delete_retention_days=changed.get(f"{policy}.retentionPeriodInDays", _number),
        soft_delete_grace_days=changed.get(f"{policy}.gracePeriodInDays", _number),
    )


def definition_changes(before: Json, after: Json) -> DefinitionChanges:
    """What differs. Raises as `gallery_changes`."""
    changed = _Changed(before, after, _DEFINITION)
    features = changed.get("features", _features)
    texts = {
        "description": changed.get("description", lambda value: _text(value) or ""),
        "release_note_uri": changed.get("releaseNoteUri", lambda value: _text(value) or ""),
    }
    end = changed.get("endOfLifeDate", lambda value: _text(value) or "")
    cleared = {name for name, text in texts.items() if text == ""}
    return DefinitionChanges(
        description=texts["description"] or None,
        release_note_uri=texts["release_note_uri"] or None,
        end_of_life_date=_moment(end) if end else None,
        recommended_vcpus=changed.get("recommended.vCPUs", _range),
        recommended_memory=changed.get("recommended.memory", _range),
        disallowed_disk_types=changed.get("disallowed.diskTypes", _texts),
        features=features and features[0],
        features_start_at=features and features[1],
        allow_update_image=changed.get("allowUpdateImage", _truth),
        tags=changed.get("tags", _tags),
        clear=frozenset(cleared | ({"end_of_life_date"} if end == "" else set())),
    )


def version_changes(before: Json, after: Json) -> UpdateVersion:
    """What differs. Raises as `gallery_changes`, and what a target region may break."""
    changed = _Changed(before, after, _VERSION)
    profile, safety = "publishingProfile", "safetyProfile"
    targets = changed.get(f"{profile}.targetRegions", _targets)
    end = changed.get(f"{profile}.endOfLifeDate", lambda value: _text(value) or "")
    return UpdateVersion(
        target_regions=targets and targets[0],
        exclude_from_latest_in={} if targets is None else targets[1],
        replica_count=changed.get(f"{profile}.replicaCount", _number),
        exclude_from_latest=changed.get(f"{profile}.excludeFromLatest", _truth),
        end_of_life_date=_moment(end) if end else None,
        clear_end_of_life=end == "",
        allow_deletion_of_replicated_locations=changed.get(
            f"{safety}.allowDeletionOfReplicatedLocations", _truth
        ),
        block_deletion_before_end_of_life=changed.get(
            f"{safety}.blockDeletionBeforeEndOfLife", _truth
        ),
        tags=changed.get("tags", _tags),
    )


class _Changed:
    """Two states of one document; only `mutable` paths, and what is below them, may differ."""

    def __init__(self, before: Json, after: Json, mutable: tuple[str, ...]) -> None:
        self._before, self._after = before, after
        for path in _differing(before, after):
            if not any(path == known or path.startswith(f"{known}.") for known in mutable):
                _refuse_absent(path.partition(".")[0], path)
                raise Conflict(
                    f"{path} cannot be changed",
                    code="ImmutableProperty",
                    target=path,
                    hint=f"what can be: {', '.join(mutable)}",
                )

    def get(self, path: str, read: Callable[[Any], T]) -> T | None:
        """The value there as `read` takes it, or None where it is as it was."""
        value = _at(self._after, path)
        if value == _at(self._before, path):
            return None
        try:
            return read(value)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Invalid(
                f"{path} cannot be {value!r}",
                code="InvalidValue",
                target=path,
                hint=f"it is {_at(self._before, path)!r} now, and keeps that form",
            ) from error


def _refuse_absent(name: str, path: str) -> None:
    """Raises `Conflict` (`ImmutableProperty`) for what only Azure lets one set."""
    found = absent.FIELDS.get(name)
    if found is not None:
        raise Conflict(
            f"{path} cannot be changed: {found.why}",
            code="ImmutableProperty",
            target=path,
            hint=found.way_out,
        )


def _differing(before: object, after: object, path: str = "") -> Iterator[str]:
    """The paths at which two documents differ; a list counts as one value."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in {**before, **after}:
            below = f"{path}.{name}" if path else name
            yield from _differing(before.get(name), after.get(name), below)
    elif before != after:
        yield path


def _at(document: Json, path: str) -> Any:  # noqa: ANN401 - any JSON value
    found: Any = document
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _text(value: object) -> str | None:
    if value is not None and not isinstance(value, str | int | float):
        raise TypeError(type(value))
    return None if value is None else str(value)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError(type(value))
    return tuple(value)


def _tags(value: Any) -> dict[str, str]:  # noqa: ANN401
    if value is not None and not isinstance(value, Mapping):
        raise TypeError(type(value))
    return {str(name): _text(item) or "" for name, item in (value or {}).items()}


def _truth(value: object) -> bool:
    if isinstance(value, str):
        return {"true": True, "false": False}[value.lower()]
    if not isinstance(value, bool):
        raise TypeError(type(value))
    return value


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError(type(value))
    return int(value)


def _range(value: Any) -> Range:  # noqa: ANN401
    low, high = (
        None if value[end] in {None, ""} else _number(value[end]) for end in ("min", "max")
    )
    return Range(low, high)


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid(
            f"endOfLifeDate {text!r} is no ISO 8601 date or time",
            code="InvalidValue",
            target="endOfLifeDate",
            hint="write 2027-06-30 or 2027-06-30T12:00:00Z",
        ) from error
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _features(value: Any) -> tuple[dict[str, str], dict[str, VersionName]]:  # noqa: ANN401
    features = {item["name"]: str(item["value"]) for item in value}
    starts = {
        item["name"]: VersionName.parse(item["startsAtVersion"])
        for item in value
        if item.get("startsAtVersion")
    }
    return features, starts


def _targets(value: Any) -> tuple[list[TargetRequest], dict[str, bool | None]]:  # noqa: ANN401
    requests, exclusions = [], {}
    for item in value:
        name = normal_region_name(item["name"])
        for field in ("additionalReplicaSets", "encryption"):
            if item.get(field):
                _refuse_absent(field, f"publishingProfile.targetRegions[name={name}].{field}")
        count, kind = item.get("regionalReplicaCount"), item.get("storageAccountType")
        requests.append(
            TargetRequest(
                name,
                None if count is None else _number(count),
                None if kind is None else target_regions.storage_account_type(kind),
            )
        )
        own = item.get("excludeFromLatest")
        exclusions[name] = None if own in {None, ""} else _truth(own)
    return requests, exclusions
