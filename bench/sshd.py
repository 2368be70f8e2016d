"""An ssh server of this account's own, which lets this account in, while it is wanted."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

# Without what the account's shell does when it starts, which may take longer than all else; and for as many
# at once as want.
SERVER = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {directory}/host_key
PidFile none
AuthorizedKeysFile {directory}/user_key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 1000
PerSourceMaxStartups none
SetEnv HOME={directory}
LogLevel QUIET
"""
CLIENT = """\
Host bench
HostName 127.0.0.1
Port {port}
User {user}
IdentityFile {directory}/user_key
IdentitiesOnly yes
UserKnownHostsFile {directory}/known_hosts
GlobalKnownHostsFile /dev/null
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_key(path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)


def wait_for(port):
    while True:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.01)


@contextlib.contextmanager
def server():
    """The path of a configuration for ssh, in which the server is the Host "bench"; None: there is no sshd."""
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin")
    if not sshd:
        yield None
        return
    with tempfile.TemporaryDirectory() as name:
        directory, port = Path(name), free_port()
        make_key(directory / "host_key")
        make_key(directory / "user_key")
        public = (directory / "host_key.pub").read_text()
        (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}")
        user = pwd.getpwuid(os.geteuid()).pw_name
        for file, text in (("sshd_config", SERVER), ("ssh_config", CLIENT)):
            (directory / file).write_text(text.format(port=port, directory=directory, user=user))
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        process = subprocess.Popen([sshd, "-D", "-f", directory / "sshd_config"])
        try:
            wait_for(port)
            yield directory / "ssh_config"
        finally:
            process.terminate()
            process.wait()
