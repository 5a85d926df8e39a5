"""A plan gives every target every pack once, by the cheapest way that proves what it copies."""

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgrepl.engine.planner import plan_replication
from imgrepl.errors import Corrupt
from imgrepl.model.ids import PackId, PlaceId
from imgrepl.model.plan import Lead, PackMove, ReplicationPlan, ServerCopy
from imgrepl.model.region import Endpoint, Place, PlaceRole

HOME = "r0"
PACK = PackId("a" * 64)


def place(number: int, region: str, server: str) -> Place:
    endpoint = Endpoint(url=f"s3://bucket/{number}", endpoint_url=f"http://{server}")
    return Place(
        id=PlaceId(number),
        region=region,
        role=PlaceRole.STANDARD,
        number=number,
        endpoint=endpoint,
    )


@dataclass(frozen=True)
class Case:
    packs: dict[PackId, int]
    targets: list[Place]
    holders: dict[PackId, list[Place]]
    trusted: set[tuple[PlaceId, PackId]]

    def plan(self) -> ReplicationPlan:
        return plan_replication(
            self.packs, self.targets, self.holders, home_region=HOME, trusted=self.trusted
        )

    def missing(self, pack: PackId) -> set[PlaceId]:
        return {t.id for t in self.targets} - {holder.id for holder in self.holders[pack]}

    def server_of(self, place_id: PlaceId) -> str:
        known = [*self.targets, *(p for found in self.holders.values() for p in found)]
        return next(p.endpoint.server for p in known if p.id == place_id)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    count = draw(st.integers(1, 7))
    where = st.tuples(st.integers(0, 3), st.integers(0, 3))
    places = [
        place(number, f"r{region}", f"s{server}")
        for number, (region, server) in enumerate(draw(st.lists(where, min_size=count)))
    ]
    packs = {PackId(f"{n:064x}"): n + 1 for n in range(draw(st.integers(0, 4)))}
    some = st.lists(st.sampled_from(places), min_size=1, unique_by=lambda p: p.id)
    holders = {pack: draw(some) for pack in packs}
    pairs = [(holder.id, pack) for pack, found in holders.items() for holder in found]
    trusted = draw(st.sets(st.sampled_from(pairs))) if pairs else set()
    return Case(packs, draw(some), holders, trusted)


def moves_of(plan: ReplicationPlan, pack: PackId) -> list[PackMove]:
    return [move for move in plan.moves if move.pack_id == pack]


@given(cases())
def test_every_target_gets_every_pack_that_it_lacks_exactly_once(case: Case) -> None:
    plan = case.plan()
    for pack in case.packs:
        given_to = Counter(target for move in moves_of(plan, pack) for target in move.targets())
        assert given_to == Counter(dict.fromkeys(case.missing(pack), 1))


@given(cases())
def test_a_server_copies_only_what_it_has_and_what_was_put_or_read_now(case: Case) -> None:
    for move in case.plan().moves:
        for copy in move.copies:
            assert case.server_of(copy.source) == case.server_of(copy.target)
            assert copy.source in {holder.id for holder in case.holders[move.pack_id]}
            is_read = copy.source == move.read_from
            assert is_read or (copy.source, move.pack_id) in case.trusted
        for lead in move.leads:
            servers = {case.server_of(p) for p in (lead.target, *lead.siblings)}
            assert len(servers) == 1


@given(cases())
def test_a_pack_is_read_once_for_every_server_that_must_and_once_where_only_sent(
    case: Case,
) -> None:
    plan = case.plan()
    for pack in case.packs:
        holding = {case.server_of(holder.id) for holder in case.holders[pack]}
        trusted = {case.server_of(p) for p, of in case.trusted if of == pack}
        wanting = {case.server_of(target) for target in case.missing(pack)}
        unproven = (wanting & holding) - trusted
        sent = bool(wanting - holding)
        reads = [move for move in moves_of(plan, pack) if move.read_from is not None]
        assert len(reads) == max(len(unproven), int(sent))


@given(cases())
def test_only_a_server_without_the_pack_is_sent_it_and_once_for_each_of_its_regions(
    case: Case,
) -> None:
    by_id = {target.id: target for target in case.targets}
    for pack, moves in ((pack, moves_of(case.plan(), pack)) for pack in case.packs):
        leads = [lead for move in moves for lead in move.leads]
        holding = {case.server_of(holder.id) for holder in case.holders[pack]}
        sent_to = [(by_id[lead.target].region, case.server_of(lead.target)) for lead in leads]
        assert len(sent_to) == len(set(sent_to))
        assert not {server for _, server in sent_to} & holding
        for move in moves:
            assert move.read_from is not None or not move.leads


@given(cases(), st.randoms())
def test_the_same_facts_in_any_order_give_the_same_plan(case: Case, random: object) -> None:
    plan = case.plan()
    shuffled = {pack: list(found) for pack, found in case.holders.items()}
    for found in shuffled.values():
        random.shuffle(found)  # type: ignore[attr-defined]
    again = Case(dict(case.packs), list(case.targets), shuffled, set(case.trusted))
    assert again.plan() == plan == case.plan()


@given(cases())
def test_the_figures_of_a_plan_are_the_sums_of_its_moves(case: Case) -> None:
    plan = case.plan()
    wanted = sum(size * len(case.missing(pack)) for pack, size in case.packs.items())
    sent, copied = plan.sent_bytes(), plan.server_copied_bytes()
    assert sent.total() + copied.total() == wanted
    assert plan.read_bytes == sum(m.pack_bytes for m in plan.moves if m.read_from is not None)


@given(cases())
def test_moves_stand_in_the_order_in_which_the_disks_name_the_packs(case: Case) -> None:
    order = list(case.packs)
    positions = [order.index(move.pack_id) for move in case.plan().moves]
    assert positions == sorted(positions)


def test_a_pack_that_nobody_has_is_said_to_be_lost() -> None:
    target = place(1, "r1", "s1")
    with pytest.raises(Corrupt) as caught:
        plan_replication({PACK: 5}, [target], {PACK: []}, home_region=HOME)
    assert (caught.value.code, caught.value.target) == ("PackLost", PACK)
    assert caught.value.hint


def test_a_pack_that_nobody_needs_may_be_lost() -> None:
    assert plan_replication({PACK: 5}, [], {}, home_region=HOME).moves == ()


def test_three_regions_of_two_replicas_cost_one_read_and_one_upload_each() -> None:
    home = [place(0, "r0", "s0"), place(1, "r0", "s0")]
    others = [place(n, f"r{n // 2}", f"s{n // 2}") for n in range(2, 6)]
    plan = plan_replication(
        {PACK: 100},
        [*home, *others],
        {PACK: home[:1]},
        home_region=HOME,
        trusted={(home[0].id, PACK)},
    )
    free, read = plan.moves
    assert (free.read_from, free.copies) == (None, (ServerCopy(home[0].id, home[1].id),))
    assert read.read_from == home[0].id
    assert read.leads == (
        Lead(PlaceId(2), (PlaceId(3),)),
        Lead(PlaceId(4), (PlaceId(5),)),
    )
    assert plan.read_bytes == 100
    assert plan.sent_bytes() == {PlaceId(2): 100, PlaceId(4): 100}
    assert plan.server_copied_bytes() == dict.fromkeys(map(PlaceId, (1, 3, 5)), 100)


def test_the_home_region_is_read_before_a_far_one_and_a_region_that_wants_it_before_both() -> None:
    far, home = place(1, "far", "s1"), place(2, HOME, "s2")
    here, wanting = place(3, "west", "s3"), place(4, "west", "s4")
    plan = plan_replication({PACK: 1}, [wanting], {PACK: [far, home]}, home_region=HOME)
    assert [move.read_from for move in plan.moves] == [home.id]
    plan = plan_replication({PACK: 1}, [wanting], {PACK: [far, home, here]}, home_region=HOME)
    assert [move.read_from for move in plan.moves] == [here.id]
