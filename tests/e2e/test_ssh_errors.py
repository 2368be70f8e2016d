"""Why a context on another machine could not be had: each reason in its own words, with ssh's."""

import socket
import subprocess
import threading
import time
from pathlib import Path

import as_root
import pytest
from servers import KeyPair
from ssh_logins import failed, logins  # noqa: F401 a fixture
from test_ssh import INTERACTIVE, PASSWORD, account, openssh  # noqa: F401 fixtures


def test_m3_a_host_key_that_has_changed(logins, servers, account, key):
    server = servers.openssh()
    logins.knows(server, key.public)
    failed(
        logins.to(server, account),
        f"{account.name}@127.0.0.1 port {server.port}: its host key has changed",
        "it printed: ",
        "Host key verification failed.",
    )


def test_m3_a_host_key_that_is_not_known(logins, servers, account):
    server = servers.openssh()
    failed(
        logins.to(server, account),
        "its host key is not known: log in once by hand, or give check_host_keys=accept",
        f"No ED25519 host key is known for [127.0.0.1]:{server.port}",
    )


@pytest.mark.parametrize("settings", [PASSWORD, INTERACTIVE], ids=["password", "interactive"])
def test_m4_a_wrong_password(logins, servers, account, settings):
    server = servers.openssh(**settings)
    logins.knows(server)
    text = failed(
        logins.to(server, account, identity_file=None, password="wrong one"),
        "the password is wrong",
        f"{account.name}@127.0.0.1: Permission denied (",
    )
    assert "wrong one" not in text


def test_m4_a_wrong_password_is_tried_once(logins, servers, account):
    server = servers.openssh(**{**INTERACTIVE, **PASSWORD})
    logins.knows(server)
    before = server.log()
    done = logins.to(server, account, identity_file=None, password="wrong one")
    failed(done, "the password is wrong: 127.0.0.1 asks for it again")
    assert server.log()[len(before) :].count("Failed ") <= 1


def test_m4_a_wrong_password_for_dropbear(logins, servers, account):
    server = servers.dropbear()
    logins.knows(server)
    done = logins.to(server, account, identity_file=None, password="wrong one")
    failed(done, "the password is wrong")


def test_m4_a_password_that_was_not_given(logins, servers, account):
    server = servers.openssh(**PASSWORD)
    logins.knows(server)
    failed(
        logins.to(server, account),
        "and no password was given: give password (mitogen: --ask-pass or --password-file) "
        "or identity_file",
        "Permission denied (password)",
    )


def test_m4_a_wrong_passphrase(logins, openssh, account, tmp_path):
    secret = KeyPair(tmp_path / "secret", "some words")
    account.authorize(secret.public)
    done = logins.to(openssh, account, identity_file=secret.path, password="other words")
    text = failed(done, "permission denied")
    assert "other words" not in text


def test_m4_a_passphrase_is_no_password(logins, servers, account, tmp_path):
    """What opens no key is not sent to the host instead."""
    server = servers.openssh(PasswordAuthentication="yes")
    logins.knows(server)
    secret = KeyPair(tmp_path / "secret", "some words")
    account.authorize(secret.public)
    before = server.log()
    done = logins.to(server, account, identity_file=secret.path, password="other words")
    failed(done, f"the password is not the passphrase of the key {secret.path}")
    assert "Failed password" not in server.log()[len(before) :]


@pytest.mark.parametrize("form", [[], ["-m", "PEM"], ["-m", "PKCS8"]], ids=str)
def test_a_passphrase_that_was_not_given(logins, openssh, account, tmp_path, form):
    path = tmp_path / "secret"
    command = ["ssh-keygen", "-q", "-t", "rsa", *form, "-N", "some words", "-f", path]
    subprocess.run(command, check=True)
    account.authorize(Path(f"{path}.pub").read_text().strip())
    done = logins.to(openssh, account, identity_file=path)
    failed(done, "the identity_file has a passphrase: give that as password (mitogen: --ask-pass)")


def test_m7_a_key_that_is_not_accepted(logins, openssh, account, tmp_path):
    other = KeyPair(tmp_path / "other")
    failed(
        logins.to(openssh, account, identity_file=other.path),
        "the server took no key of ours: is the public one in authorized_keys there?",
        f"{account.name}@127.0.0.1: Permission denied (publickey).",
    )


def test_m7_a_key_that_is_not_accepted_under_another_name(logins, openssh, account, tmp_path):
    other = KeyPair(tmp_path / "other")
    config = ["Host web", f"HostName {openssh.address}", f"Port {openssh.port}", "Host *"]
    target = logins.hop(f"ssh:{account.name}@web", config, identity_file=other.path)
    failed(
        logins.run(target),
        f"{account.name}@web: permission denied: the server took no key of ours",
        f"{account.name}@127.0.0.1: Permission denied (publickey).",
    )


def test_m7_a_password_where_only_keys_will_do(logins, openssh, account):
    done = logins.to(openssh, account, identity_file=None, password=account.password)
    failed(done, "the server takes no password")


def test_a_key_that_is_not_there(logins, openssh, account):
    done = logins.to(openssh, account, identity_file="/nowhere/key")
    failed(done, "there is no such identity_file", "/nowhere/key not accessible")


def test_a_key_that_others_can_read(logins, openssh, account, tmp_path):
    other = KeyPair(tmp_path / "other")
    account.authorize(other.public)
    other.path.chmod(0o644)
    done = logins.to(openssh, account, identity_file=other.path)
    failed(done, "others can read the key: chmod 600", "are too open")


def test_too_many_keys(logins, servers, account, tmp_path):
    server = servers.openssh(MaxAuthTries="1")
    logins.knows(server)
    keys = [KeyPair(tmp_path / f"other{i}") for i in range(2)]
    config = [f"IdentityFile {pair.path}" for pair in keys]
    done = logins.to(server, account, config=config, identity_file=None)
    failed(done, "it was offered too many keys that it does not know", "Too many authentication")


def test_m3_nobody_listens(logins, account):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        done = logins.run(logins.hop(f"ssh:127.0.0.1:{port}"))
    failed(
        done,
        f"127.0.0.1 port {port}: connection refused: does an ssh server run there",
        f"ssh: connect to host 127.0.0.1 port {port}: Connection refused",
    )


def test_m3_no_such_host(logins):
    done = logins.run(logins.hop("ssh:no-such-host.invalid"))
    failed(done, "there is no host of that name", "Could not resolve hostname no-such-host.invalid")


def test_no_such_host_on_the_way(logins, openssh, account):
    done = logins.to(openssh, account, proxy_jump="no-such-host.invalid")
    failed(
        done,
        f"127.0.0.1 port {openssh.port}, or a host on the way: there is no host of that name",
        "Could not resolve hostname no-such-host.invalid",
    )


class Mute:
    """A server that takes connections and says nothing, or hangs up."""

    def __init__(self, hangs_up):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.hangs_up, self.taken = hangs_up, []
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            if self.hangs_up:
                connection.close()
            else:
                self.taken.append(connection)

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()
        for connection in self.taken:
            connection.close()


@pytest.fixture
def mute():
    made = []

    def make(**options):
        made.append(Mute(**options))
        return made[-1]

    yield make
    for server in made:
        server.close()


def test_m3_a_time_out_before_the_first_word(logins, mute):
    port = mute(hangs_up=False).port
    done = logins.run(logins.hop(f"ssh:127.0.0.1:{port}", connect_timeout=6))
    failed(
        done,
        "time-out: it took the connection and said nothing",
        "timed out during banner exchange",
    )


def test_m3_no_ssh_server(logins, mute):
    port = mute(hangs_up=True).port
    done = logins.run(logins.hop(f"ssh:127.0.0.1:{port}"))
    failed(done, "it ended the connection before the login", "kex_exchange_identification: ")


def test_too_many_logins_at_once(logins, servers, account):
    server = servers.openssh(MaxStartups="1")
    logins.knows(server)
    with socket.create_connection((server.address, server.port)) as another:
        another.recv(1)  # it is waited for
        done = logins.to(server, account)
    failed(done, "before the login: too many at once (lower --connect-limit)")


def test_a_short_time_out_holds(logins, mute):
    began = time.monotonic()
    done = logins.run(logins.hop(f"ssh:127.0.0.1:{mute(hangs_up=False).port}", connect_timeout=2))
    failed(done, "ssh has not logged in within 2000 ms")
    assert time.monotonic() - began >= 2


def test_m3_a_time_out_during_the_login(logins, openssh, account):
    tool = logins.tool("echo not yet >&2; exec sleep 60")
    done = logins.to(openssh, account, ssh_path=tool, connect_timeout=0.5)
    failed(done, "ssh has not logged in within 500 ms; it printed: not yet")


def test_what_it_said_before_a_time_out_needs_no_newline(logins):
    tool = logins.tool("printf 'Choose\\001: '; exec sleep 60")
    done = logins.run(logins.hop("ssh:web", ssh_path=tool, connect_timeout=0.5))
    failed(done, "ssh has not logged in within 500 ms; it printed: Choose\\x01: ")


def test_m3_a_time_out_of_the_shell(logins, servers, account):
    server = servers.openssh(ForceCommand="exec cat >/dev/null")
    logins.knows(server)
    done = logins.to(server, account, connect_timeout=3)
    failed(
        done,
        "ssh has logged in, but the shell there has not run our command within 3000 ms",
        "Authenticated to 127.0.0.1",
    )


@pytest.mark.parametrize(
    "shell, words", [("/usr/sbin/nologin", "not available"), ("/bin/false", "")]
)
def test_m3_no_shell(logins, openssh, accounts, key, shell, words):
    account = accounts.any(shell)
    account.authorize(key.public)
    done = logins.to(openssh, account)
    failed(done, "it let us in, but ended with status 1 and did not run our command", words)


def test_m3_sftp_only(logins, servers, account):
    server = servers.openssh(ForceCommand="internal-sftp")
    logins.knows(server)
    failed(logins.to(server, account), "sftp only?", "This service allows sftp connections only.")


@pytest.mark.parametrize(
    "settings", [{**PASSWORD, "UsePAM": "yes"}, INTERACTIVE], ids=["password", "interactive"]
)
def test_m3_a_password_that_has_expired(logins, servers, accounts, settings):
    server = servers.openssh(**settings)
    logins.knows(server)
    account = accounts.new()
    as_root.run("chage", "--lastday", "0", account.name)
    done = logins.to(server, account, identity_file=None, password=account.password)
    failed(done, "the password has expired")


def test_m4_a_host_key_that_is_asked_about(logins, servers, openssh, account):
    """By the ssh that ProxyJump starts, at the terminal that is there for the password."""
    bastion = servers.openssh(MaxSessions="14")
    config = [
        "Host bastion",
        f"HostName 127.0.0.1\nPort {bastion.port}\nStrictHostKeyChecking ask",
        f"Host 127.0.0.1\nProxyJump {account.name}@bastion",
        "Host *",
    ]
    done = logins.to(openssh, account, config=config, password="unused")
    failed(
        done,
        "the host key of a host on the way to 127.0.0.1 is not known: name that host by proxy_jump",
    )
    assert "Accepted" not in bastion.log()


def test_m3_no_client(logins, openssh, account):
    done = logins.to(openssh, account, ssh_path="no-such-client")
    failed(done, "there is no program no-such-client here (PATH is ")
    done = logins.to(openssh, account, ssh_path="/no/such/client")
    failed(done, "cannot run /no/such/client: No such file or directory")


def test_m3_arguments_that_ssh_does_not_know(logins, openssh, account):
    done = logins.to(openssh, account, ssh_args=["-oNoSuchOption=1"])
    failed(done, "ssh does not understand its configuration, or ssh_args", "nosuchoption")


def test_m3_a_command_in_ssh_config(logins, openssh, account):
    done = logins.to(openssh, account, config=["RemoteCommand id"])
    failed(done, "ssh_config has a RemoteCommand for it: give ssh_args=-oRemoteCommand=none")
    done = logins.to(
        openssh, account, config=["RemoteCommand id"], ssh_args=["-oRemoteCommand=none"]
    )
    assert done.stdout.decode() == f"{account.name}\n", done.stderr


def test_m3_algorithms_that_do_not_meet(logins, openssh, account):
    done = logins.to(openssh, account, ssh_args=["-oKexAlgorithms=ecdh-sha2-nistp521"])
    failed(done, "have no algorithm in common", "no matching key exchange method found")


def test_m3_a_host_that_cannot_be_reached(logins, network):
    network.near.run("ip", "route", "add", "unreachable", "198.51.100.0/24")
    done = logins.run(logins.hop("ssh:198.51.100.1"), within=network.near.command)
    failed(done, "unreachable: it is off, or a firewall is between", "No route to host")
    done = logins.run(logins.hop("ssh:203.0.113.1"), within=network.near.command)
    failed(done, "unreachable: there is no route to its network from here")


def test_m3_a_time_out_of_the_connection(logins, network):
    network.cut_one_way(network.near)
    target = logins.hop(f"ssh:{network.far_address}", connect_timeout=6)
    done = logins.run(target, within=network.near.command)
    failed(
        done,
        "time-out while connecting: it is off, or a firewall is between",
        f"ssh: connect to host {network.far_address} port 22: Connection timed out",
    )


@pytest.mark.parametrize(
    "host", ["-oProxyCommand\\=touch owned", "$(touch owned)", "a;touch owned", "-lroot"]
)
def test_names_that_are_none(logins, host):
    done = logins.run(f"ssh:{host}")
    assert done.returncode in (2, 4) and done.stdout == b""
    assert not list(logins.directory.glob("**/owned"))
