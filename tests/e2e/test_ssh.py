"""Contexts on other machines: OpenSSH's client against its own server and against dropbear."""

import os
import pwd
import re
import signal
import socket
import subprocess

import as_root
import pytest
from processes import name_of
from servers import KeyPair, OpenSSH
from ssh_logins import failed, logins, succeeded  # noqa: F401 a fixture

PASSWORD = {"PasswordAuthentication": "yes", "PubkeyAuthentication": "no"}
INTERACTIVE = {
    "UsePAM": "yes",
    "KbdInteractiveAuthentication": "yes",
    "PubkeyAuthentication": "no",
}
OF_TERMINAL = 'cut -d" " -f7 /proc/$$/stat >$HERE/terminal; exec ssh "$@"'


@pytest.fixture
def account(accounts, key):
    account = accounts.any("/bin/bash")
    account.authorize(key.public)
    return account


@pytest.fixture(params=["openssh", "dropbear"])
def server(request, servers):
    return getattr(servers, request.param)()


@pytest.fixture
def openssh(servers, logins):  # noqa: F811
    server = servers.openssh()
    logins.knows(server)
    return server


def test_m3_a_key(logins, server, account):
    logins.knows(server)
    succeeded(logins.to(server, account), account)


def test_m3_the_rest_is_left_to_ssh_config(logins, openssh, account):
    target = logins.hop(
        "ssh:web",
        [
            "Host web",
            f"HostName {openssh.address}",
            f"Port {openssh.port}",
            f"User {account.name}",
            f"IdentityFile {logins.key.path}",
            "Host *",
        ],
        identity_file=None,
    )
    succeeded(logins.run(target), account)


def test_m3_ipv6(logins, servers, account):
    server = servers.openssh(address="::1")
    logins.knows(server)
    succeeded(logins.to(server, account), account)


@pytest.mark.parametrize("settings", [PASSWORD, INTERACTIVE], ids=["password", "interactive"])
def test_m4_a_password(logins, servers, account, settings):
    server = servers.openssh(**settings)
    logins.knows(server)
    done = logins.to(server, account, identity_file=None, password=account.password)
    succeeded(done, account)


def test_m4_a_password_for_dropbear(logins, servers, account):
    server = servers.dropbear()
    logins.knows(server)
    done = logins.to(server, account, identity_file=None, password=account.password)
    succeeded(done, account)


def test_m4_a_password_without_a_window_for_it(logins, servers, account):
    server = servers.openssh(**PASSWORD)
    logins.knows(server)
    asks = logins.tool("echo $0 >$HERE/asked; exit 1")
    environment = {"SSH_ASKPASS": asks, "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}
    done = logins.to(
        server, account, identity_file=None, password=account.password, environment=environment
    )
    succeeded(done, account)
    assert not (logins.directory / "asked").exists()


def test_m4_a_key_with_a_passphrase(logins, openssh, account, tmp_path):
    secret = KeyPair(tmp_path / "secret", "some words")
    account.authorize(secret.public)
    done = logins.to(openssh, account, identity_file=secret.path, password="some words")
    succeeded(done, account)


@pytest.mark.parametrize("given, is_there", [(None, False), ("unused", True)])
def test_m4_a_terminal_only_for_a_password(logins, openssh, account, given, is_there):
    tool = logins.tool(OF_TERMINAL)
    succeeded(logins.to(openssh, account, ssh_path=tool, password=given), account)
    assert (int((logins.directory / "terminal").read_text()) != 0) == is_there


def test_m4_a_new_host_key_is_accepted_and_kept(logins, servers, account):
    server = servers.openssh()
    failed(logins.to(server, account), "its host key is not known")
    assert logins.known_hosts.read_text() == ""
    succeeded(logins.to(server, account, check_host_keys="accept"), account)
    public = server.host_key.public.rsplit(" ", 1)[0]
    assert logins.known_hosts.read_text() == f"{server.known_as()} {public}\n"
    succeeded(logins.to(server, account), account)


def test_m4_with_a_terminal_too_it_is_not_asked_about(logins, servers, account):
    server = servers.openssh()
    failed(logins.to(server, account, password="unused"), "its host key is not known")
    done = logins.to(server, account, password="unused", check_host_keys="accept")
    succeeded(done, account)
    assert server.known_as() in logins.known_hosts.read_text()


def test_m4_host_keys_can_be_ignored(logins, servers, account, key):
    server = servers.openssh()
    logins.knows(server, key.public)  # which it is not
    before = logins.known_hosts.read_text()
    failed(logins.to(server, account, check_host_keys="accept"), "its host key has changed")
    succeeded(logins.to(server, account, check_host_keys="ignore"), account)
    assert logins.known_hosts.read_text() == before


@pytest.fixture
def agent(tmp_path, key):
    """The socket of an agent that has the key."""
    socket_path = tmp_path / "agent"
    command = ["ssh-agent", "-D", "-a", socket_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()  # says where it listens, then does
        environment = {**os.environ, "SSH_AUTH_SOCK": str(socket_path)}
        subprocess.run(["ssh-add", "-q", key.path], env=environment, check=True)
        yield socket_path
        process.terminate()


def test_m5_keys_of_an_agent(logins, openssh, account, agent, tmp_path):
    other = KeyPair(tmp_path / "other")

    def login(**options):
        target = logins.target(openssh, account, **options)
        return logins.run(target, SSH_AUTH_SOCK=str(agent))

    succeeded(login(identity_file=None), account)
    failed(login(identity_file=None, identities_only="yes"), "took no key of ours")
    failed(login(identity_file=other.path), "took no key of ours")
    succeeded(login(identity_file=other.path, identities_only="no"), account)


def test_m6_the_home_of_a_key_is_the_environments(logins, openssh, account):
    home = logins.directory / "other home"
    home.mkdir()
    (home / "my key").write_text(logins.key.private)
    (home / "my key").chmod(0o600)
    assert home != os.path.expanduser(f"~{pwd.getpwuid(os.getuid()).pw_name}")
    target = logins.target(openssh, account, identity_file="~/my key")
    succeeded(logins.run(target, HOME=str(home)), account)
    failed(logins.run(target), "there is no such identity_file")


def test_m7_a_banner_is_no_prompt(logins, servers, account):
    words = f"{account.name}@127.0.0.1's password: "
    server = servers.openssh(banner=words, **PASSWORD)
    logins.knows(server)
    done = logins.to(server, account, identity_file=None, password=account.password)
    succeeded(done, account)
    assert server.log().count(f"Accepted password for {account.name}") == 1
    assert "Failed password" not in server.log()


def test_m7_noise_of_the_far_side_gets_no_password(logins, openssh, accounts, key):
    account = accounts.new("/bin/bash")
    account.authorize(key.public)
    account.write(
        ".bashrc",
        "echo 'Welcome. Password: '; printf \"$USER@127.0.0.1's password: \" >&2\n"
        # all that comes within that time, our script
        "read -r -t 1 -n 4000 first; printf '%s' \"$first\" >seen; exit 3\n",
    )
    done = logins.to(openssh, account, password="not for them")
    text = failed(done, "ended with status 3", "Welcome. Password:", "'s password:")
    assert "not for them" not in text
    seen = logins.to(openssh, account, config=(), ssh_path=logins.tool("exit 9"))
    assert seen.returncode == 4
    as_seen = account.run("cat", "seen")
    assert (as_seen.returncode, b"not for them" in as_seen.stdout) == (0, False)
    account.run("rm", "seen")


def test_m7_noise_before_the_first_stage_does_no_harm(logins, openssh, accounts, key):
    account = accounts.new("/bin/bash")
    account.authorize(key.public)
    account.write(".bashrc", "echo Welcome; echo MITO9; printf 'no newline '; printf noise >&2\n")
    done = logins.to(openssh, account)
    assert (done.returncode, done.stdout.decode()) == (0, f"{account.name}\n"), done.stderr


def test_m8_debug_lines_go_to_the_log_at_their_level(logins, openssh, account):
    succeeded(logins.to(openssh, account, ssh_debug_level=1), account)
    succeeded(logins.to(openssh, account, ssh_debug_level=0), account)
    quiet = logins.to(openssh, account, ssh_debug_level=1, options=["-v"])
    assert b"debug1: " not in quiet.stderr
    done = logins.to(openssh, account, ssh_debug_level=1, options=["-v", "-v"])
    text = done.stderr.decode()
    lines = [line for line in text.splitlines() if "debug1: " in line]
    assert lines and all(": debug: " in line for line in lines), text
    assert "debug1: Authentications that can continue" in text or "Authenticated to" in text
    assert "debug2: " not in text
    done = logins.to(openssh, account, ssh_debug_level=2, options=["-v", "-v"])
    assert b"debug2: " in done.stderr


@pytest.mark.parametrize("compression, algorithm", [(None, "none"), ("yes", "zlib@openssh.com")])
def test_compression_only_if_asked_for(logins, openssh, account, compression, algorithm):
    done = logins.to(
        openssh, account, compression=compression, ssh_debug_level=1, options=["-v", "-v"]
    )
    text = done.stderr.decode()
    assert re.search(f"kex: client->server .* compression: {algorithm}\\b", text), text


def test_the_users_arguments_hold_against_defaults_alone(logins, openssh, account):
    tool = logins.tool('printf "%s\\n" "$@" >$HERE/arguments; exec ssh "$@"')
    own = ["-oServerAliveInterval=7", "-oStrictHostKeyChecking=no"]
    succeeded(logins.to(openssh, account, ssh_path=tool, ssh_args=own), account)
    arguments = (logins.directory / "arguments").read_text().splitlines()
    assert arguments.index(own[0]) < arguments.index("-oServerAliveInterval=15")
    assert arguments.index("-oStrictHostKeyChecking=yes") < arguments.index(own[1])


def test_a_server_that_is_gone_is_what_is_named(logins, own_server, account):
    server = own_server(OpenSSH)
    logins.knows(server)
    command = ("sh", "-c", "echo started; exec sleep 100")
    with logins.start(logins.target(server, account), *command) as run:
        assert run.stdout.readline() == b"started\n"
        server.stop()
        for pid in account.processes():  # what has the connection is not root any more
            if (name_of(pid) or "").startswith("sshd"):
                as_root.kill(pid, signal.SIGKILL)
        text = run.stderr.read().decode()
    assert "Connection to 127.0.0.1 closed by remote host." in text
    words = "the link, or the server there, failed (ssh exited with status 255)"
    assert (run.returncode, f"the context was lost: {words}" in text) == (4, True), text


TITLE = ("sh", "-c", "tr '\\0' ' ' </proc/$PPID/cmdline")


def test_m20_a_login_name_with_slashes_does_no_harm(logins, openssh, account):
    target = logins.target(openssh, account)
    done = logins.run(target, *TITLE, LOGNAME="DOM/us'er $(id)")
    title = done.stdout.decode().split()[0]
    assert re.fullmatch(rf"mitogen:DOM/us_er___id_@{socket.gethostname()}:\d+", title), done


def test_the_process_there_has_the_name_that_was_given(logins, openssh, account):
    done = logins.to(openssh, account, *TITLE, remote_name="nightly job")
    assert done.stdout.decode().split()[0] == "mitogen:nightly_job", done


def test_without_a_login_name_the_process_there_has_a_number(logins, openssh, account):
    done = logins.run(
        logins.target(openssh, account),
        *TITLE,
        within=lambda *command: ("env", "-u", "USER", "-u", "LOGNAME", *command),
    )
    assert done.stdout.decode().startswith(f"mitogen:{os.getuid()}@"), done


def test_hosts_on_the_way(logins, servers, openssh, account):
    first, second = servers.openssh(MaxSessions="10"), servers.openssh(MaxSessions="11")
    logins.knows(first)
    logins.knows(second)
    jumps = f"{account.name}@127.0.0.1:{first.port},{account.name}@[127.0.0.1]:{second.port}"
    config = [f"IdentityFile {logins.key.path}"]  # for the hosts on the way, too
    done = logins.to(openssh, account, config=config, proxy_jump=jumps)
    succeeded(done, account)
    for server in (first, second):
        assert f"Accepted publickey for {account.name}" in server.log()


def test_the_key_is_for_hosts_on_the_way_too(logins, servers, openssh, account):
    bastion = servers.openssh(MaxSessions="15")
    logins.knows(bastion)
    jump = f"{account.name}@127.0.0.1:{bastion.port}"
    succeeded(logins.to(openssh, account, proxy_jump=jump), account)


def test_a_host_on_the_way_gets_no_password(logins, servers, account):
    server, bastion = servers.openssh(**PASSWORD), servers.openssh(**PASSWORD, MaxSessions="12")
    logins.knows(server)
    logins.knows(bastion)
    jump = f"{account.name}@127.0.0.1:{bastion.port}"
    done = logins.to(server, account, password=account.password, proxy_jump=jump)
    failed(done, "permission denied", "Permission denied (password)")
    assert re.search("Failed password|Accepted", bastion.log()) is None


def test_a_host_on_the_way_is_checked(logins, servers, openssh, account):
    bastion = servers.openssh(MaxSessions="13")
    jump = f"{account.name}@127.0.0.1:{bastion.port}"
    config = [f"IdentityFile {logins.key.path}"]
    done = logins.to(openssh, account, config=config, proxy_jump=jump)
    failed(done, "its host key is not known", bastion.known_as())
    done = logins.to(openssh, account, config=config, proxy_jump=jump, check_host_keys="accept")
    succeeded(done, account)
    assert bastion.known_as() in logins.known_hosts.read_text()
