"""Another gallery, by how it is reached: through its index, or through a region's bucket alone."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from imgrepl.model.region import Endpoint, Region

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class PeerIndex:
    """A gallery index that is not this one, by its SQLAlchemy URL."""

    url: str


@dataclass(frozen=True, kw_only=True)
class PeerBucket:
    """A region by its buckets or directories, as `region add` takes them; no index is needed.

    `region` is the name that it had; None where its first bucket says it.
    """

    standard: tuple[Endpoint, ...]
    zones: tuple[Endpoint, ...] = ()
    premium: Endpoint | None = None
    region: str | None = None

    def named(self, name: str) -> Region:
        """The region of that name."""
        return Region(
            name=name,
            display_name=name,
            standard=self.standard,
            zones=self.zones,
            premium=self.premium,
        )


Peer = PeerIndex | PeerBucket


def peer_to_json(peer: Peer) -> Json:
    """For an operation's request. Credentials are in it by reference, as in the peer itself."""
    if isinstance(peer, PeerIndex):
        return {"index": peer.url}
    return {
        "standard": [_stated(endpoint) for endpoint in peer.standard],
        "zones": [_stated(endpoint) for endpoint in peer.zones],
        "premium": None if peer.premium is None else _stated(peer.premium),
        "region": peer.region,
    }


def peer_of_json(value: Mapping[str, Any]) -> Peer:
    """Back from `peer_to_json`."""
    if "index" in value:
        return PeerIndex(url=value["index"])
    premium = value["premium"]
    return PeerBucket(
        standard=tuple(Endpoint(**endpoint) for endpoint in value["standard"]),
        zones=tuple(Endpoint(**endpoint) for endpoint in value["zones"]),
        premium=None if premium is None else Endpoint(**premium),
        region=value["region"],
    )


def _stated(endpoint: Endpoint) -> Json:
    return {name: value for name, value in asdict(endpoint).items() if value is not None}
