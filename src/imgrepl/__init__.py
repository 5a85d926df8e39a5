"""imgrepl keeps golden VM images on any object storage, with verified replicas in every region.

```python
import imgrepl

with imgrepl.connect() as client:
    client.add_region("eastus", "file:///srv/eastus")
    client.publish("demo/web/1.0.0", "disk.vhd", target_regions={"eastus": 2})
    client.download("demo/web/latest", "copy.raw")
```

Names are looked up when they are first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgrepl.actions.version_requests import TargetRequest, VersionView
    from imgrepl.client import Client, connect
    from imgrepl.errors import (
        Conflict,
        Corrupt,
        ImgreplError,
        Interrupted,
        Invalid,
        NotAllowed,
        NotFound,
        PartlyDone,
        Unavailable,
    )
    from imgrepl.model.events import Event
    from imgrepl.model.region import Endpoint, Region, StorageAccountType
    from imgrepl.model.replica import ReplicaState

__version__ = "0.1.0"

_HOMES = {
    "imgrepl.actions.version_requests": ("TargetRequest", "VersionView"),
    "imgrepl.client": ("Client", "connect"),
    "imgrepl.errors": (
        "Conflict",
        "Corrupt",
        "ImgreplError",
        "Interrupted",
        "Invalid",
        "NotAllowed",
        "NotFound",
        "PartlyDone",
        "Unavailable",
    ),
    "imgrepl.model.events": ("Event",),
    "imgrepl.model.region": ("Endpoint", "Region", "StorageAccountType"),
    "imgrepl.model.replica": ("ReplicaState",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Client",
    "Conflict",
    "Corrupt",
    "Endpoint",
    "Event",
    "ImgreplError",
    "Interrupted",
    "Invalid",
    "NotAllowed",
    "NotFound",
    "PartlyDone",
    "Region",
    "ReplicaState",
    "StorageAccountType",
    "TargetRequest",
    "Unavailable",
    "VersionView",
    "__version__",
    "connect",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'imgrepl' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)
