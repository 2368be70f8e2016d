"""Real ssh servers for tests: OpenSSH's and dropbear, each on a port of its own."""

import os
import re
import signal
import socket
import subprocess
import zlib
from pathlib import Path

import as_root
import pytest
from run_tools import is_running, wait_until

SSHD = "/usr/sbin/sshd"
DROPBEAR = "/usr/sbin/dropbear"
DAEMONS = set()  # the PIDs of what runs on from test to test

SSHD_CONFIG = {
    # fast ones: nothing here has to withstand anybody
    "KexAlgorithms": "curve25519-sha256",
    "AuthorizedKeysFile": ".ssh/authorized_keys",
    "KbdInteractiveAuthentication": "no",
    "LogLevel": "VERBOSE",
    "MaxSessions": "1000",
    "MaxStartups": "1000",
    "PasswordAuthentication": "no",
    "PerSourceMaxStartups": "none",
    "PrintMotd": "no",
    "UseDNS": "no",
    "UsePAM": "no",
}


def free_port(address):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


class KeyPair:
    """A key of OpenSSH's without a passphrase, or with this one."""

    def __init__(self, path, passphrase=""):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "tests", "-f", path],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        self.path = path
        self.public = Path(f"{path}.pub").read_text().strip()
        self.private = Path(path).read_text()


class Server:
    """An ssh server that runs as root, and the files that a client of it needs. network: the
    network.Namespace to run in."""

    def __init__(self, directory, address, network=None):
        self.directory, self.network = directory, network
        self.address = network.address if network else address
        self.host_key = KeyPair(directory / "host_key")
        self.known_hosts = directory / "known_hosts"
        self.log_path = directory / "log"
        self.start()

    def start(self):
        """On a port that was free a moment ago: should somebody have taken it, on another."""
        for _ in range(5):
            # in a network of its own every port is free
            self.port = 22 if self.network else free_port(self.address)
            self.log_path.write_bytes(b"")
            self.process = self.spawn()
            self.pid = wait_until(
                lambda: self.daemon() or (not is_running(self.process.pid) and -1), "an ssh server"
            )
            if self.pid > 0:
                break
            self.process.wait()
        else:
            pytest.fail(self.log())
        DAEMONS.update({self.process.pid, self.pid})
        self.known_hosts.write_text(f"{self.known_as()} {self.host_key.public}\n")

    def known_as(self):
        return self.address if self.port == 22 else f"[{self.address}]:{self.port}"

    def spawn_command(self, *command):
        prefix = self.network.enter() if self.network else as_root.PREFIX
        with self.log_path.open("ab") as log:
            # it would survive us if we were killed
            return subprocess.Popen(
                [*prefix, "setpriv", "--pdeathsig", "TERM", *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # neither the mark of one test nor its temporary directory: it serves them all
                env={"PATH": os.environ["PATH"]},
            )

    def log(self):
        return self.log_path.read_text(errors="replace")

    def sessions(self):
        """The PIDs of its children: one for each connection."""
        path = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def client_config(self, *lines):
        """The path of a configuration for OpenSSH's client, with these lines, that keeps to this
        server's files."""
        text = "".join(
            f"{line}\n"
            for line in (
                *lines,
                f"UserKnownHostsFile {self.known_hosts}",
                "GlobalKnownHostsFile /dev/null",
                "UpdateHostKeys no",
            )
        )
        path = self.directory / f"client-{zlib.crc32(text.encode()):08x}"
        path.write_text(text)
        return path

    def ssh_command(self, account, key, *command, port=None, config=()):
        """OpenSSH's client without anything of ours: what we are compared with. At another port it
        finds the same server through something between them."""
        path = self.client_config(f"HostKeyAlias {self.known_as()}", *config)
        return [
            *("ssh", "-F", path, "-i", key.path, "-o", "BatchMode=yes"),
            *("-p", str(port or self.port), f"{account.name}@{self.address}", *command),
        ]

    def ssh(self, account, key, *command, **options):
        return subprocess.run(
            self.ssh_command(account, key, *command),
            capture_output=True,
            timeout=60,
            **{"stdin": subprocess.DEVNULL, **options},
        )

    def stop(self):
        """Its sessions go on if they can: that is for the tests to notice."""
        as_root.kill(self.pid, signal.SIGTERM)
        self.process.wait()
        DAEMONS.difference_update({self.process.pid, self.pid})


class OpenSSH(Server):
    """OpenSSH's, with these settings of sshd_config; banner: a text that it shows before it asks."""

    kind = "openssh"

    def __init__(self, directory, address="127.0.0.1", network=None, banner=None, **settings):
        self.settings = {**SSHD_CONFIG, **settings}
        if banner is not None:
            (directory / "banner").write_text(banner)
            self.settings["Banner"] = directory / "banner"
        as_root.run("mkdir", "-p", "-m", "755", "/run/sshd")
        super().__init__(directory, address, network)

    def spawn(self):
        config = self.directory / "sshd_config"
        pid_file = self.directory / "pid"
        config.write_text(
            "".join(
                f"{name} {value}\n"
                for name, value in {
                    "ListenAddress": self.address,
                    "HostKey": self.directory / "host_key",
                    "PidFile": pid_file,
                    **self.settings,
                }.items()
            )
        )
        return self.spawn_command(SSHD, "-D", "-e", "-f", config, "-p", self.port)

    def daemon(self):
        """The PID once it listens; not that of a sudo around it."""
        path = self.directory / "pid"
        return int(path.read_text().strip() or 0) if path.exists() else None


class Dropbear(Server):
    """dropbear, with these options."""

    kind = "dropbear"

    def __init__(self, directory, *options, address="127.0.0.1", network=None):
        self.options = options
        super().__init__(directory, address, network)

    def spawn(self):
        key = self.directory / "host_key.dropbear"
        if not key.exists():
            subprocess.run(
                ["dropbearconvert", "openssh", "dropbear", self.directory / "host_key", key],
                check=True,
                capture_output=True,
            )
        address = f"[{self.address}]" if ":" in self.address else self.address
        return self.spawn_command(
            *(DROPBEAR, "-F", "-E", "-r", key, "-P", ""),
            *("-p", f"{address}:{self.port}", *self.options),
        )

    def daemon(self):
        pids = re.findall(r"^\[(\d+)\].*Not backgrounding", self.log(), re.MULTILINE)
        return int(pids[-1]) if pids else None


class Servers:
    def __init__(self, tmp_path_factory):
        self.tmp_path_factory = tmp_path_factory
        self.running = {}

    def openssh(self, **settings):
        """sshd with these settings of its configuration. As all servers here it runs until the end
        of the session, and serves whoever asks for one with the same settings."""
        return self.get(OpenSSH, **settings)

    def dropbear(self, *options, **settings):
        return self.get(Dropbear, *options, **settings)

    def get(self, kind, *options, **settings):
        key = (kind, options, tuple(sorted(settings.items())))
        if key not in self.running:
            directory = self.tmp_path_factory.mktemp("server")
            self.running[key] = kind(directory, *options, **settings)
        return self.running[key]

    def stop(self):
        for server in self.running.values():
            server.stop()


@pytest.fixture
def own_server(tmp_path):
    """own_server(OpenSSH or Dropbear, ...): a server that ends with this test."""
    as_root.need()
    running = []

    def start(kind, *options, **settings):
        directory = tmp_path / f"server-{len(running)}"
        directory.mkdir()
        running.append(kind(directory, *options, **settings))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    """servers.openssh(**settings), servers.dropbear(*options): an ssh server on 127.0.0.1."""
    as_root.need()
    servers = Servers(tmp_path_factory)
    yield servers
    servers.stop()


@pytest.fixture(scope="session")
def key(tmp_path_factory):
    """A pair of keys; account.authorize(key.public) makes it one of the account's."""
    return KeyPair(tmp_path_factory.mktemp("key") / "key")
