"""The connection methods, each with what is real about it: who starts it, with which tool, to become
whom. What holds for all of them is in test_methods.py."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


def escaped(text):
    """In a target, that is."""
    for character in "\\/,=:":
        text = str(text).replace(character, f"\\{character}")
    return text


def target(hop, **options):
    """Of one hop, with options; lists give an option several times."""
    for name, value in options.items():
        for item in value if isinstance(value, list) else [value]:
            if item is not None:
                hop += f",{name}={escaped(item)}"
    return hop


class Method:
    """starter: the account that starts it. account: the one it gets to."""

    name = None
    tool = None  # how the target calls the option for the path of the tool
    password = None  # what it needs, if it does
    is_as_root = False  # the tool is root while it runs

    def __init__(self, accounts, servers, key):
        self.starter = accounts.any()
        self.account = self.starter
        self.prepare(accounts, servers, key)

    def prepare(self, accounts, servers, key):
        pass

    def options(self):
        return {}

    def hop(self):
        return self.name

    def target(self, **options):
        return target(self.hop(), **{**self.options(), **options})

    def arguments(self, password=None):
        """What the command needs besides a target: a password, its own or that one."""
        if not (password or self.password):
            return []
        text = f"{password or self.password}\n"
        return ["--password-file", self.starter.write(".password", text, "600")]

    def to_itself(self):
        """The options for the library by which the starter gets to its own account."""
        return {}


class Local(Method):
    name = "local"


class Ssh(Method):
    name = "ssh"
    tool = "ssh_path"

    def prepare(self, accounts, servers, key):
        self.server = self.new_server(servers)
        self.account = accounts.any("/bin/bash")
        for account in (self.account, self.starter):
            account.authorize(key.public)
        self.key_path = self.starter.write(".ssh/key", key.private, "600")
        known = self.starter.write(
            f".ssh/known_{self.server.port}", self.server.known_hosts.read_text()
        )
        self.config = self.starter.write(
            f".ssh/config_{self.server.port}",
            f"UserKnownHostsFile {known}\nGlobalKnownHostsFile /dev/null\nUpdateHostKeys no\n",
        )

    def new_server(self, servers):
        return servers.openssh()

    def hop(self):
        return f"ssh:{self.account.name}@{self.server.address}:{self.server.port}"

    def options(self):
        return {"identity_file": self.key_path, "ssh_args": f"-F{self.config}"}

    def to_itself(self):
        where = {"hostname": self.server.address, "port": self.server.port}
        return {**where, "username": self.starter.name, **self.options()}


class Dropbear(Ssh):
    def new_server(self, servers):
        return servers.dropbear()


class SshWithPassword(Ssh):
    def prepare(self, accounts, servers, key):
        super().prepare(accounts, servers, key)
        self.password = self.account.password

    def new_server(self, servers):
        return servers.openssh(PasswordAuthentication="yes", PubkeyAuthentication="no")

    def options(self):
        return {"ssh_args": f"-F{self.config}"}


class Become(Method):
    """sudo, su, doas."""

    is_as_root = True

    def prepare(self, accounts, servers, key):
        self.starter = accounts.new()
        self.account = accounts.any("/bin/bash")
        self.allow()

    def allow(self):
        pass

    def hop(self):
        return f"{self.name}:{self.account.name}"

    def to_itself(self):
        return {"username": self.starter.name}


class Sudo(Become):
    name = "sudo"
    tool = "sudo_path"

    def allow(self):
        self.starter.sudoers("NAME ALL=(ALL) NOPASSWD: ALL")


class SudoWithPassword(Sudo):
    def allow(self):
        self.starter.sudoers("NAME ALL=(ALL) ALL", "Defaults:NAME timestamp_timeout=0")
        self.password = self.starter.password


class Su(Become):
    name = "su"
    tool = "su_path"

    def allow(self):
        self.password = self.account.password

    def to_itself(self):
        return {"username": self.starter.name, "password": self.starter.password}


class Doas(Become):
    name = "doas"
    tool = "doas_path"

    def allow(self):
        self.starter.doas("permit nopass NAME")


class DoasWithPassword(Doas):
    def allow(self):
        self.starter.doas("permit NAME")
        self.password = self.starter.password


METHODS = {
    "local": Local,
    "ssh": Ssh,
    "ssh-dropbear": Dropbear,
    "ssh-password": SshWithPassword,
    "sudo": Sudo,
    "sudo-password": SudoWithPassword,
    "su": Su,
    "doas": Doas,
    "doas-password": DoasWithPassword,
}


@pytest.fixture(scope="session")
def methods(accounts, servers, key):
    """methods(name): one of METHODS, ready to be used."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = METHODS[name](accounts, servers, key)
        return made[name]

    return get


@pytest.fixture(scope="session")
def for_all(build_dir):
    """A directory with the command and its agents that every account may read."""
    directory = Path(tempfile.mkdtemp(prefix="e2e-", dir="/tmp"))
    shutil.copy(build_dir / "mitogen", directory)
    shutil.copytree(build_dir / "agents", directory / "agents")
    subprocess.run(["chmod", "-R", "a+rX", directory], check=True)
    yield directory
    shutil.rmtree(directory)
