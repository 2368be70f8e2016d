"""ssh, sudo, su and doas one behind the other, in any mix and depth; many of them at once."""

import random
import signal
import subprocess

import as_root
import pytest
from methods import target
from processes import descendants, name_of
from run_tools import PATIENCE, status_field, wait_until, wait_until_blocked


class Pair:
    """Two accounts, each of which may become the other in every way."""

    def __init__(self, accounts, servers, key):
        self.server = servers.openssh()
        self.both = [accounts.new("/bin/sh"), accounts.new("/bin/bash")]
        # bash reads it for sshd; so many descriptors are not enough for all that is started there
        self.both[1].write(".bashrc", "ulimit -S -n 256\n")
        for account in self.both:
            account.set_password(self.both[0].password)
            account.authorize(key.public)
            account.sudoers("NAME ALL=(ALL) NOPASSWD: ALL")
            account.doas("permit nopass NAME")
            account.write(".ssh/key", key.private, "600")
            known = account.write(".ssh/known", self.server.known_hosts.read_text())
            account.write(".ssh/client", self.client_config(known))

    @staticmethod
    def client_config(known):
        return f"UserKnownHostsFile {known}\nGlobalKnownHostsFile /dev/null\nUpdateHostKeys no\n"

    def hop(self, method, turn, **options):
        """By this method from one to the other; turn: which of them, 0 or 1."""
        before, after = self.both[1 - turn], self.both[turn]
        if method == "local":
            return target("local", **options)
        if method == "ssh":
            where = f"ssh:{after.name}@{self.server.address}:{self.server.port}"
            config = before.home / ".ssh/client"
            key = before.home / ".ssh/key"
            return target(where, identity_file=key, ssh_args=f"-F{config}", **options)
        return target(f"{method}:{after.name}", **options)

    def chain(self, hops, **options):
        """From the first account on, to and fro; and who it ends as."""
        turn, parts = 0, []
        for method in hops:
            if method != "local":
                turn = 1 - turn
            parts.append(self.hop(method, turn, **options))
        return "/".join(parts), self.both[turn].name


@pytest.fixture(scope="module")
def pair(accounts, servers, key):
    return Pair(accounts, servers, key)


@pytest.fixture
def mitogen_as(pair, for_all):
    """The command line of mitogen run as the first account, which knows the password of both."""
    first = pair.both[0]
    password = first.write(".password", f"{first.password}\n", "600")
    run = (for_all / "mitogen", "run", "--password-file", password)
    return lambda *arguments: first.command(*run, *arguments)


def run(command):
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE
    )


def deep(seed, length):
    return random.Random(seed).choices(("ssh", "sudo", "su", "doas", "local"), k=length)


@pytest.mark.parametrize(
    "hops",
    [
        *(("ssh", "sudo"), ("sudo", "ssh"), ("ssh", "su"), ("ssh", "doas"), ("ssh", "ssh")),
        *(("su", "sudo", "doas"), ("doas", "ssh", "su"), ("local", "ssh", "local", "sudo", "local")),
        *(deep(1, 10), deep(2, 10)),
    ],
    ids="-".join,
)
def test_m22_chains(mitogen_as, pair, hops):
    where, account = pair.chain(hops)
    done = run(mitogen_as(where, "--", "id", "-un"))
    assert (done.stdout, done.stderr, done.returncode) == (f"{account}\n", "", 0)


def test_a_failure_deep_in_a_chain_says_where(mitogen_as, pair):
    where, _ = pair.chain(["ssh", "sudo", "ssh"])
    done = run(mitogen_as(f"{where}/sudo,name=here,sudo_path=\\/nonexistent", "--", "true"))
    assert done.returncode == 4
    assert "/here could not be started" in done.stderr
    assert "/nonexistent: No such file or directory" in done.stderr


def test_m22_two_hundred_via_one(mitogen_as, pair):
    """They are started by the intermediate, none waiting for the other."""
    via, _ = pair.chain(["ssh"])
    targets = [f"{via}/{pair.hop('sudo', 0, name=f'c{i}')}" for i in range(200)]
    done = run(mitogen_as("--connect-limit", "200", *targets, "--", "id", "-un"))
    assert done.stderr == ""
    lines = sorted(line.split(": ") for line in done.stdout.splitlines())
    assert len(lines) == 200
    assert {who for _, who in lines} == {pair.both[0].name}


def test_ssh_at_once_via_one(mitogen_as, pair):
    via, _ = pair.chain(["sudo"])
    targets = [f"{via}/{pair.hop('ssh', 0, name=f'c{i}')}" for i in range(12)]
    done = run(mitogen_as(*targets, "--", "id", "-un"))
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 12


@pytest.fixture
def tool(for_all):
    """tool(script): the path of a sudo that does this first."""

    def make(script):
        path = for_all / "tool"
        path.write_text(f'#!/bin/sh\n{script}\nexec sudo "$@"\n')
        path.chmod(0o755)
        return path

    return make


STOP = "kill -STOP $$"


def stopped(command):
    """The PIDs of the tools that have stopped themselves."""
    return [
        pid
        for pid in descendants(command.pid)
        if name_of(pid) == "tool" and (status_field(pid, "State") or "").startswith("T")
    ]


def test_connect_limit(mitogen_as, pair, tool):
    limit, count = 3, 8
    targets = [pair.hop("sudo", 1, name=f"c{i}", sudo_path=tool(STOP)) for i in range(count)]
    command = mitogen_as("--connect-limit", str(limit), *targets, "--", "echo", "x")
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        for left in range(count, 0, -1):
            wanted = min(limit, left)
            wait_until(lambda: len(stopped(process)) >= wanted, f"{wanted} tools")
            wait_until_blocked(process.pid)
            pids = stopped(process)
            assert len(pids) == wanted
            as_root.kill(pids[0], signal.SIGCONT)
        assert len(process.stdout.read().splitlines()) == count
        assert process.wait() == 0


def test_time_outs_of_targets_do_not_add_up(mitogen_as, pair, tool):
    """All of them hang at the same time."""
    count = 8
    hop = pair.hop("sudo", 1, sudo_path=tool(STOP), timeout=2)
    command = mitogen_as("--connect-limit", str(count), *[hop] * count, "--", "true")
    pipes = {"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        wait_until(lambda: len(stopped(process)) == count, "all tools at once")
        assert process.stderr.read().count("within 2000 ms") == count
        assert process.wait() == 4


def test_each_hop_has_its_own_time(mitogen_as, pair, tool):
    """Three of a second each, with two and a half for each."""
    slow = tool("sleep 1")
    hops = [pair.hop("sudo", turn, sudo_path=slow, timeout=2.5) for turn in (1, 1, 1)]
    done = run(mitogen_as("/".join(hops), "--", "id", "-un"))
    assert (done.stdout, done.stderr) == (f"{pair.both[1].name}\n", "")
