"""Logins through the ssh method: the command, a real server, files of their own."""

import subprocess
from pathlib import Path

import pytest


def escaped(text):
    """In a target, that is."""
    for character in "\\/,=:":
        text = str(text).replace(character, f"\\{character}")
    return text


class Logins:
    """Runs the command. What the client would read of ours is in a directory of its own."""

    def __init__(self, mitogen, directory, key):
        self.mitogen, self.directory, self.key = mitogen, directory, key
        self.known_hosts = directory / "known_hosts"
        self.known_hosts.touch()
        (directory / "tools").mkdir()

    def knows(self, server, public=None):
        """The host key of this server is known; or this one is believed to be it."""
        with self.known_hosts.open("a") as file:
            file.write(f"{server.known_as()} {public or server.host_key.public}\n")

    def config(self, *lines):
        path = self.directory / "config"
        path.write_text(
            "".join(
                f"{line}\n"
                for line in (
                    *lines,
                    f"UserKnownHostsFile {self.known_hosts}",
                    "GlobalKnownHostsFile /dev/null",
                    "UpdateHostKeys no",
                    "HashKnownHosts no",
                )
            )
        )
        return path

    def target(self, server, account, config=(), **options):
        """options: of the method; identity_file=None: without the key."""
        host = f"[{server.address}]" if ":" in server.address else server.address
        return self.hop(f"ssh:{account.name}@{host}:{server.port}", config, **options)

    def hop(self, text, config=(), ssh_args=(), **options):
        options = {"identity_file": self.key.path, **options}
        pairs = [(name, value) for name, value in options.items() if value is not None]
        pairs += [("ssh_args", value) for value in (f"-F{self.config(*config)}", *ssh_args)]
        return ",".join([text, *(f"{name}={escaped(value)}" for name, value in pairs)])

    def run(self, target, *command, options=(), within=lambda *command: command, **environment):
        """Runs it there: `id -un`, if nothing is given. No agent may offer keys of its own."""
        line = self.command(target, *command, options=options, **environment)
        return subprocess.run(
            within(*line), stdin=subprocess.DEVNULL, capture_output=True, timeout=60
        )

    def start(self, target, *command):
        """The same, as a process that runs."""
        return subprocess.Popen(
            self.command(target, *command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def command(self, target, *command, options=(), **environment):
        environment = {"HOME": str(self.directory), **environment}
        return [
            *("env", "-u", "SSH_AUTH_SOCK", "-u", "DISPLAY"),
            *(f"{name}={value}" for name, value in environment.items()),
            *(self.mitogen, "run", *options, target, "--", *(command or ("id", "-un"))),
        ]

    def to(
        self,
        server,
        account,
        *command,
        config=(),
        options=(),
        environment=(),
        password=None,
        **own,
    ):
        """Runs it there."""
        if password is not None:
            (self.directory / "password").write_text(f"{password}\n")
            (self.directory / "password").chmod(0o600)
            options = [*options, "--password-file", self.directory / "password"]
        target = self.target(server, account, config, **own)
        return self.run(target, *command, options=options, **dict(environment))

    def tool(self, script):
        """A program to be run in the client's place, or around it."""
        path = Path(self.directory, "tools", "ssh")
        path.write_text(f"#!/bin/sh\nHERE={self.directory}\n{script}\n")
        path.chmod(0o755)
        return path


@pytest.fixture
def logins(mitogen, tmp_path, key):
    return Logins(mitogen, tmp_path, key)


def succeeded(done, account):
    """It has run `id -un` there, and said nothing else."""
    assert (done.returncode, done.stdout.decode()) == (0, f"{account.name}\n"), done.stderr.decode()
    assert done.stderr == b""


def failed(done, *texts):
    """It was not connected, for this reason. Returns all that was said."""
    text = done.stderr.decode()
    assert (done.returncode, done.stdout) == (4, b""), text
    for part in texts:
        assert part in text, text
    return text
