"""Deeds of users, rolled: what is done, to which version, where."""

from collections.abc import Callable, Sequence

from imgrepl.actions.version_requests import TargetRequest, UpdateVersion
from imgrepl.model.gallery import GalleryId, VersionId, VersionName
from imgrepl.model.region import StorageAccountType
from imgrepl.testing.simulation.deeds import Deed, Deeds
from imgrepl.testing.simulation.promises import Disks, Promises
from imgrepl.testing.simulation.scheduler import Roll, pick
from imgrepl.testing.simulation.shelf import NAMES

GALLERY = GalleryId(gallery="golden")
DEFINITIONS = (GALLERY.definition("debian"), GALLERY.definition("windows"))
NUMBERS = ("1.0.0", "1.0.1", "1.1.0")
REGION_NAMES = ("eastus", "westeurope", "southeastasia")
_TYPES = {
    "eastus": (StorageAccountType.STANDARD_LRS,),
    "westeurope": (StorageAccountType.STANDARD_LRS,),
    "southeastasia": (
        StorageAccountType.STANDARD_LRS,
        StorageAccountType.STANDARD_ZRS,
        StorageAccountType.PREMIUM_LRS,
    ),
}


class Workload:
    """Rolls deeds. `promises` tells what was published so far."""

    def __init__(self, roll: Roll, deeds: Deeds, promises: Promises) -> None:
        self._roll = roll
        self._all = deeds
        self._promises = promises
        self._deeds: Sequence[tuple[int, Callable[[], Deed]]] = (
            (30, self._publish),
            (4, self._publish_again),
            (14, self._update),
            (10, lambda: deeds.delete(self._any_version())),
            (12, self._retry),
            (6, lambda: deeds.verify(self._any_version(), deep=roll() < 0.5)),
            (6, lambda: deeds.repair(self._any_version())),
            (8, self._download),
            (3, lambda: deeds.checksum(self._any_version())),
            (3, lambda: deeds.cancel(roll())),
            (8, self._collect),
        )

    def next(self) -> Deed:
        """One deed, by its weight; the first ones publish."""
        if len(self._promises.of) < 2:
            return self._publish()
        total = sum(weight for weight, _ in self._deeds)
        left = int(self._roll() * total)
        for weight, make in self._deeds:
            left -= weight
            if left < 0:
                return make()
        raise AssertionError("the weights add up")

    # ------------------------------------------------------------------ deeds

    def _publish(self) -> Deed:
        """A version of one disk or two, to some regions; often one that is there or was."""
        version_id = self._any_version() if self._roll() < 0.4 else self._new_version()
        disks = self._some_disks()
        promise = self._promises.get(str(version_id))
        if promise.asked and self._roll() < 0.8:
            disks = promise.kept or pick(self._roll, sorted(promise.asked))
        return self._all.publish(version_id, disks, self._some_targets())

    def _publish_again(self) -> Deed:
        source, target = self._any_version(), self._any_version()
        again = self._all.publish_again(target, source, self._some_targets())
        return again or self._publish()

    def _update(self) -> Deed:
        version_id = self._any_version()
        request = pick(
            self._roll,
            (
                UpdateVersion(target_regions=self._some_targets()),
                UpdateVersion(add_regions=[self._target(pick(self._roll, REGION_NAMES))]),
                UpdateVersion(remove_regions=[pick(self._roll, REGION_NAMES)]),
                UpdateVersion(replica_count=1 + int(self._roll() * 2)),
                UpdateVersion(tags={"tag": str(int(self._roll() * 100))}),
            ),
        )
        return self._all.update(version_id, request)

    def _retry(self) -> Deed:
        version_id = self._any_version()
        region = pick(self._roll, REGION_NAMES) if self._roll() < 0.3 else None
        return self._all.retry(version_id, region)

    def _download(self) -> Deed:
        version_id, region = self._any_version(), pick(self._roll, (*REGION_NAMES, None))
        return self._all.download(version_id, region)

    def _collect(self) -> Deed:
        grace, compacts = pick(self._roll, (0.0, 0.0, 600.0)), self._roll() < 0.5
        return self._all.collect(grace, compacts=compacts)

    # ------------------------------------------------------------------ what is rolled

    def _any_version(self) -> VersionId:
        """One that somebody asked for, most of the time."""
        known = sorted(name for name, promise in self._promises.of.items() if promise.asked)
        if known and self._roll() < 0.85:
            definition_name, number = pick(self._roll, known).rsplit("/", 1)
            for definition in DEFINITIONS:
                if str(definition) == definition_name:
                    return definition.version(VersionName.parse(number))
        return self._new_version()

    def _new_version(self) -> VersionId:
        return pick(self._roll, DEFINITIONS).version(VersionName.parse(pick(self._roll, NUMBERS)))

    def _some_disks(self) -> Disks:
        first = pick(self._roll, NAMES)
        if self._roll() < 0.15:
            second = pick(self._roll, [name for name in NAMES if name != first])
            return first, second
        return (first,)

    def _some_targets(self) -> list[TargetRequest]:
        names = list(REGION_NAMES)
        count = 1 + int(self._roll() * len(names))
        chosen = [names.pop(int(self._roll() * len(names))) for _ in range(count)]
        return [self._target(name) for name in chosen]

    def _target(self, name: str) -> TargetRequest:
        kind = pick(self._roll, _TYPES[name])
        return TargetRequest(name, 1 + int(self._roll() * 2), kind)
