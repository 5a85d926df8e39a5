"""ETags: one text per state of a resource, so that of two concurrent changes one is told.

An incarnation and a revision: a resource that was deleted and made again never matches.
"""

from imgrepl.errors import Conflict
from imgrepl.model.gallery import Gallery, ImageDefinition, ImageVersion

ANY = "*"


def etag_of(resource: Gallery | ImageDefinition | ImageVersion) -> str:
    """The state's name; replicas coming and going do not change it."""
    return f"{resource.incarnation}.{resource.revision}"


def check_match(resource: Gallery | ImageDefinition | ImageVersion, if_match: str | None) -> None:
    """That the resource is in the state that the caller has seen; None and `*` match any.

    To be asked in the transaction that makes the change. Quotes around the ETag do not matter.
    Raises `Conflict` (`ChangedMeanwhile`).
    """
    if if_match is None or if_match.strip('"') in {ANY, etag_of(resource)}:
        return
    raise Conflict(
        f"{resource.id} has changed meanwhile: its etag is {etag_of(resource)}, not {if_match}",
        code="ChangedMeanwhile",
        target=str(resource.id),
        hint="look at it again, and repeat the change with its new etag",
    )
