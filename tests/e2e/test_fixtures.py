"""What the tests of connection methods stand on: real accounts, servers and tools that work without
anything of ours."""

import subprocess

import pytest
from servers import OpenSSH


@pytest.fixture(params=["openssh", "dropbear"])
def server(request, servers):
    return getattr(servers, request.param)()


def test_ssh_with_a_key(accounts, server, key):
    account = accounts.any()
    account.authorize(key.public)
    done = server.ssh(account, key, "id -un")
    assert done.stdout.decode() == f"{account.name}\n", done.stderr + server.log().encode()


def test_sudo_with_and_without_a_password(accounts):
    account = accounts.new()
    account.sudoers("NAME ALL=(ALL) ALL")
    done = account.run("sudo", "-S", "id", "-u", input=f"{account.password}\n".encode())
    assert done.stdout == b"0\n", done.stderr
    account.sudoers("NAME ALL=(ALL) NOPASSWD: ALL")
    assert account.run("sudo", "-n", "id", "-u").stdout == b"0\n"


def test_doas_without_a_password(accounts):
    account = accounts.new(has_password=False)
    account.doas("permit nopass NAME")
    assert account.run("doas", "id", "-u").stdout == b"0\n"
    account.doas()
    assert account.run("doas", "-n", "id", "-u").returncode == 1


def test_su_with_a_password(accounts):
    account, other = accounts.any(), accounts.any("/bin/bash")
    password = f"{other.password}\n".encode()
    done = account.run("su", other.name, "-c", "id -un", input=password)
    assert done.stdout.decode() == f"{other.name}\n", done.stderr


def test_round_trips_are_counted(accounts, servers, key, slow_line):
    account, server = accounts.any(), servers.openssh()
    account.authorize(key.public)

    def round_trips(answers):
        line = slow_line(server, 0.02)
        echo = "while read x; do echo $x; done"
        command = server.ssh_command(account, key, echo, port=line.port)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ssh:
            for _ in range(answers):
                ssh.stdin.write(b"x\n")
                ssh.stdin.flush()
                assert ssh.stdout.readline() == b"x\n"
            counted = line.round_trips
            ssh.stdin.close()
            assert ssh.wait() == 0
        assert line.connections == 1
        assert min(line.bytes_up, line.bytes_down) > 1000
        return counted

    assert round_trips(5) - round_trips(2) == 3


@pytest.mark.parametrize("how", ["both_ways", "from_here", "from_there"])
def test_a_link_is_cut(accounts, key, network, own_server, how):
    account = accounts.any()
    account.authorize(key.public)
    server = own_server(
        OpenSSH, network=network.far, ClientAliveInterval=1, ClientAliveCountMax=1
    )
    alive = ("ServerAliveInterval 1", "ServerAliveCountMax 1")
    client = network.near.command(*server.ssh_command(account, key, "cat", config=alive))
    with subprocess.Popen(client, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ssh:
        ssh.stdin.write(b"x\n")
        ssh.stdin.flush()
        assert ssh.stdout.readline() == b"x\n"
        if how == "both_ways":
            network.cut()
        else:
            network.cut_one_way(network.near if how == "from_here" else network.far)
        ssh.stdin.write(b"x\n")
        ssh.stdin.flush()
        assert ssh.stdout.readline() == b""
        assert ssh.wait() == 255
