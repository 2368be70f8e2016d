"""What the tests of sudo, su and doas share: the command, run by a throw-away account."""

import subprocess
from types import SimpleNamespace

import as_root
import pytest
from methods import escaped


GERMAN = {"LC_ALL": "C.UTF-8", "LANGUAGE": "de"}


def hop(method, account, **options):
    """account: one of the tests', a name, or None for the default. An option that is True has no value."""
    text = method
    if account:
        text += f":{getattr(account, 'name', account)}"
    for name, value in options.items():
        for item in value if isinstance(value, list) else [value]:
            text += f",{name}" if item is True else f",{name}={escaped(item)}"
    return text


def result_of(done):
    return SimpleNamespace(
        status=done.returncode,
        output=done.stdout.decode(errors="surrogateescape"),
        errors=done.stderr.decode(errors="surrogateescape"),
    )


def run_command(for_all, account, target, command, password):
    """The command line that runs `mitogen run` by this account."""
    options = []
    if password is not None:
        options = ["--password-file", account.write("password", f"{password}\n", "600")]
    return [for_all / "mitogen", "run", *options, target, "--", *command]


@pytest.fixture
def run_as(for_all):
    """run_as(account, hop, *command, password, **environment): `mitogen run` by this account."""

    def run(account, target, *command, password=None, **environment):
        command = run_command(for_all, account, target, command, password)
        return result_of(
            subprocess.run(
                account.command(*command, **environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=60,
            )
        )

    return run


def check_refusal(result, *words):
    """It ended before it ran anything, and says these words."""
    assert result.output == ""
    assert result.status != 0
    for word in words:
        assert word in result.errors, result.errors




def check_whoami(result, other):
    assert (result.status, result.output) == (0, f"{other.name}\n"), result.errors
    assert result.errors == ""


def fake(account, name, script, has_terminal=True):
    """A program in the place of a tool, or around it; its terminal is 3."""
    terminal = "exec 3<>/dev/tty" if has_terminal else ""
    return account.write(name, f"#!/bin/bash\n{terminal}\n{script}\n", "755")


LISTEN = "dd bs=1 <&3 2>/dev/null >~/got"  # until somebody hangs up


def what_it_got(account):
    path = account.home / "got"
    got = as_root.run("cat", path)
    as_root.run("rm", path)
    return got
