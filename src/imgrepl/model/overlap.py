"""Whether two endpoints could put objects under the same keys."""

from imgrepl.model.region import Endpoint


def overlap(one: Endpoint, other: Endpoint) -> bool:
    """Whether one's URL is the other's, or lies below it, on the same server.

    Servers are told apart by the text of their URLs only.
    """
    if (one.endpoint_url or "").rstrip("/") != (other.endpoint_url or "").rstrip("/"):
        return False
    first, second = (f"{endpoint.url.rstrip('/')}/" for endpoint in (one, other))
    return first.startswith(second) or second.startswith(first)
