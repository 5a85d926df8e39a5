"""The moves between states: the table is whole, and what it does not name is refused."""

import itertools

import pytest

from imgrepl.errors import Conflict
from imgrepl.model.gallery import ProvisioningState
from imgrepl.model.replica import ReplicaState
from imgrepl.model.states import (
    PROVISIONING_MOVES,
    REPLICA_MOVES,
    check_provisioning,
    check_replica,
)

PROVISIONING = list(itertools.product(ProvisioningState, repeat=2))
REPLICA = list(itertools.product(ReplicaState, repeat=2))


def test_every_state_stands_in_its_table() -> None:
    assert set(PROVISIONING_MOVES) == set(ProvisioningState)
    assert set(REPLICA_MOVES) == set(ReplicaState)


@pytest.mark.parametrize(("now", "then"), PROVISIONING)
def test_a_version_moves_as_the_table_says_and_no_other_way(
    now: ProvisioningState, then: ProvisioningState
) -> None:
    if now is then or then in PROVISIONING_MOVES[now]:
        check_provisioning("g/i/1.0.0", now, then)
        return
    with pytest.raises(Conflict) as refused:
        check_provisioning("g/i/1.0.0", now, then)
    deleting = now is ProvisioningState.DELETING
    assert refused.value.code == ("MarkedForDeletion" if deleting else "IllegalStateMove")
    assert then in refused.value.message


@pytest.mark.parametrize(("now", "then"), REPLICA)
def test_a_replica_moves_as_the_table_says_and_no_other_way(
    now: ReplicaState, then: ReplicaState
) -> None:
    if now is then or then in REPLICA_MOVES[now]:
        check_replica("g/i/1.0.0", now, then)
        return
    with pytest.raises(Conflict) as refused:
        check_replica("g/i/1.0.0", now, then)
    assert refused.value.code == "IllegalStateMove"


def test_nothing_becomes_new_again_and_nothing_leaves_deleting() -> None:
    assert all(ProvisioningState.CREATING not in moves for moves in PROVISIONING_MOVES.values())
    assert all(ReplicaState.UNKNOWN not in moves for moves in REPLICA_MOVES.values())
    assert PROVISIONING_MOVES[ProvisioningState.DELETING] == frozenset()
