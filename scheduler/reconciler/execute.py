"""The only part of the reconciler that touches the world: asks the providers, and never launches blindly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import structlog

from scheduler.domain.errors import AuthError, ProviderError, TransientError
from scheduler.domain.fleet import Node
from scheduler.domain.ports import CloudNode, LaunchRequest, NodeLauncher
from scheduler.reconciler.actions import Action, FindNode, LaunchNode, Outcome

log = structlog.get_logger(__name__)

CALL_TIMEOUT_S = 240.0
"""Longer than the slowest adapter waits for its cloud to settle a launch (180 s)."""

Describe = Callable[[Node], Awaitable[LaunchRequest]]
"""Builds everything an adapter needs to launch this node; raises ProviderError where its cluster cannot be joined yet."""


class Executor:
    """Runs actions against the launchers of the configured accounts."""

    def __init__(self, launchers: Mapping[tuple[str, str], NodeLauncher], describe: Describe) -> None:
        """``launchers`` by the name and account of their provider."""
        self._launchers = launchers
        self._describe = describe

    async def run(self, actions: Sequence[Action]) -> list[Outcome]:
        """Execute all, concurrently; every action yields an outcome."""
        return list(await asyncio.gather(*(self._one(action) for action in actions)))

    async def sweep(self, prefix: str, known: Callable[[], Awaitable[Collection[str]]]) -> list[CloudNode]:
        """Release machines that carry our tag but belong to no row: what a crash between launch and answer may leave.

        Args:
            prefix: how this installation's tokens begin; machines of others are never touched.
            known: reads the tokens that have a living row; asked after the machines are listed, so that a launch whose row
                was written meanwhile is not mistaken for an orphan.
        """
        released = []
        for (provider, account), launcher in self._launchers.items():
            try:
                async with asyncio.timeout(CALL_TIMEOUT_S):
                    machines = await launcher.list_nodes()
                    living = await known()
                    for machine in machines:
                        token = machine.launch_token
                        if machine.running and token.startswith(prefix) and token not in living:
                            await launcher.terminate(machine)
                            released.append(machine)
            except (TimeoutError, ProviderError) as error:
                log.warning("sweep_failed", provider=provider, account=account, error=str(error))
        return released

    async def _one(self, action: Action) -> Outcome:
        provider, account, region = action.node.offer_id.split("/")[:3]
        launcher = self._launchers.get((action.node.feed or provider, account))
        if launcher is None:
            # Not "not found": a machine that cannot be reached is not gone, and is released once its account is set up again.
            return Outcome(action, error=AuthError(provider, f"no launcher is configured for account {account!r}"))
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                machine = await self._ask(launcher, action, region)
        except TimeoutError:
            return Outcome(action, error=TransientError(provider, f"no answer within {CALL_TIMEOUT_S:.0f} s"))
        except ProviderError as error:
            log.warning("action_failed", action=type(action).__name__, node=action.node.id, error=str(error))
            return Outcome(action, error=error)
        log.info("action_done", action=type(action).__name__, node=action.node.id, machine=machine.provider_node_id if machine else None)
        return Outcome(action, machine)

    async def _ask(self, launcher: NodeLauncher, action: Action, region: str) -> CloudNode | None:
        node = action.node
        if isinstance(action, LaunchNode):
            return await launcher.launch(await self._describe(node))
        if isinstance(action, FindNode):
            found = [machine for machine in await launcher.find(node.launch_token) if machine.running]
            for surplus in found[1:]:
                await launcher.terminate(surplus)
            # Nothing carries the token, so the launch never took place: try again under the same token.
            return found[0] if found else await launcher.launch(await self._describe(node))
        machines = [CloudNode(node.provider_node_id, node.launch_token, True, region, node.zone)] if node.provider_node_id else []
        for machine in machines or await launcher.find(node.launch_token):
            await launcher.terminate(machine)
        return None
