"""A cluster: started or joined, quiet, and what goes wrong in it in words. Ray tells nobody of its use, and opens no dashboard."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from earmark.errors import EarmarkError
from earmark.inference import process
from earmark.inference.cluster.machines import Machines

LACKING = "--on ray needs Ray: pip install 'earmark[cluster]'"
QUIETLY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
REACH = 10.0  # s, for a cluster's address


@contextmanager
def connected(machines: Machines) -> Iterator[Any]:
    """Ray, connected to a cluster: one that runs, or one of this machine for the while. Raises EarmarkError."""
    for name, value in QUIETLY.items():
        os.environ[name] = value  # whatever it was: nothing is told without being asked
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise EarmarkError(LACKING) from error
    address = machines.address or os.environ.get("RAY_ADDRESS") or "local"
    own: dict[str, Any] = (
        {"include_dashboard": False, "num_cpus": machines.cpus or process.cores()} if address == "local" else {}
    )
    try:
        _reach(address)
        with _hushed():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except Exception as error:  # Ray raises plain ones, too, where a machine is too busy to start it in time
        raise EarmarkError(
            f"--on ray: no cluster at {address} ({_first_line(error)}). Start one (ray start --head), correct --address, or leave it "
            "out: then this machine is one"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Ray itself waits for minutes for a machine that is not there. Raises OSError."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), REACH).close()


@contextmanager
def _hushed() -> Iterator[None]:
    """Without what Ray's own libraries print as they begin, which no setting turns off."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def told(error: Exception, ray: Any, machines: Machines) -> EarmarkError:
    """What went wrong in the cluster, in words."""
    for each in _causes(error):
        if isinstance(each, EarmarkError):
            return each
    if "Progress" in type(error).__name__ or isinstance(error, TimeoutError):
        free = ray.available_resources().get("CPU", 0.0)
        return EarmarkError(
            f"--on ray: nothing came for {machines.patience:g} s; of the cluster's {ray.cluster_resources().get('CPU', 0):g} cores "
            f"{free:g} are free. Others may use it: see `ray status`. What is done is kept: the same command goes on; "
            "--cluster patience=3600 waits longer"
        )
    *_, first = _causes(error)
    return EarmarkError(
        f"--on ray: the cluster failed ({type(first).__name__}: {_first_line(first)}). What is done is kept: the same command goes on"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = getattr(error, "cause", None) or error.__cause__


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else type(error).__name__
