"""How many replicas a deployment needs: by Azure's rules, and by how fast replicas are."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from imgrepl.errors import Invalid

VMS_PER_REPLICA_CAREFUL = 20
"""Azure's rule of 2021, and its best practices today: 1,000 VMs want 50 replicas."""

VMS_PER_REPLICA_TODAY = 50
"""What Azure says of scaling today: 500 VMs want 10 replicas."""

INSTANCES_PER_REPLICA = 600
"""A scale set of up to so many instances wants a replica of its own."""

INSTANCES_MAX = 1_000
"""The largest scale set."""

PRODUCTION_REPLICAS_MIN = 3
"""What Azure wants for production at the least."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What is started at once: single VMs, or scale sets of so many instances each."""

    vms: int = 0
    scale_sets: int = 0
    instances: int = INSTANCES_PER_REPLICA

    def __post_init__(self) -> None:
        if self.vms < 0 or self.scale_sets < 0 or not self.machines:
            raise Invalid(
                f"{self.vms} VMs and {self.scale_sets} scale sets: a deployment starts at least one"
                " machine",
                code="OutOfRange",
                target="vms",
                hint="say --vms or --scale-sets with 1 or more",
            )
        if self.scale_sets and not 1 <= self.instances <= INSTANCES_MAX:
            raise Invalid(
                f"a scale set of {self.instances} instances; one has 1 to {INSTANCES_MAX}",
                code="OutOfRange",
                target="instances",
                hint="spread more over several scale sets",
            )

    @property
    def machines(self) -> int:
        """All of them."""
        return self.vms + self.scale_sets * self.instances

    def replicas(self, vms_per_replica: int) -> int:
        """What it wants by a rule of so many VMs a replica; a scale set wants its own."""
        sets = self.scale_sets * -(-self.instances // INSTANCES_PER_REPLICA)
        return -(-self.vms // vms_per_replica) + sets


def replicas_by_speed(
    machines: int, image_bytes: int, within_seconds: float, bytes_per_second: float
) -> int:
    """How many replicas of this speed give every machine the whole image within the time."""
    assert bytes_per_second > 0
    assert within_seconds > 0
    needed = Decimal(machines) * image_bytes / Decimal(within_seconds) / Decimal(bytes_per_second)
    return max(1, int(needed.to_integral_value(ROUND_CEILING)))
