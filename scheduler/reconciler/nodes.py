"""Active transitions of nodes: launch by intent, find before trying again, release what is empty or doomed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from scheduler.domain.errors import NotFoundError
from scheduler.domain.events import EventKind
from scheduler.domain.fleet import Node
from scheduler.domain.lifecycle import REPLICA_COMING, NodeState, ReplicaState
from scheduler.reconciler.actions import REFUSALS, FindNode, LaunchNode, Outcome, TerminateNode
from scheduler.reconciler.draft import Draft

WORTH_WAITING = timedelta(minutes=1)
"""A pause up to this long is waited for; a longer one is planned around."""


def advance_nodes(draft: Draft) -> None:
    """Decide what to ask of the providers. Intent is stored (LAUNCHING) before the action is executed."""
    draft.each(draft.nodes.values(), _advance, lambda node: node.id)
    draft.actions += [TerminateNode(node) for node in draft.nodes.values() if node.state is NodeState.TERMINATING]


def _advance(draft: Draft, node: Node) -> None:
    match node.state:
        case NodeState.REQUESTED:
            _request(draft, node)
        case NodeState.LAUNCHING:
            # Stored by an earlier step, and no answer was stored: the call failed ambiguously or we crashed.
            _resume(draft, node)
        case NodeState.JOINING if node.deadline is not None and draft.now > node.deadline:
            _fail_replicas(draft, node, "its node never joined")
            draft.node(node, NodeState.TERMINATING, "never joined its cluster")
            draft.tell(EventKind.STOCKOUT, node.offer_id, f"node {node.id} never joined", offer=node.offer_id, cause="never joined")
        case NodeState.INTERRUPTED | NodeState.READY | NodeState.JOINING if _releasable(draft, node):
            draft.node(node, NodeState.TERMINATING, "released: empty")
        case NodeState.LOST if not draft.live_on(node.id):
            draft.node(node, NodeState.TERMINATING, node.reason)
        case _:
            pass


def _request(draft: Draft, node: Node) -> None:
    replicas = draft.live_on(node.id)
    if not replicas:
        draft.node(node, NodeState.TERMINATED, "no longer wanted", ended_at=draft.now)
    elif any(draft.due(replica) for replica in replicas) and _within_budget(draft, node):
        deadline = draft.now + timedelta(seconds=draft.sight.settings.launch_timeout_s)
        draft.actions.append(LaunchNode(draft.node(node, NodeState.LAUNCHING, "asked its provider", deadline=deadline)))


def _within_budget(draft: Draft, node: Node) -> bool:
    """Whether the offer may be asked now. What is left alone for long fails its node unasked, so that another place is planned."""
    budget = draft.sight.budgets.get(node.offer_id)
    if budget is None:
        return True
    if budget.window == 0 and budget.until is not None and budget.until - draft.now > WORTH_WAITING:
        _fail_replicas(draft, node, f"its offer is left alone: {budget.reason}")
        draft.node(node, NodeState.FAILED, f"not asked: {budget.reason}", ended_at=draft.now)
        return False
    under_way = sum(each.state is NodeState.LAUNCHING and each.offer_id == node.offer_id for each in draft.nodes.values())
    return under_way < budget.window


def _resume(draft: Draft, node: Node) -> None:
    if not draft.live_on(node.id):
        draft.node(node, NodeState.TERMINATING, "no longer wanted")
    elif node.deadline is not None and draft.now > node.deadline:
        _fail_replicas(draft, node, "its node could not be launched in time")
        draft.node(node, NodeState.TERMINATING, "no clear answer to the launch in time")
    else:
        draft.actions.append(FindNode(node))


def _releasable(draft: Draft, node: Node) -> bool:
    """Empty, and either doomed or named by the plan for release, and not wanted by anything still to come."""
    if draft.live_on(node.id):
        return False
    if node.state is NodeState.INTERRUPTED:
        return True
    plan = draft.applying
    if plan is None:
        return False
    return node.id in plan.releases or any(new.id == node.id for new in plan.new_nodes)


def _fail_replicas(draft: Draft, node: Node, why: str) -> None:
    for replica in draft.live_on(node.id):
        state = ReplicaState.FAILED if replica.state in REPLICA_COMING else ReplicaState.LOST
        draft.replica(replica, state, why, weight=0, ended_at=draft.now)


def absorb_outcome(draft: Draft, outcome: Outcome) -> None:
    """Store what a provider answered."""
    node = draft.nodes.get(outcome.action.node.id)
    if node is None:
        return
    if isinstance(outcome.action, TerminateNode):
        gone = outcome.error is None or isinstance(outcome.error, NotFoundError)
        if node.state is NodeState.TERMINATING and gone:
            draft.node(node, NodeState.TERMINATED, ended_at=draft.now)
        return
    if node.state is not NodeState.LAUNCHING:
        return
    if outcome.machine is not None:
        deadline = draft.now + timedelta(seconds=draft.sight.settings.join_timeout_s)
        draft.node(node, NodeState.JOINING, "launched", provider_node_id=outcome.machine.provider_node_id, deadline=deadline)
        return
    if outcome.error is None:
        # A find that found nothing: the launch never happened, so it may be tried again under the same token.
        draft.nodes[node.id] = replace(node, attempt=node.attempt + 1)
        return
    if isinstance(outcome.error, REFUSALS):
        cause = type(outcome.error).__name__.removesuffix("Error").lower()
        _fail_replicas(draft, node, f"its node could not be launched: {outcome.error}")
        draft.node(node, NodeState.FAILED, str(outcome.error), ended_at=draft.now)
        draft.tell(EventKind.STOCKOUT, node.offer_id, f"launch refused: {outcome.error}", offer=node.offer_id, cause=cause)
