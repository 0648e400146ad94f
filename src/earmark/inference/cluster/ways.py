"""Which way sound goes through a cluster: read by the processes that hold the nets, or by others, which feed these.

decoders=0      each net reads and decodes for itself, and no sound goes from one process to another (`asking`)
decoders=4      so many processes decode, and hand sound on to those that hold the nets (`stages`)
not said        the first, but where nets are on GPUs: one of these hears faster than one core decodes
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from earmark.errors import EarmarkError, agreed
from earmark.inference.cluster import asking, stages
from earmark.inference.cluster.connected import connected, told
from earmark.inference.cluster.machines import Machines
from earmark.inference.cluster.rows import Arrived, Work


@dataclass(frozen=True)
class Plan:
    """nets: how many processes hold the taggers, wants: what each takes of the cluster. decoders: others that decode for them."""

    nets: int
    decoders: int
    wants: dict[str, Any]


def arriving(work: Work) -> Iterator[Arrived]:
    """What the pieces of recordings scored, in any order. Raises EarmarkError where Ray is not there, the cluster too small, or
    nothing comes.
    """
    machines = work.machines
    with connected(machines) as ray:
        _quieten(ray)
        plan = plan_for(ray, machines)
        failures: list[type[Exception]] = [ray.exceptions.RayError, TimeoutError]
        try:
            if plan.decoders:
                failures += stages.failures()
                yield from stages.through(work, plan.nets, plan.decoders, plan.wants)
            else:
                yield from asking.through(ray, work, lambda: _room_now(ray, machines))
        except tuple(failures) as error:
            raise told(error, ray, machines) from error


def plan_for(ray: Any, machines: Machines) -> Plan:
    """For the cluster as it is now. Raises EarmarkError where it has no room."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cores = [float(node.get("CPU", 0)) for node in nodes]
    gpus = sum(float(node.get("GPU", 0)) for node in nodes)
    room = sum(int(each // machines.cores) for each in cores)
    if not room:
        raise EarmarkError(
            f"--on ray: no machine of the cluster has {machines.cores:g} {agreed(machines.cores, 'core', 'cores')} for a net "
            f"({', '.join(f'{n:g}' for n in cores)}). Give Ray more (ray start --num-cpus), or nets less (--cluster cores=1)"
        )
    if gpus and machines.nets is None:
        decoders = max(1, room) if machines.decoders is None else machines.decoders
        return Plan(int(gpus), decoders, {"num_gpus": 1, "num_cpus": 1})
    nets = min(machines.nets or room, room)
    decoders = machines.decoders or 0
    return Plan(nets, decoders, {"num_cpus": machines.cores - (stages.SHARE if decoders else 0)})


def _room_now(ray: Any, machines: Machines) -> tuple[int, dict[str, Any]]:
    """How many nets, and what each takes; none while machines are away."""
    try:
        plan = plan_for(ray, machines)
    except EarmarkError:
        return 0, {}
    return plan.nets, plan.wants


def _quieten(ray: Any) -> None:
    # what Ray does again after a kill it would tell on stdout, where results go
    worker: Any = getattr(getattr(ray, "_private", None), "worker", None)
    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda *_, **__: None
    for name in ("ray", "ray.data"):  # what goes wrong is raised, and told once
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
