"""Passwords of the command: asked for on the terminal or read from a file, and how many hops are set up
at a time."""

import fcntl
import os
import re
import select
import signal
import subprocess
import termios
import time
from contextlib import contextmanager

import pytest
from processes import child_pids
from run_tools import PATIENCE, FakeAgent, wait_until

SSH_PROMPT = "SSH password: "
BECOME_PROMPT = "Become password: "
SECOND_PROMPT = "Become password (empty: the SSH password): "


class Terminal:
    """A terminal, and a command that has it as its controlling one."""

    def __init__(self, command):
        self.master, slave = os.openpty()
        self.shown = ""
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            pass_fds=(slave,),
            preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0),
        )
        self.slave = slave  # held, so that its settings can be seen at any time

    def read_until(self, text):
        """What is on the terminal ends with the text now."""
        deadline = time.monotonic() + PATIENCE
        while not self.shown.endswith(text):
            ready, _, _ = select.select([self.master], [], [], deadline - time.monotonic())
            assert ready, f"{text!r} does not come; what came is {self.shown!r}"
            self.shown += os.read(self.master, 4096).decode()

    def echoes(self):
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def answer(self, prompt, text):
        self.read_until(prompt)
        assert not self.echoes()
        os.write(self.master, f"{text}\n".encode())

    def finish(self):
        """Its exit status, output and errors; then the terminal is as it was."""
        out, err = self.process.communicate(timeout=PATIENCE)
        assert self.echoes()
        return self.process.returncode, out.decode(), err.decode()

    def close(self):
        self.process.kill()
        self.process.communicate()
        os.close(self.master)
        os.close(self.slave)


@contextmanager
def on_a_terminal(command):
    terminal = Terminal(command)
    try:
        yield terminal
    finally:
        terminal.close()


@pytest.fixture
def ssh(methods):
    return methods("ssh-password")


@pytest.fixture
def sudo(methods):
    return methods("sudo-password")


@pytest.fixture
def command(for_all):
    """command(account, argument...): a command line of mitogen run, as the account."""
    return lambda account, *arguments: account.command(for_all / "mitogen", "run", *arguments)


def whoami(status, out, err):
    assert (status, err) == (0, "")
    return out.split()


def test_asks_once_whatever_the_number_of_hosts(ssh, command):
    targets = [ssh.target(name=name) for name in ("a", "b", "c")]
    with on_a_terminal(command(ssh.starter, "--ask-pass", *targets, "--", "id", "-un")) as terminal:
        terminal.answer(SSH_PROMPT, ssh.password)
        words = whoami(*terminal.finish())
        assert sorted(words) == sorted(["a:", "b:", "c:"] + 3 * [ssh.account.name])
        terminal.read_until("\n")
        assert terminal.shown == f"{SSH_PROMPT}\r\n"


@pytest.mark.parametrize("option", ["-K", "--ask-become-pass"])
def test_asks_for_another_user(sudo, command, option):
    with on_a_terminal(command(sudo.starter, option, sudo.target(), "--", "id", "-un")) as terminal:
        terminal.answer(BECOME_PROMPT, sudo.password)
        assert whoami(*terminal.finish()) == [sudo.account.name]


@pytest.mark.parametrize("is_empty", [True, False])
def test_asks_for_both(ssh, command, is_empty):
    """sudo there asks for the same password as ssh did."""
    ssh.account.sudoers("NAME ALL=(ALL) ALL", "Defaults:NAME timestamp_timeout=0")
    try:
        arguments = ("-kK", f"{ssh.target()}/sudo", "--", "id", "-un")
        with on_a_terminal(command(ssh.starter, *arguments)) as terminal:
            terminal.answer(SSH_PROMPT, ssh.password)
            terminal.answer(SECOND_PROMPT, "" if is_empty else ssh.password)
            assert whoami(*terminal.finish()) == ["root"]
    finally:
        ssh.account.sudoers()


def test_asks_before_anything_is_started(ssh, command):
    arguments = ("--ask-pass", "local", ssh.target(), "--", "id")
    with on_a_terminal(command(ssh.starter, *arguments)) as terminal:
        terminal.read_until(SSH_PROMPT)
        assert child_pids(terminal.process.pid) == set()
        os.write(terminal.master, b"\x04")  # end of file
        status, out, err = terminal.finish()
        assert (status, out, err) == (2, "", "mitogen run: no password was given\n")


def test_password_that_is_wrong(ssh, command):
    with on_a_terminal(command(ssh.starter, "-k", ssh.target(), "--", "id")) as terminal:
        terminal.answer(SSH_PROMPT, "not this one")
        status, out, err = terminal.finish()
        assert (status, out) == (4, "")
        assert "password" in err and "not this one" not in err


def test_interrupted_while_it_asks(ssh, command):
    with on_a_terminal(command(ssh.starter, "-k", ssh.target(), "--", "id")) as terminal:
        terminal.read_until(SSH_PROMPT)
        os.write(terminal.master, b"half\x03")
        assert terminal.finish() == (-signal.SIGINT, "", "")


def test_stopped_while_it_asks(sudo, command):
    with on_a_terminal(command(sudo.starter, "-K", sudo.target(), "--", "id", "-un")) as terminal:
        terminal.read_until(BECOME_PROMPT)
        os.kill(terminal.process.pid, signal.SIGSTOP)
        os.kill(terminal.process.pid, signal.SIGCONT)
        terminal.answer(BECOME_PROMPT, sudo.password)
        assert whoami(*terminal.finish()) == [sudo.account.name]


def test_nobody_can_be_asked(run):
    result = run("run", "-k", "web1", "--", "true", start_new_session=True)
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr == (
        b"mitogen run: cannot ask for a password: there is no terminal; give --password-file\n"
    )


def test_nothing_asks_for_it(run):
    result = run("run", "-kK", "local", "--", "echo", "x", start_new_session=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"x\n", b"")


# ---- The file ----


def test_second_line_of_the_file_is_for_other_users(ssh, sudo, command):
    file = ssh.starter.write(".passwords", f"{ssh.password}\nwrong\n", "600")
    arguments = ("--password-file", file, ssh.target(), "--", "id", "-un")
    done = subprocess.run(command(ssh.starter, *arguments), capture_output=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout.decode()) == (0, f"{ssh.account.name}\n")
    file = sudo.starter.write(".passwords", f"wrong\n{sudo.password}", "600")
    arguments = ("--password-file", file, sudo.target(), "--", "id", "-un")
    done = subprocess.run(command(sudo.starter, *arguments), capture_output=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout.decode()) == (0, f"{sudo.account.name}\n")


def test_file_that_is_a_pipe(sudo, command):
    file = sudo.starter.write(".passwords", f"{sudo.password}\n", "600")
    script = f'cat {file} | "$0" "$@"'
    mitogen = command(sudo.starter)[-2:]
    arguments = ("--password-file", "/dev/stdin", sudo.target(), "--", "id", "-un")
    done = sudo.starter.run("sh", "-c", script, *mitogen, *arguments)
    assert (done.returncode, done.stdout.decode()) == (0, f"{sudo.account.name}\n")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"canary\x03\n", ", line 1: password: it has a control character"),
        (b"\n\n", ", line 1: password: it is empty"),
        (b"x\n\x03\n", ", line 2: password: it has a control character"),
        (b"canary\0x\n", "it is no text"),
        (b"canary" * 700 + b"\n", ", line 1: password: it is too long"),
    ],
)
def test_file_without_a_password(run, tmp_path, content, complaint):
    (tmp_path / "file").write_bytes(content)
    result = run("run", f"--password-file={tmp_path}/file", "local/sudo", "--", "true")
    assert (result.returncode, result.stdout) == (2, b"")
    assert complaint in result.stderr.decode() and b"canary" not in result.stderr


def test_dash_is_no_file(run):
    result = run("run", "--password-file", "-", "local/sudo", "--", "true")
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr == (
        b"mitogen run: --password-file '-': for standard input, give /dev/stdin\n"
    )


@pytest.mark.parametrize("lines", ["{0}\r\n", "wrong\r\n{0}\r\n"])
def test_file_of_another_system(sudo, command, lines):
    file = sudo.starter.write(".passwords", lines.format(sudo.password), "600")
    arguments = ("--password-file", file, sudo.target(), "--", "id", "-un")
    done = subprocess.run(command(sudo.starter, *arguments), capture_output=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout.decode()) == (0, f"{sudo.account.name}\n")


# ---- How many at a time ----


class WaitingAgents(FakeAgent):
    """Each waits until it is told to go on. The log has a "+ PID" when it begins, a "-" then."""

    def __init__(self, directory, mitogen):
        super().__init__(
            *(directory, mitogen),
            'mkfifo "$HERE/$$"; echo "+ $$" >>"$HERE/log"; read line <"$HERE/$$"'
            '; echo - >>"$HERE/log"; exec "$AGENT" "$@"',
        )
        self.directory = directory
        (directory / "log").touch()

    def log(self):
        return (self.directory / "log").read_text().splitlines()

    def begun(self):
        return [line.split()[1] for line in self.log() if line.startswith("+")]

    def let_go(self, number):
        """That which has begun as this one, from 0 on."""
        wait_until(lambda: len(self.begun()) > number, "an agent")
        (self.directory / self.begun()[number]).write_text("\n")


@pytest.mark.parametrize("command", ["run", "tree", "ping"])
def test_limit_of_what_is_set_up_at_a_time(mitogen, tmp_path, command):
    agents = WaitingAgents(tmp_path, mitogen)
    rest = {"run": ["--", "echo", "x"], "tree": [], "ping": ["-c1"]}[command]
    arguments = ["--connect-limit=2", *(f"local,name=t{i}" for i in range(5)), *rest]
    with subprocess.Popen(
        [mitogen, command, *arguments], env=agents.environment, stdout=subprocess.PIPE
    ) as process:
        wait_until(lambda: len(agents.begun()) == 2, "two agents")
        for i in range(5):
            agents.let_go(i)
        lines, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert len(re.findall(rb"t\d.*\n", lines)) >= 5
    under_way = 0
    for line in agents.log():
        under_way += 1 if line.startswith("+") else -1
        assert under_way <= 2


def test_input_is_kept_for_those_that_wait(run):
    """Of the limit's sake, that is."""
    targets = [f"local,name=t{i}" for i in range(6)]
    result = run("run", "--connect-limit=1", *targets, "--", "cat", input=b"some input\n")
    assert result.returncode == 0
    assert result.stdout.count(b": some input\n") == 6


def test_a_signal_ends_those_that_wait(mitogen, tmp_path):
    """What has begun to connect is given up as well; the rest is not begun."""
    agents = WaitingAgents(tmp_path, mitogen)
    targets = [f"local,name=t{i}" for i in range(3)]
    arguments = ["run", "--connect-limit=1", *targets, "--", "sleep", "1000"]
    with subprocess.Popen(
        [mitogen, *arguments], env=agents.environment, stderr=subprocess.PIPE
    ) as process:
        wait_until(agents.begun, "an agent")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    assert err == (
        b"mitogen run: t0: given up while connecting\n"
        b"mitogen run: 2 targets were never tried, t1 and others\n"
    )
    assert len(agents.begun()) == 1
