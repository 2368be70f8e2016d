"""Links and tools that fail in ways that nobody tells of."""

import signal
import subprocess
import time

import as_root
import pytest
from methods import target
from processes import describe, first_named, name_of
from run_tools import PATIENCE, status_field, wait_for_death
from servers import OpenSSH

ALIVE = {"ClientAliveInterval": 1, "ClientAliveCountMax": 3}
KEEPALIVE = {"keepalive_interval": 1, "keepalive_count": 2}
READER = ("--", "sh", "-c", "echo $PPID $$; read x")


@pytest.fixture(scope="module")
def account(accounts, key):
    account = accounts.new("/bin/bash")
    account.authorize(key.public)
    account.sudoers("NAME ALL=(ALL) NOPASSWD: ALL")
    return account


def ssh(server, account, key, **options):
    return target(
        f"ssh:{account.name}@{server.address}:{server.port}",
        identity_file=key.path,
        ssh_args=f"-F{server.client_config()}",
        **options,
    )


def start(*command):
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, bufsize=0, **pipes)


def start_reader(*command):
    """A program that waits at the target: the command, and the PIDs of the last agent and the
    program."""
    process = start(*command, *READER)
    line = process.stdout.readline()
    assert line, process.stderr.read().decode()
    return process, *map(int, line.split())


def end_of(process):
    """Its status, and what it has said."""
    _, error = process.communicate(timeout=PATIENCE)
    return process.returncode, error.decode()


def cut(network, how):
    if how == "both_ways":
        network.cut()
    else:
        network.cut_one_way(network.near if how == "from_here" else network.far)


CUTS = ("both_ways", "from_here", "from_there")


@pytest.mark.parametrize("how", CUTS)
def test_a_link_that_goes_down(mitogen, network, own_server, account, key, how):
    """It is noticed at both ends: by our keepalives here, by the server's there."""
    server = own_server(OpenSSH, network=network.far, **ALIVE)
    hop = ssh(server, account, key, **KEEPALIVE)
    command = network.near.command(mitogen, "run", f"{hop}/sudo/local")
    process, agent, program = start_reader(*command)
    cut(network, how)
    status, error = end_of(process)
    assert status == 4
    assert "the context was lost" in error
    assert "not responding" in error  # in ssh's own words
    wait_for_death(agent, "the agent")
    wait_for_death(program, "the program")


def test_a_link_that_is_down_from_the_start(mitogen, network, own_server, account, key):
    server = own_server(OpenSSH, network=network.far)
    network.cut()
    hop = ssh(server, account, key, timeout=1)
    status, error = end_of(start(*network.near.command(mitogen, "run", hop), "--", "true"))
    assert status == 4
    assert account.name in error or server.address in error


def test_a_link_that_goes_down_in_the_login(mitogen, network, own_server, account, key):
    """Between connecting and the first word of the server."""
    server = own_server(OpenSSH, network=network.far)
    as_root.kill(server.pid, signal.SIGSTOP)
    try:
        hop = ssh(server, account, key, timeout=1)
        status, error = end_of(start(*network.near.command(mitogen, "run", hop), "--", "true"))
        assert status == 4
        assert "1000 ms" in error or "1 s" in error
    finally:
        for pid in (server.process.pid, server.pid):  # a sudo around it has stopped with it
            as_root.kill(pid, signal.SIGCONT)


# ---- What is killed, and what is stopped ----


class Chain:
    """A command with a program at the end of ssh, sudo and three agents: the PIDs of all."""

    def __init__(self, mitogen, server, account, key):
        self.server = server
        hop = ssh(server, account, key, **KEEPALIVE)
        self.command, last_agent, program = start_reader(mitogen, "run", f"{hop}/sudo/local")
        behind = list(self.up_from(program))
        sudo = next(pid for pid in reversed(behind) if name_of(pid) == "sudo")
        agent = int(status_field(sudo, "PPid"))
        self.pids = {
            "master": self.command.pid,
            "ssh": first_named("ssh", self.command.pid),
            "session": int(status_field(agent, "PPid")),
            "intermediate": agent,
            "sudo": sudo,
            "last": last_agent,
        }
        self.behind = behind

    def up_from(self, pid):
        """It and what has started it, up to the server."""
        while pid != self.server.pid:
            yield pid
            pid = int(status_field(pid, "PPid"))

    def signal(self, which, number):
        as_root.kill(self.pids[which], number)

    def wait_until_gone(self):
        for pid in self.behind:
            wait_for_death(pid, describe(pid))


@pytest.fixture
def chain(mitogen, servers, account, key):
    return Chain(mitogen, servers.openssh(**ALIVE), account, key)


PROCESSES = ("ssh", "session", "intermediate", "sudo", "last")


@pytest.mark.parametrize("which", PROCESSES)
def test_what_is_killed_is_told_and_nothing_is_left(chain, which):
    chain.signal(which, signal.SIGKILL)
    status, error = end_of(chain.command)
    assert status == 4
    assert "the context was lost" in error
    chain.wait_until_gone()


def test_killed_master(chain):
    chain.signal("master", signal.SIGKILL)
    chain.command.communicate()
    chain.wait_until_gone()


@pytest.mark.parametrize("which", ["ssh", "session", "intermediate"])
def test_what_is_stopped_is_noticed(chain, which):
    """As a link is that is down; also where there is a link."""
    chain.signal(which, signal.SIGSTOP)
    status, error = end_of(chain.command)
    assert status == 4
    assert "the context was lost" in error
    chain.signal(which, signal.SIGCONT)
    chain.wait_until_gone()


@pytest.mark.parametrize("which", PROCESSES)
def test_a_command_ends_whatever_is_stopped(chain, which):
    """What cannot be ended from afar as long as it is stopped ends once it goes on."""
    chain.signal(which, signal.SIGSTOP)
    for _ in range(3):  # the first two are for the program
        chain.command.send_signal(signal.SIGTERM)
        time.sleep(0.1)  # two at the same time are one
    status, _ = end_of(chain.command)
    assert status
    chain.signal(which, signal.SIGCONT)
    chain.wait_until_gone()


def test_a_master_that_is_stopped_for_a_while(chain):
    """Longer than anybody waits for keepalives: ssh answers them all the same."""
    chain.signal("master", signal.SIGSTOP)
    time.sleep(5)
    chain.signal("master", signal.SIGCONT)
    chain.command.stdin.write(b"\n")
    assert end_of(chain.command) == (0, "")
