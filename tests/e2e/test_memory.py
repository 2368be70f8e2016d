"""What an agent takes that waits for calls."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from processes import child_pids

LIMIT_KB = 200


@pytest.mark.skipif(os.geteuid() != 0, reason="an agent lets nobody but root look at its memory")
def test_a_waiting_agent_is_small(mitogen):
    """If it is not, see whether tools/agent-order puts new code where it belongs."""
    command = [mitogen, "ping", "--interval=600", "local"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert b"connected" in process.stdout.readline()
        assert b"seq=1" in process.stdout.readline()
        (agent,) = child_pids(process.pid)
        text = Path(f"/proc/{agent}/smaps_rollup").read_text()
        process.terminate()
    size = int(re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE)[1])
    assert size <= LIMIT_KB
