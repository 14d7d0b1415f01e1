"""Who gets requests, under which name, in which share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scheduler.domain.fleet import Replica
from scheduler.domain.lifecycle import ReplicaState
from scheduler.domain.routing import EdgeConfig, EdgeEndpoint, EdgeRoute
from scheduler.domain.workload import AliasTarget, ModelAlias
from scheduler.edge.table import build_edge_config, percentages
from tests.builders import NOW, cluster, deployment

EAST = cluster(region="us-east-1")
WEST = cluster(region="us-west-2")
CHAT = deployment("chat", model="llama")
CODE = deployment("code", model="coder")


def replica(name: str, *, of: str = "chat", state: ReplicaState = ReplicaState.READY, where: str = EAST.id, weight: int = 100) -> Replica:
    return Replica(
        id=name,
        deployment=of,
        shape="s",
        cluster=where,
        nodes=("n1",),
        state=state,
        generation=1,
        requested_at=NOW,
        endpoint=f"10.0.0.{sum(name.encode()) % 250}:8000",
        weight=weight,
    )


def table(*replicas: Replica, aliases: tuple[ModelAlias, ...] = ()) -> EdgeConfig:
    return build_edge_config(replicas, (EAST, WEST), (CHAT, CODE), aliases)


def endpoints(config: EdgeConfig) -> list[EdgeEndpoint]:
    return [endpoint for backend in config.backends for locality in backend.localities for endpoint in locality.endpoints]


@pytest.mark.parametrize("state", [ReplicaState.READY, ReplicaState.SUSPECT])
def test_a_replica_that_serves_gets_requests(state: ReplicaState) -> None:
    assert [(one.replica, one.weight, one.draining) for one in endpoints(table(replica("r1", state=state)))] == [("r1", 100, False)]


@pytest.mark.parametrize("state", sorted(set(ReplicaState) - {ReplicaState.READY, ReplicaState.SUSPECT, ReplicaState.DRAINING}))
def test_a_replica_that_does_not_serve_is_not_there(state: ReplicaState) -> None:
    assert endpoints(table(replica("r1", state=state))) == []


def test_a_draining_replica_keeps_its_streams_and_gets_nothing_new() -> None:
    (endpoint,) = endpoints(table(replica("r1", state=ReplicaState.DRAINING)))
    assert (endpoint.weight, endpoint.draining) == (0, True)


def test_a_ready_replica_without_an_endpoint_is_not_there() -> None:
    assert endpoints(table(replace(replica("r1"), endpoint=""))) == []


def test_clusters_are_localities_that_weigh_what_their_endpoints_weigh() -> None:
    config = table(replica("r1"), replica("r2", weight=50), replica("r3", where=WEST.id, weight=25))
    assert {locality.cluster: locality.weight for locality in config.backends[0].localities} == {EAST.id: 150, WEST.id: 25}


def test_the_same_world_in_another_order_gives_the_same_value() -> None:
    one, two = replica("r1"), replica("r2", where=WEST.id)
    assert build_edge_config((one, two), (EAST, WEST), (CHAT, CODE)) == build_edge_config((two, one), (WEST, EAST), (CODE, CHAT))


def test_a_deployment_is_known_by_its_id_and_by_a_model_it_alone_serves() -> None:
    assert {route.model_name for route in table().routes} == {"chat", "code", "llama", "coder"}


def test_a_model_that_two_deployments_serve_is_no_public_name() -> None:
    config = build_edge_config((), (EAST,), (CHAT, replace(CODE, model="llama")))
    assert {route.model_name for route in config.routes} == {"chat", "code"}


def test_an_alias_splits_by_weight_among_the_targets_that_serve() -> None:
    alias = ModelAlias("best", (AliasTarget("chat", 3), AliasTarget("code", 1)))
    both = table(replica("r1"), replica("r2", of="code"), aliases=(alias,))
    assert route(both, "best").backends == (("chat", 75), ("code", 25))
    only = table(replica("r2", of="code"), aliases=(alias,))
    assert route(only, "best").backends == (("code", 100),)


def test_an_alias_nobody_serves_stays_known_so_that_clients_hear_503_and_not_404() -> None:
    alias = ModelAlias("best", (AliasTarget("chat"), AliasTarget("code")))
    assert route(table(aliases=(alias,)), "best").backends == (("chat", 100),)


def test_an_alias_cannot_take_a_deployments_name() -> None:
    config = table(aliases=(ModelAlias("chat", (AliasTarget("code"),)),))
    assert route(config, "chat").backends == (("chat", 100),)


@pytest.mark.parametrize("weights", [{"a": 1.0, "b": 1.0, "c": 1.0}, {"a": 0.999, "b": 0.001}, {"a": 7.0}, {"a": 2.5, "b": 97.5}])
def test_shares_are_whole_percents_of_one_hundred(weights: dict[str, float]) -> None:
    shares = percentages(weights)
    assert sum(share for _, share in shares) == 100
    assert all(abs(share - 100 * weights[name] / sum(weights.values())) < 1 for name, share in shares)


def route(config: EdgeConfig, name: str) -> EdgeRoute:
    return next(one for one in config.routes if one.model_name == name)
