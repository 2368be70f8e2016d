"""mitogen run: targets of several hops."""

import hashlib
import os
import random
import re
import signal
import subprocess

import pytest
from conftest import descendants
from run_tools import FakeAgent, status_field, wait_for_death

SHOW_PID = ("sh", "-c", "echo $$; read x")


def start(mitogen, *arguments, **options):
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([mitogen, "run", *arguments], bufsize=0, **{**pipes, **options})


def distance(pid, ancestor):
    """How many processes lie between them."""
    count = -1
    while pid != ancestor:
        pid = int(status_field(pid, "PPid"))
        count += 1
    return count


@pytest.mark.parametrize("hops", [1, 2, 3, 10])
def test_m1_hops_are_started_one_from_the_other(mitogen, hops):
    """M1: children as subprocesses, also of one another; the program runs at the end."""
    with start(mitogen, "/".join(["local"] * hops), "--", *SHOW_PID) as command:
        assert distance(int(command.stdout.readline()), command.pid) == hops
        command.stdin.write(b"\n")
        assert command.wait() == 0


def test_input_and_output_pass_through_hops(run):
    data = random.Random(3).randbytes(5 << 20)
    digest = hashlib.sha256(data).digest()
    result = run("run", "local/local/local", "--", "tee", "/dev/stderr", input=data)
    assert result.returncode == 0
    assert hashlib.sha256(result.stdout).digest() == digest
    assert hashlib.sha256(result.stderr).digest() == digest


def test_status_and_signals_pass_through_hops(mitogen):
    script = "trap 'echo tidy; exit 7' INT; echo ready; while :; do read x; done"
    with start(mitogen, "local/local/local", "--", "sh", "-c", script) as command:
        assert command.stdout.readline() == b"ready\n"
        command.send_signal(signal.SIGINT)
        assert command.stdout.readline() == b"tidy\n"
        assert command.wait() == 7


def pids_by_label(command, count):
    lines = [command.stdout.readline().split(b": ") for _ in range(count)]
    return {label.decode(): int(pid) for label, pid in lines}


def test_targets_share_the_hops_that_they_have_in_common(mitogen):
    """Also with a target that is itself on the way to another."""
    targets = ["local/local", "local/local,name=b", "local", "local/local/local"]
    with start(mitogen, *targets, "--", *SHOW_PID) as command:
        pids = pids_by_label(command, 4)
        assert set(pids) == {"local/local", "local/b", "local", "local/local/local"}
        agents = {label: int(status_field(pid, "PPid")) for label, pid in pids.items()}
        parents = {label: int(status_field(pid, "PPid")) for label, pid in agents.items()}
        assert parents == {
            "local": command.pid,
            "local/local": agents["local"],
            "local/b": agents["local"],
            "local/local/local": agents["local/local"],
        }
        command.stdin.write(b"\n")
        assert command.wait() == 0


def test_a_target_that_is_named_again_has_its_own_last_hop(mitogen):
    targets = ["local/local", "local/local", "local", "local"]
    with start(mitogen, *targets, "--", *SHOW_PID) as command:
        pids = pids_by_label(command, 4)
        assert set(pids) == {"local/local", "local/local#2", "local", "local#2"}
        agents = {label: int(status_field(pid, "PPid")) for label, pid in pids.items()}
        assert len(set(agents.values())) == 4
        assert int(status_field(agents["local/local#2"], "PPid")) == agents["local"]
        command.stdin.write(b"\n")
        assert command.wait() == 0


@pytest.mark.parametrize(
    ("targets", "labels"),
    [
        (["local,name=a", "local,name=b"], ["a", "b"]),
        (["local,name=a", "local,timeout=9,name=a"], ["a", "a#2"]),
        (["local,name=local", "local", "local"], ["local", "local#2", "local#3"]),
        (["local", "local,name=local#2", "local"], ["local", "local#2", "local#3"]),
        (["local,name=a/local", "local,name=a/local,name=é"], ["a/local", "a/é"]),
        ([r"local,name=a\,b=c", r"local,name=x\=\\\:"], ["a,b=c", "x=\\:"]),
    ],
)
def test_names(run, targets, labels):
    result = run("run", *targets, "--", "echo", "here")
    lines = sorted(result.stdout.decode().splitlines())
    assert lines == sorted(f"{label}: here" for label in labels)
    assert result.returncode == 0


def test_very_many_targets_of_one_name(run):
    """What is counted for a name is not counted again for each target."""
    result = run("run", *["local"] * 20000, "local,nmae=x", "--", "true")
    assert result.returncode == 2
    assert b"no key 'nmae'" in result.stderr


def test_first_hop_that_cannot_be_started(run, mitogen, tmp_path):
    fake = FakeAgent(tmp_path, mitogen, "echo broken >&2; exit 9")
    result = run("run", "local/local/local", "--", "true", env=fake.environment)
    assert result.returncode == 4
    (line,) = re.findall(rb"mitogen run: .*\n", result.stderr)
    assert b"local: " in line and b"exited with status 9" in line and b"broken" in line


def test_timeout_of_a_hop(run, mitogen, tmp_path):
    fake = FakeAgent(tmp_path, mitogen, "exec sleep 1000")
    result = run("run", "local,timeout=0.25/local", "--", "true", env=fake.environment)
    assert result.returncode == 4
    assert b"local could not be started: it has not answered in 250 ms\n" in result.stderr


@pytest.mark.parametrize("which", [0, 1, 2])
def test_c11_lost_hop(mitogen, which):
    """C11: whichever it is, what lies behind it ends, and the reason is told."""
    with start(mitogen, "local/local/local", "--", *SHOW_PID) as command:
        program = int(command.stdout.readline())
        agents = list(descendants(command.pid))
        assert agents.pop() == program and len(agents) == 3
        os.kill(agents[which], signal.SIGKILL)
        assert command.wait() == 4
        error = command.stderr.read().decode()
        assert error.startswith("mitogen run: local/local/local: sh: ")
        assert "was killed by SIGKILL" in error
        for pid in (program, *agents):
            wait_for_death(pid, "what lies behind the lost hop")


def test_lost_hop_of_one_target_of_two(mitogen):
    script = "echo $$; read x; echo $x"
    targets = ["local,name=a/local", "local,name=b/local"]
    with start(mitogen, *targets, "--", "sh", "-c", script) as command:
        pids = pids_by_label(command, 2)
        agent = int(status_field(pids["a/local"], "PPid"))
        os.kill(int(status_field(agent, "PPid")), signal.SIGKILL)
        assert b"was killed by SIGKILL" in command.stderr.readline()
        command.stdin.write(b"alive\n")
        assert command.stdout.readline() == b"b/local: alive\n"
        assert command.wait() == 4
