"""ETags: one text per state of a resource, so that of two concurrent changes one is told.

An incarnation and a revision: a resource that was deleted and made again never matches. A region
has neither, and its ETag is a digest of all that it is.
"""

import hashlib

from imgrepl.errors import Conflict
from imgrepl.model.gallery import Gallery, ImageDefinition, ImageVersion
from imgrepl.model.region import Region

ANY = "*"
_DIGEST_CHARS = 32

Resource = Gallery | ImageDefinition | ImageVersion | Region


def etag_of(resource: Resource) -> str:
    """The state's name; replicas coming and going do not change it."""
    if isinstance(resource, Region):
        return hashlib.sha256(repr(resource).encode()).hexdigest()[:_DIGEST_CHARS]
    return f"{resource.incarnation}.{resource.revision}"


def check_match(resource: Resource, if_match: str | None) -> None:
    """That the resource is in the state that the caller has seen; None and `*` match any.

    To be asked in the transaction that makes the change. Quotes around the ETag do not matter.
    Raises `Conflict` (`ChangedMeanwhile`).
    """
    if if_match is None or if_match.strip('"') in {ANY, etag_of(resource)}:
        return
    name = resource.name if isinstance(resource, Region) else str(resource.id)
    raise Conflict(
        f"{name} has changed meanwhile: its etag is {etag_of(resource)}, not {if_match}",
        code="ChangedMeanwhile",
        target=name,
        hint="look at it again, and repeat the change with its new etag",
    )
