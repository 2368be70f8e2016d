"""What the tests of connection methods stand on: real accounts, servers and tools that work without
anything of ours."""

import pytest


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
