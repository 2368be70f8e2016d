"""What the tests of `mitogen run` share: watching processes, waiting for what they do."""

import os
import select
import time
from pathlib import Path

import pytest
from processes import child_pids

PATIENCE = 30  # seconds until a test that waits for something gives up
MEMORY_MAX = 32 * 1024  # KiB that no process of ours may come to need


def wait_until(condition, what):
    """Returns what condition() gives as soon as that is true."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        select.select([], [], [], 0.005)
    pytest.fail(f"never came: {what}")


def status_field(pid, name):
    """A field of /proc/PID/status, or None when the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), None)


def is_running(pid):
    return status_field(pid, "State") not in (None, "Z (zombie)", "X (dead)")


def wait_for_death(pid, what):
    wait_until(lambda: not is_running(pid), f"the end of {what}")


def peak_memory(pid):
    """The most KiB that it has had resident."""
    return int(status_field(pid, "VmHWM").split()[0])


def agents_of(command):
    """The PIDs of the agents that a running command has started."""
    return wait_until(lambda: child_pids(command.pid), "an agent")


def wait_until_blocked(pid):
    """Until a process that does nothing but write has to wait: it is seen asleep again and again."""
    seen = 0

    def is_asleep():
        nonlocal seen
        seen = seen + 1 if (status_field(pid, "State") or "").startswith("S") else 0
        return seen >= 20

    wait_until(is_asleep, "a writer that has to wait")


def drain(file, size):
    """Reads exactly so much and forgets it."""
    while size > 0:
        data = file.read(min(size, 1 << 20))
        assert data
        size -= len(data)


def agent_path(mitogen):
    return Path(mitogen).parent / "agents" / f"linux-{os.uname().machine}"


class FakeAgent:
    """A shell script in the agent's place, as long as its environment is used. In the script, AGENT
    is the real one and HERE a directory."""

    def __init__(self, directory, mitogen, script):
        agent = agent_path(mitogen)
        path = directory / agent.name
        path.write_text(f"#!/bin/sh\nAGENT='{agent}'\nHERE='{directory}'\n{script}\n")
        path.chmod(0o755)
        self.environment = {**os.environ, "MITOGEN_IMAGE_PATH": str(directory)}
