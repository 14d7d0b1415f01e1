"""What a market process runs: the market, the machines rented from it, and the file that both survive in.

The only place where renting (a value in the market) and running (a process tree) meet. Thread-safe. A market that restarts
finds its machines again by process id and start time; one that is gone by then counts as ended.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

import structlog

from providers.simulated.base import ACCOUNT
from providers.simulated.holding import Happening, Holding, MarketEvent
from providers.simulated.machines import MachineRoom, ProcessRef
from providers.simulated.market import Market, Overrides
from providers.simulated.record import LaunchOrder, Machine, from_state, iso, machine_name, to_state
from scheduler.domain.errors import NoSuchError
from scheduler.domain.offer import offer_id

ENDED_KEPT = 200
"""Machines that ended stay listed, as in a cloud; the oldest go."""

log = structlog.get_logger("market")


class Estate:
    """All clouds of one market process. Public methods take the lock; ending a machine happens in the background."""

    def __init__(self, market: Market, room: MachineRoom, state_file: Path, clock: Callable[[], datetime]) -> None:
        self.market, self._room, self._state_file, self._clock = market, room, state_file, clock
        self.lock = threading.RLock()
        self._machines: dict[str, Machine] = {}
        self._endings = ThreadPoolExecutor(max_workers=8, thread_name_prefix="ending")
        self._pending: list[Future[None]] = []
        self._load()
        self.step()

    # Clients

    def launch(self, order: LaunchOrder, metadata_url: str) -> Machine:
        """Rent and boot a machine; the same token gives the same machine, ended or not.

        Raises:
            NoSuchError: no such offer.
            RefusedError: sold out or over quota.
            OSError: the command cannot be run.
        """
        with self.lock:
            self.step()
            machine_id = machine_name(order.cloud, order.launch_token)
            known = self._machines.get(machine_id)
            if known is not None:
                return known
            offer = offer_id(order.cloud, ACCOUNT, order.region, order.zone, order.instance_type, order.capacity_type)
            holding = Holding(machine_id, offer, order.launch_token, self._clock(), order.node, order.cluster)
            self.market.allocate(offer, holding)
            machine = Machine(holding, order.cloud, order.region, order.zone)
            # Written before the start: a crash in between leaves a record whose process is found by its marker.
            self._put(machine)
            env = {**order.env, "HEADRACE_METADATA_URL": f"{metadata_url}/machines/{machine_id}"}
            try:
                machine = replace(machine, root=self._room.start(machine_id, order.argv, env))
            except OSError:
                self._end(machine, "failed to start")
                raise
            self._put(machine)
            log.info("machine_launched", machine=machine_id, offer=offer, node=order.node, cluster=order.cluster)
            return machine

    def find(self, cloud: str, launch_token: str = "") -> list[Machine]:
        """Machines of a cloud, ended ones included, optionally of one token."""
        with self.lock:
            self.step()
            return [
                each for each in self._machines.values() if each.cloud == cloud and launch_token in ("", each.holding.launch_token)
            ]  # fmt: skip

    def machines(self) -> list[Machine]:
        """Every machine of every cloud, ended ones included."""
        with self.lock:
            return list(self._machines.values())

    def now(self) -> datetime:
        """The market's time."""
        return self._clock()

    def machine(self, machine_id: str) -> Machine:
        """Raises NoSuchError."""
        with self.lock:
            found = self._machines.get(machine_id)
            if found is None:
                raise NoSuchError("machine", machine_id)
            return found

    def terminate(self, cloud: str, machine_id: str, grace_s: float = 10.0) -> Machine:
        """Give a machine back; its processes get ``grace_s`` to leave. Idempotent. Raises NoSuchError."""
        with self.lock:
            machine = self.machine(machine_id)
            if machine.cloud != cloud:
                raise NoSuchError("machine", machine_id)
            if machine.ended_at is None:
                machine = self._end(machine, "terminated", grace_s=grace_s)
            return machine

    # The market's own doings

    def step(self) -> None:
        """Let time pass: prices move, notices go out, machines past their deadline lose power, dead ones are noted."""
        with self.lock:
            self._room.reap()
            self.apply(self.market.step(self._clock()))
            for machine in list(self._machines.values()):
                if machine.ended_at is None and machine.root is not None and machine.root.process() is None:
                    self._end(machine, "exited")

    def apply(self, events: Sequence[MarketEvent]) -> None:
        """Make true what the market decided."""
        with self.lock:
            for event in events:
                machine = self._machines.get(event.holding.machine)
                if machine is None or machine.ended_at is not None:
                    continue
                if event.kind is Happening.NOTICED:
                    self._put(replace(machine, holding=event.holding))
                    log.info("interruption_noticed", machine=machine.id, deadline=iso(event.holding.deadline))
                else:
                    self._end(replace(machine, holding=event.holding), "reclaimed")

    def close(self, terminate_s: float | None) -> None:
        """Stop; with ``terminate_s`` every machine is terminated first, without it they run on as in a cloud."""
        with self.lock:
            if terminate_s is not None:
                for machine in [each for each in self._machines.values() if each.ended_at is None]:
                    self._end(machine, "terminated", grace_s=terminate_s)
            self.save()
            pending, self._pending = self._pending, []
        for ending in pending:
            ending.result()
        self._endings.shutdown()

    def _end(self, machine: Machine, why: str, grace_s: float = 0.0) -> Machine:
        self.market.release(machine.id)
        ended = replace(machine, ended_at=self._clock(), ended_why=why)
        self._put(ended)
        if machine.root is not None:
            self._pending = [ending for ending in self._pending if not ending.done()]
            if grace_s > 0:
                self._pending.append(self._endings.submit(self._room.terminate, machine.id, machine.root, grace_s))
            else:
                self._pending.append(self._endings.submit(self._room.kill, machine.id, machine.root))
        log.info("machine_ended", machine=machine.id, why=why)
        return ended

    # The file

    def _put(self, machine: Machine) -> None:
        self._machines[machine.id] = machine
        ended = [each.id for each in self._machines.values() if each.ended_at is not None]
        for old in ended[:-ENDED_KEPT]:
            del self._machines[old]
        self.save()

    def save(self) -> None:
        """Write the state, atomically. Commands and environments are not in it: they may hold tokens."""
        with self.lock:
            state = {"machines": [to_state(each) for each in self._machines.values()], "overrides": asdict(self.market.overrides())}
        temporary = self._state_file.with_suffix(".new")
        with temporary.open("w", encoding="utf-8") as target:
            json.dump(state, target, indent=1)
            target.flush()
            os.fsync(target.fileno())
        temporary.replace(self._state_file)

    def _load(self) -> None:
        if not self._state_file.exists():
            return
        state = json.loads(self._state_file.read_text(encoding="utf-8"))
        self.market.restore(Overrides(**state["overrides"]))
        for row in state["machines"]:
            machine = from_state(row)
            if machine.ended_at is None:
                root = machine.root or self._room.find_unrecorded(machine.id)
                machine = replace(machine, root=root or ProcessRef(0, 0.0))
                self.market.adopt(machine.holding)
                log.info("machine_adopted", machine=machine.id, pid=machine.root.pid if machine.root else 0)
            self._machines[machine.id] = machine
