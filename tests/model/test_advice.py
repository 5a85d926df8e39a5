"""How many replicas a deployment needs, by Azure's own examples."""

import pytest

from imgrepl.errors import Invalid
from imgrepl.model.advice import (
    VMS_PER_REPLICA_CAREFUL,
    VMS_PER_REPLICA_TODAY,
    Deployment,
    replicas_by_speed,
)


@pytest.mark.parametrize(
    ("deployment", "vms_per_replica", "replicas"),
    [
        (Deployment(vms=120), VMS_PER_REPLICA_CAREFUL, 6),
        (Deployment(vms=1000), VMS_PER_REPLICA_CAREFUL, 50),
        (Deployment(vms=500), VMS_PER_REPLICA_CAREFUL, 25),
        (Deployment(vms=500), VMS_PER_REPLICA_TODAY, 10),
        (Deployment(vms=1), VMS_PER_REPLICA_TODAY, 1),
        (Deployment(vms=121), VMS_PER_REPLICA_CAREFUL, 7),
        (Deployment(scale_sets=5, instances=600), VMS_PER_REPLICA_CAREFUL, 5),
        (Deployment(scale_sets=5, instances=601), VMS_PER_REPLICA_TODAY, 10),
        (Deployment(scale_sets=5, instances=1), VMS_PER_REPLICA_TODAY, 5),
    ],
)
def test_azures_rules(deployment: Deployment, vms_per_replica: int, replicas: int) -> None:
    assert deployment.replicas(vms_per_replica) == replicas


@pytest.mark.parametrize(
    "fields",
    [{}, {"vms": -1}, {"scale_sets": 1, "instances": 1001}, {"scale_sets": 1, "instances": 0}],
)
def test_a_deployment_of_nothing_or_too_much_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(Invalid) as refused:
        Deployment(**fields)

    assert refused.value.code == "OutOfRange"


def test_by_speed_every_machine_reads_the_whole_image_in_time() -> None:
    gib = 1 << 30

    assert replicas_by_speed(100, gib, 100.0, gib) == 1
    assert replicas_by_speed(101, gib, 100.0, gib) == 2
    assert replicas_by_speed(500, gib, 10.0, gib) == 50
    assert replicas_by_speed(1, 0, 10.0, gib) == 1
