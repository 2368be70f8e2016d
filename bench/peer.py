"""peer.py: the same measurements of Python Mitogen, printed as the C programs print theirs.

What is called is os.getpid() or len(), so that no module of ours has to be sent first.
"""

import os
import re
import time
from pathlib import Path

import mitogen.core
import mitogen.master

PYTHON = "/usr/bin/python3"
READY = 5
CALLS = 500
OUTSTANDING = 10000
ARGUMENT = 16 << 20
ARGUMENTS = 5


def now_us():
    return time.perf_counter() * 1e6


def report(name, samples):
    print(name, *(f"{sample:.2f}" for sample in samples))


def pin(pid, cpu):
    """Binds every thread of a process to one CPU."""
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), {cpu})


def pss_kb(pid):
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE).group(1))


def sample_ready(router):
    samples = []
    for _ in range(READY):
        start = now_us()
        child = router.local(python_path=PYTHON)
        samples.append(now_us() - start)
        child.shutdown(wait=True)
    report("child-ready.python", samples)


def rate(child):
    """Calls a second when all are started before the first answer is looked at."""
    start = now_us()
    receivers = [child.call_async(os.getpid) for _ in range(OUTSTANDING)]
    for receiver in receivers:
        receiver.get().unpickle()
    return OUTSTANDING / (now_us() - start) * 1e6


def sample_arguments(child):
    """MiB a second when 16 MiB of bytes are an argument."""
    samples = []
    data = mitogen.core.Blob(b"x" * ARGUMENT)
    for _ in range(ARGUMENTS):
        start = now_us()
        child.call(len, data)
        samples.append(ARGUMENT / (now_us() - start) * 1e6 / (1 << 20))
    report("argument.python", samples)


def sample_calls(name, child):
    samples = []
    for _ in range(CALLS):
        start = now_us()
        child.call(os.getpid)
        samples.append(now_us() - start)
    report(name, samples)


def main():
    broker = mitogen.master.Broker()
    router = mitogen.master.Router(broker)
    try:
        sample_ready(router)
        child = router.local(python_path=PYTHON)
        pid = child.call(os.getpid)
        report("child-memory.python", [pss_kb(pid)])
        report("outstanding.python", [rate(child)])
        sample_arguments(child)
        pin(os.getpid(), 0)
        for name, cpu in (("call.one-cpu.python", 0), ("call.two-cpus.python", 1)):
            pin(pid, cpu)
            sample_calls(name, child)
    finally:
        broker.shutdown()
        broker.join()


if __name__ == "__main__":
    main()
