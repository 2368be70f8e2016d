"""How many round trips things take, on a line of 125 ms each way. They are counted, not timed."""

import subprocess
from contextlib import contextmanager

import pytest


@pytest.fixture
def account(accounts, key):
    account = accounts.any("/bin/bash")
    account.authorize(key.public)
    return account


@pytest.fixture(params=["openssh", "dropbear"])
def server(request, servers):
    if request.param == "openssh":
        return servers.openssh()
    # by itself it takes 24 KiB a round trip; OpenSSH takes 2 MiB
    return servers.dropbear("-W", "2097152")


class Steps:
    def __init__(self, process):
        self.process = process

    def do(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n", self.process.stderr.read()


@contextmanager
def running(*command):
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        yield Steps(process)
        process.stdin.close()
        assert process.wait() == 0, process.stderr.read()


@pytest.fixture
def steps(build, monkeypatch, tmp_path):
    """steps(): the program of that name, small enough to be sent without waiting; with a memory of
    platforms of this test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return lambda: running(build("steps", "-static", "-s"))


@pytest.fixture
def plain(server, account, key, slow_line):
    """What OpenSSH's client needs until a command there has answered a line of its input."""
    line = slow_line(server)
    command = server.ssh_command(account, key, "read x; echo done; cat >/dev/null", port=line.port)
    with running(*command) as ssh:
        ssh.do("")
        return line.round_trips


@pytest.fixture
def target(server, account, key):
    """target(line): the options for the server behind that line."""
    config = server.client_config(f"HostKeyAlias {server.known_as()}")
    return lambda line: (
        f"ssh hostname={server.address} port={line.port} username={account.name}"
        f" identity_file={key.path} ssh_args=-F{config}"
    )


def test_round_trips_until_ready_and_for_calls(steps, plain, target, server, slow_line):
    """A context on a platform that is known is ready when a plain command has answered a line; on one
    that is not, one round trip later. (Not so with OpenSSH's server: it takes no input before the
    command runs, and with that comes what we wait for.) Then it is one for each call."""
    line = slow_line(server)
    extra = 1 if server.kind == "dropbear" else 0
    for ready in (plain + extra, plain):
        with steps() as program:
            program.do(target(line))
            assert line.round_trips == ready
            for call in (1, 2, 3):
                program.do("call")
                assert line.round_trips == ready + call


def test_round_trips_for_a_child_behind_the_line(steps, target, server, slow_line):
    """It is a call, however much has to happen over there."""
    line = slow_line(server)
    with steps() as program:
        program.do(target(line))
        before = line.round_trips
        program.do("local")
        assert line.round_trips == before + 1
        program.do("call")
        assert line.round_trips == before + 2
