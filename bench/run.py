#!/usr/bin/python3
"""run.py BUILD [--rounds N]: runs all benchmarks in turn, N times, prints what came out.

Each program prints lines of a series' name and its samples. What is compared was measured in the
same round, so that a busy machine or a slow day is part of both.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import sshd

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / "build/tools/venv/bin/python"
AGENT = ROOT / f"build/agents/linux-{platform.machine()}"
COMMAND = ROOT / "build/mitogen"
RESULT = ROOT / "build/bench.json"

SERIES = {
    "child-ready.tiny": ("µs", "start and reap a program that only exits"),
    "child-ready.agent": ("µs", "local child ready, the agent"),
    "child-ready.self": ("µs", "local child ready, a static glibc program"),
    "child-ready.fork": ("µs", "forked child ready, the same program"),
    "child-ready.python": ("µs", "local child ready, Python Mitogen"),
    "child-memory.one": ("kB", "PSS of an idle child, alone"),
    "child-memory.many": ("kB", "PSS of an idle child, one of 300"),
    "child-memory.python": ("kB", "PSS of an idle child, Python Mitogen"),
    "call.one-cpu.pipe": ("µs", "one byte through pipes and back, one CPU"),
    "call.one-cpu.ours": ("µs", "call, one CPU"),
    "call.one-cpu.python": ("µs", "call, one CPU, Python Mitogen"),
    "call.two-cpus.pipe": ("µs", "one byte through pipes and back, two CPUs"),
    "call.two-cpus.ours": ("µs", "call, two CPUs"),
    "call.two-cpus.python": ("µs", "call, two CPUs, Python Mitogen"),
    "hops-3.one-cpu.pipe": ("µs", "64 bytes through a chain of 3 processes and back, one CPU"),
    "hops-3.one-cpu.ours": ("µs", "call, 3 hops, one CPU"),
    "hops-3.one-cpu.python": ("µs", "call, 3 hops, one CPU, Python Mitogen"),
    "hops-3.two-cpus.pipe": ("µs", "64 bytes through a chain of 3 processes and back, two CPUs"),
    "hops-3.two-cpus.ours": ("µs", "call, 3 hops, two CPUs"),
    "hops-3.two-cpus.python": ("µs", "call, 3 hops, two CPUs, Python Mitogen"),
    "hops-10.one-cpu.pipe": ("µs", "64 bytes through a chain of 10 processes and back, one CPU"),
    "hops-10.one-cpu.ours": ("µs", "call, 10 hops, one CPU"),
    "hops-10.one-cpu.python": ("µs", "call, 10 hops, one CPU, Python Mitogen"),
    "hops-10.two-cpus.pipe": ("µs", "64 bytes through a chain of 10 processes and back, two CPUs"),
    "hops-10.two-cpus.ours": ("µs", "call, 10 hops, two CPUs"),
    "hops-10.two-cpus.python": ("µs", "call, 10 hops, two CPUs, Python Mitogen"),
    "hops-3.bulk.pipe": ("MiB/s", "16 MiB through a chain of 3 processes"),
    "hops-3.bulk.ours": ("MiB/s", "16 MiB of bytes as an argument, 3 hops"),
    "hops-3.bulk.python": ("MiB/s", "16 MiB of bytes as an argument, 3 hops, Python Mitogen"),
    "outstanding.ours": ("calls/s", "10,000 calls outstanding"),
    "outstanding.python": ("calls/s", "10,000 calls outstanding, Python Mitogen"),
    "argument.socket": ("MiB/s", "16 MiB through a socket to another process"),
    "argument.ours": ("MiB/s", "16 MiB of bytes as an argument"),
    "argument.python": ("MiB/s", "16 MiB of bytes as an argument, Python Mitogen"),
    "many-300.ready.agent": ("ms", "300 children ready and called, the agent"),
    "many-300.ready.self": ("ms", "300 children ready and called, a static glibc program"),
    "many-300.ready.python": ("ms", "300 children ready and called, Python Mitogen"),
    "many-300.memory.agent": ("MB", "PSS of 300 children and their parent, the agent"),
    "many-300.memory.self": ("MB", "PSS of 300 children and their parent, a static glibc program"),
    "many-300.memory.python": ("MB", "PSS of 300 children and their parent, Python Mitogen"),
    "many-300.broadcast.agent": ("ms", "the same call to 300 children, the agent"),
    "many-300.broadcast.self": ("ms", "the same call to 300 children, a static glibc program"),
    "many-300.broadcast.python": ("ms", "the same call to 300 children, Python Mitogen"),
    "many-300.gone.agent": ("ms", "300 children ended and reaped, the agent"),
    "many-300.gone.self": ("ms", "300 children ended and reaped, a static glibc program"),
    "many-2000.ready.agent": ("ms", "2,000 children ready and called, the agent"),
    "many-2000.ready.self": ("ms", "2,000 children ready and called, a static glibc program"),
    "many-2000.memory.agent": ("MB", "PSS of 2,000 children and their parent, the agent"),
    "many-2000.memory.self": ("MB", "PSS of 2,000 children and their parent, a static glibc program"),
    "many-2000.broadcast.agent": ("ms", "the same call to 2,000 children, the agent"),
    "many-2000.broadcast.self": ("ms", "the same call to 2,000 children, a static glibc program"),
    "many-2000.gone.agent": ("ms", "2,000 children ended and reaped, the agent"),
    "many-2000.gone.self": ("ms", "2,000 children ended and reaped, a static glibc program"),
    "loaded.1.idle": ("µs", "call, one hop, any CPU"),
    "loaded.1.from": ("µs", "call, while a program there writes"),
    "loaded.1.to": ("µs", "call, while a program there reads"),
    "loaded.3.idle": ("µs", "call, 3 hops, any CPU"),
    "loaded.3.from": ("µs", "call, 3 hops, while a program there writes"),
    "loaded.3.to": ("µs", "call, 3 hops, while a program there reads"),
    "relay.1.from": ("MiB/s", "what that program writes"),
    "relay.1.to": ("MiB/s", "what that program reads"),
    "relay.3.from": ("MiB/s", "what that program writes, 3 hops"),
    "relay.3.to": ("MiB/s", "what that program reads, 3 hops"),
    "ssh-ready.true": ("ms", "ssh host true"),
    "ssh-ready.ours": ("ms", "child through ssh ready"),
    "ssh-ready.python": ("ms", "child through ssh ready, Python Mitogen"),
    "ssh-call.cat": ("µs", "one byte through ssh host cat and back"),
    "ssh-call.ours": ("µs", "call through ssh"),
    "ssh-call.python": ("µs", "call through ssh, Python Mitogen"),
    "ssh-many.true": ("ms", "100 times ssh host true, at once"),
    "ssh-many.ours": ("ms", "100 children through ssh ready, at once"),
    "sudo-ready.true": ("ms", "sudo true"),
    "sudo-ready.ours": ("ms", "child through sudo ready"),
    "sudo-ready.python": ("ms", "child through sudo ready, Python Mitogen"),
    "command.ours": ("µs", "mitogen run local -- true"),
    "command.python": ("µs", "python3 -c pass"),
    "size.agent": ("bytes", "the agent"),
    "size.agent-gzip": ("bytes", "the agent, compressed"),
    "size.connection": ("bytes", "struct connection"),
    "size.stream": ("bytes", "struct stream"),
    "size.context": ("bytes", "struct context"),
    "size.message": ("bytes", "struct mitogen_message"),
}


@dataclass
class Target:
    """A median, or two: divided by that of `over`, or less that of `minus`."""

    series: str
    over: str = ""
    minus: str = ""
    at_most: float = float("inf")
    at_least: float = 0

    def name(self):
        if self.over:
            return f"{self.series} / {self.over}"
        return f"{self.series} - {self.minus}" if self.minus else self.series

    def text(self):
        if self.at_least:
            return f"at least {self.at_least:,.10g}"
        return f"at most {self.at_most:,.10g}"

    def value(self, figures):
        """None: not measured."""
        figure, base = figures.get(self.series), figures.get(self.over or self.minus)
        if not figure or ((self.over or self.minus) and not base):
            return None
        if not base:
            return figure["median"]
        pairs = zip(figure["round_medians"], base["round_medians"])
        return statistics.median(a / b if self.over else a - b for a, b in pairs)

    def is_met(self, value):
        return self.at_least <= value <= self.at_most


TARGETS = [
    Target("child-ready.agent", at_most=1000),
    Target("child-ready.python", "child-ready.agent", at_least=40),
    Target("child-ready.self", at_most=1000),
    Target("child-ready.python", "child-ready.self", at_least=40),
    Target("child-memory.one", at_most=200),
    Target("call.one-cpu.ours", "call.one-cpu.pipe", at_most=5),
    Target("call.two-cpus.ours", "call.two-cpus.pipe", at_most=1.5),
    Target("hops-3.one-cpu.ours", "hops-3.one-cpu.pipe", at_most=1.25),
    Target("hops-3.two-cpus.ours", "hops-3.two-cpus.pipe", at_most=1.25),
    Target("hops-10.one-cpu.ours", "hops-10.one-cpu.pipe", at_most=1.25),
    Target("hops-10.two-cpus.ours", "hops-10.two-cpus.pipe", at_most=1.25),
    Target("outstanding.ours", at_least=500_000),
    Target("argument.ours", at_least=1024),
    Target("many-300.ready.agent", at_most=200),
    Target("many-300.ready.self", at_most=200),
    Target("many-300.memory.agent", at_most=25),
    Target("many-300.memory.self", at_most=25),
    Target("many-300.broadcast.agent", at_most=10),
    Target("many-300.broadcast.self", at_most=10),
    Target("many-2000.ready.agent", at_most=2000),
    Target("many-2000.ready.self", at_most=2000),
    Target("loaded.1.from", "loaded.1.idle", at_most=10),
    Target("loaded.1.to", "loaded.1.idle", at_most=10),
    Target("loaded.3.from", "loaded.3.idle", at_most=10),
    Target("loaded.3.to", "loaded.3.idle", at_most=10),
    Target("ssh-ready.ours", minus="ssh-ready.true", at_most=7),
    Target("ssh-many.ours", "ssh-many.true", at_most=1.1),
    Target("sudo-ready.ours", minus="sudo-ready.true", at_most=8),
    Target("command.ours", "command.python", at_most=1),
]


def commands(build, is_first, ssh_config):
    """Those of one round; what takes long is in the first one only. ssh_config: None without a server."""
    programs = build / "bench"
    yield [programs / "child_ready", AGENT, programs / "tiny"]
    yield [programs / "child_memory", AGENT]
    yield [programs / "call"]
    yield [programs / "hops"]
    yield [programs / "outstanding"]
    yield [programs / "argument"]
    yield [programs / "many", "300", "3", AGENT]
    yield [programs / "loaded"]
    yield [programs / "many", "300", "3"]
    yield [programs / "many", "2000", "1", AGENT]
    yield [programs / "many", "2000", "1"]
    yield [PYTHON, ROOT / "bench/peer.py"]
    if is_first:
        yield [PYTHON, ROOT / "bench/peer.py", "--many"]
    if ssh_config:
        yield [programs / "ssh", ssh_config, AGENT]
        yield [PYTHON, ROOT / "bench/peer.py", "--ssh", ssh_config]
    if can_sudo():
        yield [programs / "sudo", AGENT]
        yield [PYTHON, ROOT / "bench/peer.py", "--sudo"]
    yield [programs / "sizes"]
    if COMMAND.exists():
        yield [programs / "command", COMMAND]


def can_sudo():
    with contextlib.suppress(FileNotFoundError):
        return subprocess.run(["sudo", "-n", "true"], stderr=subprocess.DEVNULL).returncode == 0
    return False


def run_round(build, rounds, is_first, ssh_config):
    """Appends each program's samples to rounds: a list of lists for each series."""
    for command in commands(build, is_first, ssh_config):
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True
        )
        for line in result.stdout.splitlines():
            name, *samples = line.split()
            rounds.setdefault(name, []).append([float(sample) for sample in samples])
    agent = AGENT.read_bytes()
    rounds.setdefault("size.agent", []).append([len(agent)])
    compressed = AGENT.with_name(AGENT.name + ".gz").stat().st_size
    rounds.setdefault("size.agent-gzip", []).append([compressed])


def percentile(samples, percent):
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def summarize(name, rounds):
    unit, title = SERIES[name]
    bad_end = 1 if unit.endswith("/s") else 99  # of rates, low ones are the bad ones
    medians = [statistics.median(samples) for samples in rounds]
    return {
        "title": title,
        "unit": unit,
        "median": statistics.median(medians),
        "p99": statistics.median(percentile(samples, bad_end) for samples in rounds),
        "samples": sum(map(len, rounds)),
        "round_medians": medians,
    }


def verdict(target, figures):
    value = target.value(figures)
    met = None if value is None else target.is_met(value)
    return {"name": target.name(), "target": target.text(), "value": value, "met": met}


def number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.4g}"


def print_table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join(cells))
    print()


def print_figures(figures):
    rows = [("", "median", "p99", "", "samples")]
    for name in SERIES:
        figure = figures.get(name)
        if figure:
            median, p99 = number(figure["median"]), number(figure["p99"])
            samples = f"{figure['samples']:,}"
            rows.append((figure["title"], median, p99, figure["unit"], samples))
    print_table(rows)


def print_verdicts(verdicts):
    rows = [("", "measured", "target", "")]
    answers = {True: "met", False: "MISSED", None: "not measured"}
    for row in verdicts:
        rows.append((row["name"], number(row["value"]), row["target"], answers[row["met"]]))
    print_table(rows)


def main():
    parser = argparse.ArgumentParser(description="run all benchmarks")
    parser.add_argument("build", type=Path, help="the Meson build directory")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    rounds = {}
    with sshd.server() as ssh_config:
        for i in range(options.rounds):
            print(f"round {i + 1} of {options.rounds}", file=sys.stderr)
            run_round(options.build, rounds, i == 0, ssh_config)
    figures = {name: summarize(name, samples) for name, samples in rounds.items()}
    verdicts = [verdict(target, figures) for target in TARGETS]
    machine = {
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "load": os.getloadavg()[0],
        "poller": os.environ.get("MITOGEN_POLLER", ""),
    }
    result = {
        "machine": machine,
        "rounds": options.rounds,
        "figures": figures,
        "targets": verdicts,
    }
    RESULT.write_text(json.dumps(result, indent="\t", ensure_ascii=False) + "\n")
    print_figures(figures)
    print_verdicts(verdicts)
    print(f"written to {RESULT.relative_to(ROOT)}; load average {machine['load']:.1f}")


if __name__ == "__main__":
    main()
