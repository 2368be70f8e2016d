"""Passwords: where they come from, and that they are found nowhere but where they are typed."""

import os
import pty
import re
import subprocess
from pathlib import Path

import as_root
import pytest
from processes import descendants, name_of
from run_tools import wait_until

READS = ("sh", "-c", "echo ready; read line")

# Prints how often the bytes on its standard input are found in the memory of processes.
SEARCH = """
import re, sys
needle = sys.stdin.buffer.read()
for pid in sys.argv[1:]:
    found = 0
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in open(f"/proc/{pid}/maps"):
            start, end, flags = re.match("([0-9a-f]+)-([0-9a-f]+) (r?)", line).groups()
            try:
                memory.seek(int(start, 16))
                found += flags == "r" and memory.read(int(end, 16) - int(start, 16)).count(needle)
            except (OSError, OverflowError):
                pass  # the kernel's own pages
    print(found)
"""


def times_in_memory(needle, pids):
    pids = [str(pid) for pid in pids]
    lines = as_root.run("/usr/bin/python3", "-c", SEARCH, *pids, input=needle)
    return [int(line) for line in lines.split()]


@pytest.fixture
def sudoer(accounts):
    """An account that sudo asks for its password each time."""
    account = accounts.new()
    account.sudoers("NAME ALL=(ALL) ALL", "Defaults:NAME timestamp_timeout=0")
    return account


def start(account, mitogen, *arguments, **options):
    command = account.command(mitogen, "run", *arguments)
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, **{**streams, **options})


def write_password(account, *lines):
    return account.write(".passwords", "".join(f"{line}\n" for line in lines), "600")


def test_no_process_keeps_a_password_that_passes_through_it(sudoer, for_all):
    """Not that which types it, nor those that it comes through; nor is it in any log."""
    file = write_password(sudoer, sudoer.password)
    target = "local/local/local/sudo"
    arguments = ("-vv", "--password-file", file, target, "--", *READS)
    with start(sudoer, for_all / "mitogen", *arguments) as run:
        assert run.stdout.readline() == b"ready\n"
        everybody = [run.pid, *descendants(run.pid)]
        master = next(pid for pid in everybody if name_of(pid) == "mitogen")
        ours = [pid for pid in everybody if name_of(pid) not in ("mitogen", "sudo", "sh")]
        assert len(ours) == 4
        # the command knows it until it ends: the search would find one
        assert times_in_memory(sudoer.password, [master])[0] > 0
        assert times_in_memory(sudoer.password, ours) == [0, 0, 0, 0]
        for pid in everybody:
            shown = as_root.run("cat", f"/proc/{pid}/cmdline", f"/proc/{pid}/environ")
            assert sudoer.password not in shown
        _, log = run.communicate(b"\n")
    assert sudoer.password.encode() not in log
    assert b"sudo" in log  # it says something
