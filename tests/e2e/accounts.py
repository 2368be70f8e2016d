"""Unix accounts made for one session of tests, and removed at its end."""

import os
import pwd
import re
import secrets
import signal
import string
import subprocess
import tempfile
from pathlib import Path

import as_root
import pytest

COMMENT = "mitogen-tests-of-"  # then the process that made the account
SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/run")
OF_FISH = (".cache", ".config", ".local")  # it makes these by itself
UIDS = r"^Uid:(.*)$"  # in /proc/PID/status
# Of our environment: conftest.py knows what a test has started by the first.
OF_TESTS = ("MITOGEN_TEST_ID", "MITOGEN_POLLER", "XDG_CACHE_HOME")
DOAS_CONF = "/etc/doas.conf"


def locked(*command, **options):
    """As root, one at a time: these tools give up when another one is at the same files."""
    return as_root.run("flock", "/etc", *command, **options)


def some_letters(count):
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(count))


class Account:
    """A throw-away account: name, password, uid, gid, home, shell."""

    def __init__(self, shell, has_password):
        self.name = f"mito{some_letters(6)}"
        self.password = f"pass {some_letters(10)}" if has_password else None
        self.shell = shell
        self.made = set()  # the files in its home that tests want there
        locked(
            *("useradd", "--user-group", "--no-create-home", "--no-log-init"),
            *("--home-dir", f"/home/{self.name}", "--shell", shell),
            *("--comment", f"{COMMENT}{os.getpid()}", self.name),
        )
        entry = pwd.getpwnam(self.name)
        self.uid, self.gid, self.home = entry.pw_uid, entry.pw_gid, Path(entry.pw_dir)
        self.directory(".", mode="700")
        self.made |= self.left_files()  # of another, before it, with the same number
        if has_password:
            self.set_password(self.password)
        else:
            # "!" would have sshd refuse keys as well
            locked("usermod", "--password", "*", self.name)

    def set_password(self, password):
        self.password = password
        # few rounds: it is no secret, and each login would cost some milliseconds
        locked(
            *("chpasswd", "--crypt-method", "SHA512", "--sha-rounds", "1000"),
            input=f"{self.name}:{password}\n",
        )

    def directory(self, path, mode="755"):
        """A directory in its home, its own."""
        return self.install(path, "-d", "-m", mode)

    def write(self, path, content, mode="644"):
        """A file in its home, its own."""
        if Path(path).parent != Path("."):
            self.directory(Path(path).parent, "700")
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(content)
            file.flush()
            return self.install(path, "-m", mode, file.name)

    def install(self, path, *arguments):
        target = self.home / path
        as_root.run("install", "-o", str(self.uid), "-g", str(self.gid), *arguments, target)
        self.made |= {str(target), *(str(parent) for parent in target.parents)}
        return target

    def authorize(self, public_key, options=""):
        """Lets this key in, besides those that it has let in before."""
        path = self.home / ".ssh/authorized_keys"
        before = as_root.run("sh", "-c", f"cat {path} 2>/dev/null || :")
        self.write(".ssh/authorized_keys", f"{before}{options} {public_key.strip()}\n".lstrip(), "600")

    def sudoers(self, *lines):
        """What sudo lets it do; "NAME" in a line stands for the account's. Replaces what was."""
        text = "".join(line.replace("NAME", self.name) + "\n" for line in lines)
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(text)
            file.flush()
            # a mistake in there would take sudo from everybody
            as_root.run("visudo", "-q", "-c", "-f", file.name)
            as_root.run("install", "-m", "440", file.name, f"/etc/sudoers.d/{self.name}")

    def doas(self, *lines):
        """What doas lets it do; "NAME" in a line stands for the account's. Replaces what was."""
        lines = [line.replace("NAME", self.name) for line in lines]
        assert all(self.name in line for line in lines)
        locked(
            *("sh", "-ec", "cd /etc; touch doas.conf; new=$(mktemp doas.conf.XXXXXX)"
              '; { grep -v "\\b$1\\b" doas.conf || :; cat; } >$new; doas -C $new'
              "; if [ -s $new ]; then mv $new doas.conf; else rm $new doas.conf; fi"),
            *("sh", self.name),
            input="".join(line + "\n" for line in lines),
        )

    def command(self, *command, **environment):
        """The command line that runs this as the account, with the environment of a login and what
        is given here; the process is the command's own if we are root."""
        variables = {
            "HOME": self.home,
            "LOGNAME": self.name,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "SHELL": self.shell,
            "USER": self.name,
            **{name: os.environ[name] for name in OF_TESTS if name in os.environ},
            **environment,
        }
        return [
            *as_root.PREFIX,
            *("setpriv", "--reuid", str(self.uid), "--regid", str(self.gid), "--init-groups"),
            *("env", "-i", "-C", str(self.home)),
            *(f"{name}={value}" for name, value in variables.items()),
            *map(str, command),
        ]

    def run(self, *command, input=b"", **environment):
        """As subprocess.run, as the account."""
        command = self.command(*command, **environment)
        return subprocess.run(command, input=input, capture_output=True, timeout=60)

    def processes(self):
        """The PIDs of those that it owns, be it only in part."""
        return processes_of({self.uid})

    def left_files(self):
        """What nobody wants in its home, and what of it lies where files are temporary."""
        paths = as_root.run(
            *("sh", "-c", 'find "$1" -mindepth 1; uid=$2; shift 2'
              '; find "$@" -maxdepth 1 -user "$uid" 2>/dev/null || :'),
            *("sh", self.home, str(self.uid), *SHARED),
        ).splitlines()
        foreign = [str(self.home / name) for name in OF_FISH] if "fish" in self.shell else []
        return {
            path for path in paths if path not in self.made and not path.startswith(tuple(foreign))
        }

    def remove(self):
        if Path(DOAS_CONF).exists():
            self.doas()
        remove_account(self.name, self.uid)


def processes_of(uids):
    def is_one(pid):
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return False
        return not uids.isdisjoint(map(int, re.search(UIDS, status, re.MULTILINE)[1].split()))

    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if is_one(pid)]


def remove_account(name, uid):
    assert name.startswith("mito")
    for pid in processes_of({uid}):
        as_root.kill(pid, signal.SIGKILL)
    # another session may be removing it as well
    locked("sh", "-c", '! getent passwd "$1" >/dev/null || userdel --force "$1"', "sh", name)
    as_root.run(
        *("rm", "-rf", "--one-file-system", f"/home/{name}", f"/etc/sudoers.d/{name}"),
        *(f"/run/sudo/ts/{name}", f"/var/lib/sudo/lectured/{name}"),
    )


def remove_orphans():
    """Those of sessions that were killed."""
    for entry in pwd.getpwall():
        if entry.pw_gecos.startswith(COMMENT):
            maker = entry.pw_gecos[len(COMMENT) :]
            if not Path(f"/proc/{maker}").exists():
                remove_account(entry.pw_name, entry.pw_uid)


class Accounts:
    def __init__(self):
        self.all = []
        self.by_options = {}

    def new(self, shell="/bin/sh", has_password=True):
        """An account for this test alone, or that it changes."""
        account = Account(shell, has_password)
        self.all.append(account)
        return account

    def processes(self):
        uids = {account.uid for account in self.all}
        return processes_of(uids) if uids else []

    def remove_files(self):
        """What the accounts have left behind; it is gone then."""
        left = sorted(path for account in self.all for path in account.left_files())
        if left:
            as_root.run("rm", "-rf", *left)
        return left

    def any(self, shell="/bin/sh"):
        """An account that tests share: with a password, and no rights through sudo or doas."""
        if shell not in self.by_options:
            self.by_options[shell] = self.new(shell)
        return self.by_options[shell]


MADE = Accounts()


@pytest.fixture(scope="session")
def accounts():
    """accounts.any(shell) or accounts.new(shell, has_password): a throw-away account."""
    as_root.need()
    remove_orphans()
    yield MADE
    for account in MADE.all:
        account.remove()
    MADE.all.clear()
    MADE.by_options.clear()
