"""peer.py [--many | --ssh CONFIG | --sudo]: the same measurements of Python Mitogen, printed as the C
programs print theirs. With an option, those of many children, or through that tool.

What is called is os.getpid() or len(), so that no module of ours has to be sent first.
"""

import os
import re
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mitogen.core
import mitogen.master

PYTHON = "/usr/bin/python3"
READY = 5
CALLS = 500
OUTSTANDING = 10000
ARGUMENT = 16 << 20
ARGUMENTS = 5
HOPS = (3, 10)
HOP_CALLS = 100
BULKS = 2
MANY = 300
STARTERS = 8  # threads: router.local() waits for its child
BROADCASTS = 5


def now_us():
    return time.perf_counter() * 1e6


def report(name, samples):
    print(name, *(f"{sample:.2f}" for sample in samples))


def pin(pid, *cpus):
    """Binds every thread of a process to these CPUs."""
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), cpus)


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


def sample_arguments(name, child, count):
    """MiB a second when 16 MiB of bytes are an argument."""
    samples = []
    data = mitogen.core.Blob(b"x" * ARGUMENT)
    for _ in range(count):
        start = now_us()
        child.call(len, data)
        samples.append(ARGUMENT / (now_us() - start) * 1e6 / (1 << 20))
    report(name, samples)


def sample_calls(name, child, count):
    samples = []
    for _ in range(count):
        start = now_us()
        child.call(os.getpid)
        samples.append(now_us() - start)
    report(name, samples)


def nest(router, count):
    """Contexts, each below the one before it."""
    contexts = [router.local(python_path=PYTHON)]
    while len(contexts) < count:
        contexts.append(router.local(python_path=PYTHON, via=contexts[-1]))
    return contexts


def sample_hops(router):
    pin(os.getpid(), *range(os.cpu_count()))
    chains = {count: nest(router, count) for count in HOPS}
    pids = {count: [c.call(os.getpid) for c in chain] for count, chain in chains.items()}
    sample_arguments("hops-3.bulk.python", chains[3][-1], BULKS)
    pin(os.getpid(), 0)
    for name, cpus in (("one-cpu", 1), ("two-cpus", 2)):
        for count, chain in chains.items():
            for i, pid in enumerate(pids[count]):
                pin(pid, (i + 1) % cpus)
            sample_calls(f"hops-{count}.{name}.python", chain[-1], HOP_CALLS)


def call_all(children):
    """Milliseconds until all have answered."""
    start = now_us()
    receivers = [child.call_async(os.getpid) for child in children]
    pids = [receiver.get().unpickle() for receiver in receivers]
    return (now_us() - start) / 1e3, pids


def sample_many(router):
    start = now_us()
    with ThreadPoolExecutor(STARTERS) as pool:
        starts = [pool.submit(router.local, python_path=PYTHON) for _ in range(MANY)]
        children = [start.result() for start in starts]
    _, pids = call_all(children)
    report(f"many-{MANY}.ready.python", [(now_us() - start) / 1e3])
    family = sum(map(pss_kb, pids)) + pss_kb(os.getpid())
    report(f"many-{MANY}.memory.python", [family * 1024 / 1e6])
    broadcasts = [call_all(children)[0] for _ in range(BROADCASTS)]
    report(f"many-{MANY}.broadcast.python", broadcasts)


def sample_one(router):
    sample_ready(router)
    child = router.local(python_path=PYTHON)
    pid = child.call(os.getpid)
    report("child-memory.python", [pss_kb(pid)])
    report("outstanding.python", [rate(child)])
    sample_arguments("argument.python", child, ARGUMENTS)
    pin(os.getpid(), 0)
    for name, cpu in (("call.one-cpu.python", 0), ("call.two-cpus.python", 1)):
        pin(pid, cpu)
        sample_calls(name, child, CALLS)


def sample_tool(name, connect):
    samples = []
    for _ in range(READY):
        start = now_us()
        child = connect()
        samples.append((now_us() - start) / 1e3)
        child.shutdown(wait=True)
    report(f"{name}-ready.python", samples)


def sample_ssh(router, config):
    def connect():
        return router.ssh(hostname="bench", ssh_args=["-F", config], python_path=PYTHON)

    sample_tool("ssh", connect)
    sample_calls("ssh-call.python", connect(), CALLS)


def sample_sudo(router):
    sample_tool("sudo", lambda: router.sudo(python_path=PYTHON))


def main():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    broker = mitogen.master.Broker()
    router = mitogen.master.Router(broker)
    try:
        if sys.argv[1:] == ["--many"]:
            sample_many(router)
        elif sys.argv[1:2] == ["--ssh"]:
            sample_ssh(router, sys.argv[2])
        elif sys.argv[1:] == ["--sudo"]:
            sample_sudo(router)
        else:
            sample_one(router)
            sample_hops(router)
    finally:
        broker.shutdown()
        broker.join()


if __name__ == "__main__":
    main()
