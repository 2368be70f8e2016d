"""Watching processes, and ending those that outlive their test."""

import os
import select
import signal
import time
from pathlib import Path

import as_root


def child_pids(pid):
    try:
        lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except (FileNotFoundError, ProcessLookupError):
        return set()
    return {int(child) for text in lists for child in text.split()}


def descendants(pid):
    for child in child_pids(pid):
        yield child
        yield from descendants(child)


def marked_pids(mark):
    wanted = f"MITOGEN_TEST_ID={mark}".encode()
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            if wanted in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                yield int(name)
        except OSError:
            pass  # it has ended, or is not ours


def name_of(pid):
    """Of the program that it runs, cut to 15 characters; None if it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().rstrip("\n")
    except (FileNotFoundError, ProcessLookupError):
        return None


def first_named(name, pid):
    """It, or what it has started, whichever is called so: there may be a sudo around it."""
    return next(pid for pid in (pid, *descendants(pid)) if name_of(pid) == name)


def describe(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("latin-1")
        return f"{pid} ({state}) {command.strip()}"
    except OSError:
        return str(pid)


def wait_for_end(pid, deadline):
    """Whether pid ends in time."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        return bool(poller.poll(max(deadline - time.monotonic(), 0) * 1000))
    finally:
        os.close(pidfd)


def surviving_processes(mark, wanted, others, deadline):
    """Lets what is ending end, reaps what was orphaned to us, kills and names the rest. Not of
    interest are those that are wanted; others() gives more that are."""
    survivors = []
    while True:
        left = {*descendants(os.getpid()), *others()} - wanted | set(marked_pids(mark))
        if not left:
            return survivors
        for pid in left:
            if not wait_for_end(pid, deadline):
                survivors.append(describe(pid))
                as_root.kill(pid, signal.SIGKILL)
                wait_for_end(pid, time.monotonic() + 5)
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass  # the child of another, who reaps it or leaves it to us
