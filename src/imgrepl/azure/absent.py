"""What Azure has and has no meaning here: why, and the way out."""

from collections.abc import Sequence
from typing import NamedTuple

from imgrepl.errors import UsageError

CODE = "AzureOnly"


class Absent(NamedTuple):
    """Why something is not here, and what to do instead."""

    why: str
    way_out: str


_NO_MACHINES = Absent(
    "there is no Azure account behind it whose machines and images it could capture",
    "export the disk, and name its file or object with --os-disk FILE|s3://BUCKET/KEY, data disks"
    " with --data-disk LUN=FILE; another version with --image-version",
)
_NO_MACHINE_IDENTITY = Absent(
    "a gallery has no machine identity: it reaches buckets with the credentials of its regions",
    "`imgrepl region update` with --profile, --credentials-file or --credentials-env",
)
_NO_ENCRYPTION = Absent(
    "versions are not encrypted with keys of your own",
    "let the bucket encrypt what lies in it, or encrypt inside the image",
)
_NO_OTHER_ARTIFACTS = Absent(
    "galleries hold images only", "keep other files in a bucket of their own"
)
_DONE_ON_RETURN = Absent(
    "whatever changes a gallery or a definition is done when its command returns",
    "leave the command out; `imgrepl image-version wait` waits for replicas",
)
_BY_NAME = Absent(
    "what is shared is read by the ordinary commands",
    "name the gallery as consumers know it: `imgrepl image-version list -r UNIQUE_OR_PUBLIC_NAME"
    " -i NAME`; `imgrepl gallery list-shared` and `list-community` have those names",
)

OPTIONS = {
    "--managed-image": _NO_MACHINES,
    "--virtual-machine": _NO_MACHINES,
    "--mi-system-assigned": _NO_MACHINE_IDENTITY,
    "--mi-user-assigned": _NO_MACHINE_IDENTITY,
    "--target-region-encryption": _NO_ENCRYPTION,
    "--target-region-cvm-encryption": _NO_ENCRYPTION,
    "--target-edge-zone-encryption": _NO_ENCRYPTION,
}
COMMANDS: dict[tuple[str, ...], Absent] = {
    ("gallery", "identity"): _NO_MACHINE_IDENTITY,
    ("gallery", "gallery-application"): _NO_OTHER_ARTIFACTS,
    ("gallery", "in-vm-access-control-profile"): _NO_OTHER_ARTIFACTS,
    ("gallery", "wait"): _DONE_ON_RETURN,
    ("image-definition", "wait"): _DONE_ON_RETURN,
    ("share", "wait"): _DONE_ON_RETURN,
    **{
        (noun, verb): _BY_NAME
        for noun in ("image-definition", "image-version")
        for verb in ("list-shared", "show-shared", "list-community", "show-community")
    },
}
FIELDS = {
    "identity": _NO_MACHINE_IDENTITY,
    "securityProfile": Absent(
        "firmware keys are no part of an image here", "set them where machines are made"
    ),
    "validationsProfile": Absent(
        "it tells what was checked", "`imgrepl image-version verify` checks again"
    ),
    "encryption": _NO_ENCRYPTION,
    "additionalReplicaSets": Absent(
        "a region keeps all replicas of a version in one storage account type",
        "raise regionalReplicaCount, or make the region's other places a region of their own"
        " (`imgrepl region add`) and name it beside this one",
    ),
}
"""Fields of a resource that Azure lets one set."""


def refusal(words: Sequence[str]) -> UsageError | None:
    """Of a command line that cannot be read: what in it only Azure knows, if anything is."""
    absent = COMMANDS.get(tuple(words[:2]))
    if absent is not None:
        return _refused(" ".join(words[:2]), absent)
    for word in words:
        option = word.partition("=")[0]
        if option in OPTIONS:
            return _refused(option, OPTIONS[option])
    return None


def _refused(name: str, absent: Absent) -> UsageError:
    return UsageError(
        f"{name} is for Azure alone: {absent.why}", code=CODE, target=name, hint=absent.way_out
    )
