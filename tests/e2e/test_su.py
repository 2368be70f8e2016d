"""Other accounts through the system's su: its refusals, what it is told and when."""

import hashlib
import shutil
import subprocess

import as_root
import pytest
from become import (
    GERMAN,
    check_refusal,
    check_whoami,
    fake,
    hop,
    run_command,
    what_it_got,
)


@pytest.fixture(scope="module")
def other(accounts):
    return accounts.any("/bin/bash")


@pytest.fixture
def caller(accounts):
    return accounts.any("/bin/dash")


@pytest.fixture
def su(run_as, caller, other):
    """su(*command, **options): what the command prints, run as the other account."""

    def run(*command, password=other.password, environment=(), **options):
        target = hop("su", other, **options)
        return run_as(caller, target, *command, password=password, **dict(environment))

    return run


SHELLS = [
    *("/bin/dash", "/bin/bash", "/bin/zsh", "/bin/ksh93", "/bin/mksh", "/bin/yash"),
    *("/bin/csh", "/bin/tcsh", "/usr/bin/fish"),
]


@pytest.mark.parametrize("shell", SHELLS)
def test_m11_with_a_password(accounts, run_as, caller, shell):
    other = accounts.any(shell)
    check_whoami(run_as(caller, hop("su", other), "id", "-un", password=other.password), other)


def test_m11_root_needs_none(run, other):
    if as_root.PREFIX:
        pytest.skip("is for root")
    result = run("run", hop("su", other), "--", "id", "-un")
    assert result.stdout.decode() == f"{other.name}\n", result.stderr


def test_m11_in_another_language(su, other):
    check_whoami(su("id", "-un", environment=GERMAN), other)
    result = su("id", password=None, environment=GERMAN)
    check_refusal(result, "su asks for a password, and none was given")


def test_m11_its_streams_are_clean(su):
    script = "head -c 5000000 /dev/zero | wc -c; printf '\\001\\003\\004\\r\\n\\377'"
    result = su("sh", "-c", script)
    assert (result.status, result.errors) == (0, "")
    assert result.output == "5000000\n\x01\x03\x04\r\n\udcff"


def test_through_two_accounts(run_as, accounts, caller, other):
    between = accounts.new("/bin/bash")
    between.set_password(other.password)
    target = f"{hop('su', between)}/{hop('su', other)}"
    check_whoami(run_as(caller, target, "id", "-un", password=other.password), other)


# ---- Refusals ----


def test_wrong_password(su):
    result = su("id", password="wrong")
    check_refusal(result, "could not be started", "su: the password is wrong")


def test_a_password_is_needed(su):
    check_refusal(su("id", password=None), "su asks for a password, and none was given")


def test_unknown_account(run_as, caller):
    check_refusal(run_as(caller, "su:nobodyhere", "id"), "there is no account of that name")


def test_no_su(su):
    check_refusal(su("id", su_path="/nonexistent"), "/nonexistent", "No such file")


def test_not_setuid(su, caller):
    as_root.run("install", "-m", "755", shutil.which("su"), caller.home / "su")
    result = su("id", su_path=caller.home / "su")
    as_root.run("rm", caller.home / "su")
    check_refusal(result, "could not be started: su: ")


def test_an_account_that_has_expired(accounts, run_as, caller):
    other = accounts.new()
    as_root.run("usermod", "--expiredate", "1990-01-01", other.name)
    result = run_as(caller, hop("su", other), "id", password=other.password)
    check_refusal(result, "su: the other account has expired")


def test_a_password_that_has_expired(accounts, run_as, caller):
    """A new one is asked for, which nobody gives."""
    other = accounts.new()
    as_root.run("chage", "--lastday", "0", other.name)
    result = run_as(caller, hop("su", other), "id", password=other.password)
    check_refusal(result, "wants a new password, as the old one has expired")


def test_an_account_without_a_shell(accounts, run_as, caller):
    other = accounts.any("/usr/sbin/nologin")
    result = run_as(caller, hop("su", other), "id", password=other.password)
    check_refusal(result, "the other account has no shell (nologin)")


def test_an_account_whose_shell_is_missing(accounts, run_as, caller):
    other = accounts.new("/bin/nonexistent")
    result = run_as(caller, hop("su", other), "id", password=other.password)
    check_refusal(result, "the login shell of the other account cannot be run")


# ---- What it is told, and when ----

RECORD = "cat >~/got"  # until the end of its input


@pytest.mark.parametrize(
    "prompt", ["Password: \\n", "Type your password: ", "Password", "Enter it: ", "New password: "]
)
def test_a_fake_prompt_gets_nothing(su, caller, prompt):
    path = fake(caller, "fake", f'printf "{prompt}" >&2; {RECORD}', has_terminal=False)
    check_refusal(su("id", su_path=path, timeout=1), "su has not logged in within")
    assert what_it_got(caller) == ""


def test_nothing_is_sent_before_it_is_asked_for(su, caller, other):
    """What asks reads the password and nothing else."""
    script = """
    printf "Password: " >&2
    read -r line
    printf "%s\\n" "$line" >~/got
    if read -r -t 0.2 line; then echo "more: $line" >>~/got; fi
    echo "su: Authentication failure" >&2
    exit 1
    """
    path = fake(caller, "fake", script, has_terminal=False)
    check_refusal(su("id", su_path=path), "su: the password is wrong")
    assert what_it_got(caller) == f"{other.password}\n"


def test_asked_twice_it_answers_once(su, caller, other):
    script = """
    for i in 1 2; do
        printf "Password: " >&2
        read -r line
        printf "%s\\n" "$line" >>~/got
    done
    """
    path = fake(caller, "fake", script, has_terminal=False)
    check_refusal(su("id", su_path=path), "the password is wrong: su asks for it again")
    assert what_it_got(caller) in (f"{other.password}\n", f"{other.password}\n\n")


def test_the_password_is_nowhere(su, other):
    for password in (other.password, "wr ong"):
        result = su("env", password=password, environment={"MITOGEN_LOG_LEVEL": "debug"})
        assert "logging in" in result.errors
        assert password not in result.output + result.errors


# ---- On a terminal ----

# as older ones, and those of other systems, have it
FROM_A_TERMINAL = """
[ -t 0 ] || { echo "su: must be run from a terminal" >&2; exit 1; }
exec su "$@"
"""


@pytest.mark.parametrize("shell", SHELLS)
def test_m11_one_that_wants_a_terminal(accounts, run_as, caller, shell):
    """It reads from one, which the stream goes through afterwards."""
    other = accounts.any(shell)
    path = fake(caller, "fake", FROM_A_TERMINAL, has_terminal=False)
    target = hop("su", other, su_path=path)
    check_whoami(run_as(caller, target, "id", "-un", password=other.password), other)


def test_m11_its_streams_are_clean_on_a_terminal(su, caller):
    path = fake(caller, "fake", FROM_A_TERMINAL, has_terminal=False)
    script = "wc -c; printf '\\001\\003\\004\\r\\n\\377'"
    result = su("sh", "-c", script, su_path=path)
    assert (result.status, result.errors) == (0, "")
    assert result.output == "0\n\x01\x03\x04\r\n\udcff"


def test_m11_large_input_on_a_terminal(for_all, caller, other):
    path = fake(caller, "fake", FROM_A_TERMINAL, has_terminal=False)
    target = hop("su", other, su_path=path)
    command = run_command(for_all, caller, target, ("sha256sum",), other.password)
    data = bytes(range(256)) * 20000
    done = subprocess.run(caller.command(*command), input=data, capture_output=True, timeout=60)
    assert done.stdout.decode().split()[:1] == [hashlib.sha256(data).hexdigest()], done.stderr


def test_wrong_password_on_a_terminal(su, caller):
    path = fake(caller, "fake", FROM_A_TERMINAL, has_terminal=False)
    check_refusal(su("id", su_path=path, password="wrong"), "su: the password is wrong")


def test_one_that_wants_another_terminal(su, caller):
    """It is tried once more, not for ever."""
    script = 'echo "su: must be run from a terminal" >&2; exit 1'
    path = fake(caller, "fake", script, has_terminal=False)
    check_refusal(su("id", su_path=path), "it wants a terminal", "must be run from a terminal")
