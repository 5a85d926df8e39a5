"""The options of `image-definition create` and `update`, and the requests they make."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from imgrepl.cli.options import (
    DefinitionOptions,
    DoneOnReturn,
    EditOptions,
    Tags,
    ThreeState,
    choice,
    option,
    optional_pairs,
    options,
    pairs,
    point_in_time,
    three_state,
    truth,
)
from imgrepl.errors import UsageError
from imgrepl.model.gallery import (
    Architecture,
    HyperVGeneration,
    ImageDefinition,
    ImageIdentifier,
    OsState,
    OsType,
    PurchasePlan,
    Range,
    VersionName,
)

if TYPE_CHECKING:
    from imgrepl.actions.definitions import CreateDefinition, DefinitionChanges


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ChangeableOptions(DefinitionOptions):
    """The fields of a definition that may change."""

    no_wait: DoneOnReturn = False
    description: Annotated[
        str | None, option("--description", text="For people.", metavar="TEXT")
    ] = None
    end_of_life_date: Annotated[
        str | None,
        option("--end-of-life-date", text="When the image should no longer be used.", metavar="T"),
    ] = None
    release_note_uri: Annotated[
        str | None, option("--release-note-uri", text="Release notes.", metavar="URI")
    ] = None
    minimum_cpu_core: Annotated[
        int | None, option("--minimum-cpu-core", text="Recommended, at least.", metavar="N")
    ] = None
    maximum_cpu_core: Annotated[
        int | None, option("--maximum-cpu-core", text="Recommended, at most.", metavar="N")
    ] = None
    minimum_memory: Annotated[
        int | None, option("--minimum-memory", text="Recommended, at least, GB.", metavar="GB")
    ] = None
    maximum_memory: Annotated[
        int | None, option("--maximum-memory", text="Recommended, at most, GB.", metavar="GB")
    ] = None
    disallowed_disk_types: Annotated[
        tuple[str, ...] | None,
        options("--disallowed-disk-types", text="Disk types to advise against.", metavar="TYPE"),
    ] = None
    features: Annotated[
        tuple[str, ...] | None,
        options(
            "--features",
            text="What images support, where wanted from a version on.",
            metavar="K=V[@M.M.P]",
        ),
    ] = None
    allow_update_image: Annotated[
        ThreeState, three_state("--allow-update-image", text="Whether features may change later.")
    ] = None
    tags: Tags = None

    @property
    def stated_features(self) -> tuple[dict[str, str], dict[str, VersionName]] | None:
        """Features, and since which version; as az takes them, or several in one word."""
        if self.features is None:
            return None
        words = [part for word in self.features for part in word.split()]
        values: dict[str, str] = {}
        starts: dict[str, VersionName] = {}
        for name, word in pairs(words, "--features").items():
            values[name], at, version = word.partition("@")
            if at:
                starts[name] = VersionName.parse(version)
        return values, starts


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CreateDefinitionOptions(ChangeableOptions):
    """Everything `image-definition create` takes."""

    publisher: Annotated[str, option("--publisher", "-p", text="Publisher.", metavar="NAME")]
    offer: Annotated[str, option("--offer", "-f", text="Offer.", metavar="NAME")]
    sku: Annotated[str, option("--sku", "-s", text="SKU.", metavar="NAME")]
    os_type: Annotated[OsType, choice("--os-type", text="The guest's family.", of=tuple(OsType))]
    os_state: Annotated[
        OsState, choice("--os-state", text="Whether it was generalised.", of=tuple(OsState))
    ] = OsState.GENERALIZED
    hyper_v_generation: Annotated[
        HyperVGeneration,
        choice("--hyper-v-generation", text="V1 is BIOS, V2 UEFI.", of=tuple(HyperVGeneration)),
    ] = HyperVGeneration.V2
    architecture: Annotated[
        Architecture,
        choice("--architecture", text="The guest's processor.", of=tuple(Architecture)),
    ] = Architecture.X64
    location: Annotated[
        str | None,
        option("--location", "-l", text="Home region; the gallery's if absent.", metavar="REGION"),
    ] = None
    eula: Annotated[str | None, option("--eula", text="Licence, text or URI.", metavar="T")] = None
    privacy_statement_uri: Annotated[
        str | None, option("--privacy-statement-uri", text="Privacy statement.", metavar="URI")
    ] = None
    plan_name: Annotated[
        str | None, option("--plan-name", text="Purchase plan.", metavar="NAME")
    ] = None
    plan_product: Annotated[
        str | None, option("--plan-product", text="Its product.", metavar="NAME")
    ] = None
    plan_publisher: Annotated[
        str | None, option("--plan-publisher", text="Its publisher.", metavar="NAME")
    ] = None

    def request(self) -> "CreateDefinition":
        """The definition that these options ask for."""
        from imgrepl.actions.definitions import CreateDefinition

        features, starts = self.stated_features or ({}, {})
        return CreateDefinition(
            id=self.definition_id,
            identifier=ImageIdentifier(self.publisher, self.offer, self.sku),
            os_type=self.os_type,
            os_state=self.os_state,
            hyper_v_generation=self.hyper_v_generation,
            architecture=self.architecture,
            location=self.location,
            features=features,
            features_start_at=starts,
            allow_update_image=bool(truth(self.allow_update_image)),
            recommended_vcpus=Range(self.minimum_cpu_core, self.maximum_cpu_core),
            recommended_memory=Range(self.minimum_memory, self.maximum_memory),
            disallowed_disk_types=self.disallowed_disk_types or (),
            description=self.description,
            end_of_life_date=point_in_time(self.end_of_life_date, "--end-of-life-date"),
            release_note_uri=self.release_note_uri,
            eula=self.eula,
            privacy_statement_uri=self.privacy_statement_uri,
            purchase_plan=self._plan(),
            tags=pairs(self.tags or (), "--tags"),
        )

    def _plan(self) -> PurchasePlan | None:
        named = [self.plan_name, self.plan_publisher, self.plan_product]
        if not any(named):
            return None
        if self.plan_name is None or self.plan_publisher is None or self.plan_product is None:
            raise UsageError("a plan needs --plan-name, --plan-publisher and --plan-product")
        return PurchasePlan(self.plan_name, self.plan_publisher, self.plan_product)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class UpdateDefinitionOptions(ChangeableOptions, EditOptions):
    """Everything `image-definition update` takes; what is not named stays, an empty text clears."""

    def changes(self, present: ImageDefinition) -> "DefinitionChanges":
        """The changes asked for: by edits of what is `present`, and by options, which win."""
        from imgrepl.azure import edited, shapes

        return edited.changes(
            edited.definition_changes,
            shapes.definition(present),
            self.edits,
            self._stated(present),
            optional_pairs(self.tags, "--tags"),
        )

    def _stated(self, present: ImageDefinition) -> "DefinitionChanges":
        from imgrepl.actions.definitions import DefinitionChanges

        texts = {
            "description": self.description,
            "end_of_life_date": self.end_of_life_date,
            "release_note_uri": self.release_note_uri,
        }
        stated = {name: text or None for name, text in texts.items()}
        features, starts = self.stated_features or (None, None)
        return DefinitionChanges(
            description=stated["description"],
            end_of_life_date=point_in_time(stated["end_of_life_date"], "--end-of-life-date"),
            release_note_uri=stated["release_note_uri"],
            recommended_vcpus=_range(
                present.recommended_vcpus, self.minimum_cpu_core, self.maximum_cpu_core
            ),
            recommended_memory=_range(
                present.recommended_memory, self.minimum_memory, self.maximum_memory
            ),
            disallowed_disk_types=self.disallowed_disk_types,
            features=features,
            features_start_at=starts,
            allow_update_image=truth(self.allow_update_image),
            clear=frozenset(name for name, text in texts.items() if text == ""),
        )


def _range(present: Range, minimum: int | None, maximum: int | None) -> Range | None:
    if minimum is None and maximum is None:
        return None
    return Range(
        present.minimum if minimum is None else minimum,
        present.maximum if maximum is None else maximum,
    )
