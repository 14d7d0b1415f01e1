from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.domain.fleet import Node, Replica, pool_id
from scheduler.domain.plan import Target
from scheduler.domain.snapshot import LaunchCap, Snapshot
from scheduler.planner.assign import Assignment, assign
from scheduler.planner.diff import Difference, difference
from tests.builders import deployment, node, offer, placement, replica, shape, target, world

CLUSTER = "aws-us-east-1"
BIG = offer(count=4)
POOL = pool_id(CLUSTER, BIG.id)
ONE, TWO, FOUR = (shape(count=n, id=f"x{n}") for n in (1, 2, 4))
SIZE = {"x1": 1, "x2": 2, "x4": 4}


def fleet(nodes: list[Node], replicas: list[Replica], launchable: int, generation: int = 1) -> Snapshot:
    caps = {BIG.id: LaunchCap(launchable, 1.0, "test")}
    kinds = [deployment(name, generation=generation) for name in ("d", "e")]
    return world(offers=[BIG], nodes=nodes, replicas=replicas, deployments=kinds, shapes=[ONE, TWO, FOUR], caps=caps)


def wanted(count: int, kind: str, nodes: int, existing: int) -> Target:
    return target(placement(BIG, CLUSTER, count, shape=kind), nodes={POOL: nodes}, existing={POOL: existing})


def planned(snapshot: Snapshot, goal: Target) -> tuple[Difference, Assignment]:
    change = difference(snapshot, goal)
    return change, assign(snapshot, goal, change, "p")


def test_free_room_is_used_before_a_new_node_is_launched() -> None:
    here = node("n1", BIG, CLUSTER)
    _, found = planned(fleet([here], [replica("a", here, shape="x2")], launchable=4), wanted(2, "x2", 1, 1))
    assert not found.new_nodes
    assert found.new_replicas[0].nodes == ("n1",)
    assert not found.after


def test_a_new_node_is_launched_before_anyone_has_to_wait_for_a_leaver() -> None:
    here = node("n1", BIG, CLUSTER)
    _, found = planned(fleet([here], [replica("a", here, shape="x4")], launchable=1, generation=2), wanted(1, "x4", 1, 1))
    assert [new.cluster for new in found.new_nodes] == [CLUSTER]
    assert not found.after


def test_it_waits_for_a_leaver_only_where_nothing_can_be_launched() -> None:
    here = node("n1", BIG, CLUSTER)
    _, found = planned(fleet([here], [replica("a", here, shape="x4")], launchable=0, generation=2), wanted(1, "x4", 1, 1))
    assert not found.new_nodes
    assert list(found.after.values()) == [("a",)]


def test_everyone_who_goes_into_the_room_of_a_leaver_waits_for_it() -> None:
    here = node("n1", BIG, CLUSTER)
    snapshot = fleet([here], [replica("a", here, shape="x4")], launchable=0)
    _, found = planned(snapshot, wanted(4, "x1", 1, 1))
    assert len(found.new_replicas) == 4
    assert {found.after[new.id] for new in found.new_replicas} == {("a",)}


def test_without_any_room_the_replica_is_left_for_a_later_plan_and_nothing_is_launched_for_it() -> None:
    here = node("n1", BIG, CLUSTER)
    _, found = planned(fleet([here], [replica("a", here, shape="x4")], launchable=0), wanted(2, "x4", 1, 1))
    assert not found.new_replicas
    assert not found.new_nodes


def test_nodes_that_hold_nothing_in_the_end_are_not_kept() -> None:
    one, two = node("n1", BIG, CLUSTER), node("n2", BIG, CLUSTER)
    snapshot = fleet([one, two], [replica("a", one, shape="x2"), replica("b", two, shape="x2")], launchable=0)
    _, found = planned(snapshot, wanted(1, "x2", 1, 2))
    assert len(found.kept_nodes) == 1


@st.composite
def crowded(draw: st.DrawFn) -> tuple[Snapshot, Target]:
    """Nodes of four accelerators, partly full, and a target that asks for more or for something else."""
    nodes, replicas = [], []
    for index in range(draw(st.integers(0, 4))):
        nodes.append(node(f"n{index}", BIG, CLUSTER))
        room = 4
        for kind in draw(st.lists(st.sampled_from(sorted(SIZE)), max_size=4)):
            if SIZE[kind] <= room:
                room -= SIZE[kind]
                generation = draw(st.integers(1, 2))
                replicas.append(replica(f"r{index}{len(replicas)}", nodes[-1], shape=kind, generation=generation))
    launchable = draw(st.integers(0, 3))
    places = [
        placement(BIG, CLUSTER, draw(st.integers(1, 4)), name, kind)
        for name in ("d", "e")
        for kind in draw(st.sets(st.sampled_from(sorted(SIZE))))
    ]
    total = len(nodes) + launchable
    return fleet(nodes, replicas, launchable, 2), target(*places, nodes={POOL: total}, existing={POOL: len(nodes)})


@settings(max_examples=150, deadline=None)
@given(crowded())
def test_never_two_replicas_on_one_slot_once_the_awaited_leavers_are_gone(case: tuple[Snapshot, Target]) -> None:
    snapshot, goal = case
    change, found = planned(snapshot, goal)
    assert len(found.new_nodes) <= snapshot.caps[BIG.id].nodes
    for name in {each for new in found.new_replicas for each in new.nodes}:
        arrived = sum(SIZE[new.shape] for new in found.new_replicas if name in new.nodes)
        stayed = sum(SIZE[r.shape] for r in change.staying if name in r.nodes)
        awaited = {leaver for new in found.new_replicas if name in new.nodes for leaver in found.after.get(new.id, ())}
        beside = sum(SIZE[r.shape] for r in change.leaving if name in r.nodes and r.id not in awaited)
        assert arrived + stayed + beside <= 4
        for new in found.new_replicas:
            if name in new.nodes and new.id not in found.after:
                everyone = stayed + sum(SIZE[r.shape] for r in change.leaving if name in r.nodes)
                assert everyone + SIZE[new.shape] <= 4, "one that waits for nobody must fit beside all that leave"
