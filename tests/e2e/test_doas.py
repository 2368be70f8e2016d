"""Other accounts through the system's doas: its refusals, what it is typed and when."""

import shutil

import as_root
import pytest
from become import LISTEN, check_refusal, check_whoami, fake, hop, what_it_got

PROMPT = "\\rdoas ($USER@$(hostname)) password: "


@pytest.fixture(scope="module")
def other(accounts):
    return accounts.new("/usr/sbin/nologin")  # doas needs no shell of its


@pytest.fixture
def caller(accounts):
    account = accounts.any("/bin/dash")
    yield account
    account.doas()


@pytest.fixture
def doas(run_as, caller, other):
    """doas(*command, **options): what the command prints, run as the other account."""

    def run(*command, password=caller.password, environment=(), **options):
        target = hop("doas", other, **options)
        return run_as(caller, target, *command, password=password, **dict(environment))

    return run


def test_m11_with_a_password(doas, caller, other):
    caller.doas("permit NAME")
    check_whoami(doas("id", "-un"), other)


def test_m11_without_a_password(doas, caller, other):
    caller.doas("permit nopass NAME")
    check_whoami(doas("id", "-un", password=None), other)
    check_whoami(doas("id", "-un"), other)


def test_m11_its_rule_may_name_the_command(doas, caller, other):
    caller.doas(f"permit nopass NAME as {other.name} cmd sh")
    check_whoami(doas("id", "-un", password=None), other)


def test_m11_the_environment_as_its_rule_has_it(doas, caller):
    caller.doas("permit nopass keepenv NAME")
    assert doas("sh", "-c", "echo $KEPT", environment={"KEPT": "yes"}).output == "yes\n"
    caller.doas("permit nopass NAME")
    assert doas("sh", "-c", "echo $KEPT", environment={"KEPT": "yes"}).output == "\n"


def test_root_is_the_default(run_as, caller):
    caller.doas("permit nopass NAME")
    assert run_as(caller, "doas", "id", "-u").output == "0\n"


def test_through_sudo(run_as, accounts, caller, other):
    between = accounts.new(has_password=False)
    caller.sudoers("NAME ALL=(ALL) NOPASSWD: ALL")
    between.doas("permit nopass NAME")
    result = run_as(caller, f"{hop('sudo', between)}/{hop('doas', other)}", "id", "-un")
    check_whoami(result, other)


# ---- Refusals ----


def test_wrong_password(doas, caller):
    caller.doas("permit NAME")
    result = doas("id", password="wrong")
    check_refusal(result, "could not be started", "doas: the password is wrong")


def test_a_password_is_needed(doas, caller):
    caller.doas("permit NAME")
    check_refusal(doas("id", password=None), "it asks for a password, and none was given")


def test_not_allowed(doas, caller):
    caller.doas("permit nopass NAME cmd true")
    check_refusal(doas("id", password=None), "doas.conf does not let this account run sh")


def test_unknown_account(run_as, caller):
    caller.doas("permit nopass NAME")
    check_refusal(run_as(caller, "doas:nobodyhere", "id"), "there is no account of that name")


def test_no_doas(doas):
    check_refusal(doas("id", doas_path="/nonexistent"), "/nonexistent", "No such file")


def test_not_setuid(doas, caller):
    as_root.run("install", "-m", "755", shutil.which("doas"), caller.home / "doas")
    result = doas("id", doas_path=caller.home / "doas")
    as_root.run("rm", caller.home / "doas")
    check_refusal(result, "its file is not setuid root")


def test_an_account_that_has_expired(accounts, run_as, other):
    account = accounts.new()
    account.doas("permit NAME")
    as_root.run("usermod", "--expiredate", "1990-01-01", account.name)
    result = run_as(account, hop("doas", other), "id", password=account.password)
    account.doas()
    check_refusal(result, "the password is wrong, or this account is locked or has expired")


# ---- What is typed, and when ----


@pytest.mark.parametrize("prompt", ["Password: ", PROMPT + "\\n", "doas password: "])
def test_a_fake_prompt_gets_nothing(doas, caller, prompt):
    path = fake(caller, "fake", f'stty -echo <&3; printf "{prompt}" >&3; {LISTEN}')
    check_refusal(doas("id", doas_path=path, timeout=1), "doas has not logged in within")
    assert what_it_got(caller) == ""


def test_an_echoing_terminal_gets_nothing(doas, caller):
    path = fake(caller, "fake", f'printf "{PROMPT}" >&3; {LISTEN}')
    check_refusal(doas("id", doas_path=path, timeout=1), "doas asks for a password on a terminal that would show it")
    assert what_it_got(caller) == ""


def test_a_prompt_elsewhere_gets_nothing(doas, caller):
    path = fake(caller, "fake", f'stty -echo <&3; printf "{PROMPT}" >&2; {LISTEN}')
    check_refusal(doas("id", doas_path=path, timeout=1), "doas has not logged in within")
    assert what_it_got(caller) == ""
