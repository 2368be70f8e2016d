"""What tests do as root: directly, or through a sudo that asks for nothing."""

import os
import signal
import subprocess

import pytest

PREFIX = () if os.geteuid() == 0 else ("sudo", "-n")


def is_possible():
    return not PREFIX or subprocess.run([*PREFIX, "true"], capture_output=True).returncode == 0


def need():
    if not is_possible():
        pytest.skip("needs root, or a sudo that asks for nothing")


def run(*command, **options):
    """What it printed. It must succeed."""
    options = {"stdin": subprocess.DEVNULL, **options}
    if "input" in options:
        del options["stdin"]
    process = subprocess.run(
        [*PREFIX, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        **options,
    )
    assert process.returncode == 0, f"{command}: {process.stdout}{process.stderr}"
    return process.stdout


def kill(pid, number=signal.SIGTERM):
    """Like os.kill, for a process of anybody; one that is gone is no error."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
    except PermissionError:
        subprocess.run([*PREFIX, "kill", f"-{int(number)}", str(pid)], capture_output=True)
