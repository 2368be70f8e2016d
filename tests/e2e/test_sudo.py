"""Other accounts through the system's sudo: its options, its refusals, what it is typed and when."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import as_root
import pytest
from become import (
    GERMAN,
    LISTEN,
    check_refusal,
    check_whoami,
    fake,
    hop,
    run_command,
    what_it_got,
)
from processes import descendants
from run_tools import wait_until

WITH_PASSWORD = ("NAME ALL=(ALL) ALL", "Defaults:NAME timestamp_timeout=0")
WITHOUT = ("NAME ALL=(ALL) NOPASSWD: ALL",)


@pytest.fixture(scope="module")
def other(accounts):
    return accounts.new("/bin/bash")


@pytest.fixture
def caller(accounts):
    """Whom the tests give rights."""
    return accounts.any("/bin/dash")


@pytest.fixture
def sudo(run_as, caller, other):
    """sudo(*command, **options): what the command prints, run as the other account."""

    def run(*command, password=caller.password, environment=(), **options):
        target = hop("sudo", other, **options)
        return run_as(caller, target, *command, password=password, **dict(environment))

    return run


def test_m10_with_a_password(sudo, caller, other):
    caller.sudoers(*WITH_PASSWORD)
    check_whoami(sudo("id", "-un"), other)


def test_m10_without_a_password(sudo, caller, other):
    caller.sudoers(*WITHOUT)
    check_whoami(sudo("id", "-un", password=None), other)
    check_whoami(sudo("id", "-un"), other)  # one that is not needed


@pytest.mark.parametrize("password", [True, False])
@pytest.mark.parametrize(
    "default",
    [
        *("requiretty", "use_pty", "!use_pty", "pwfeedback", "!tty_tickets", "insults"),
        *("lecture=always", "passprompt_override", 'passprompt="Who?"', "log_output,!log_input"),
    ],
)
def test_m10_as_sudoers_has_it(sudo, caller, other, default, password):
    lines = WITH_PASSWORD if password else WITHOUT
    caller.sudoers(*lines, f"Defaults:NAME {default}")
    check_whoami(sudo("id", "-un", **({} if password else {"password": None})), other)


def test_m10_the_password_of_the_target(sudo, caller, other):
    caller.sudoers(*WITH_PASSWORD, "Defaults:NAME targetpw")
    check_whoami(sudo("id", "-un", password=other.password), other)
    check_refusal(sudo("id"), "the password is wrong")


def test_m10_in_another_language(sudo, caller, other):
    caller.sudoers(*WITH_PASSWORD)
    check_whoami(sudo("id", "-un", environment=GERMAN), other)
    result = sudo("id", environment=GERMAN, password="wrong")
    check_refusal(result, "the password is wrong", "Das hat nicht funktioniert")


def test_m10_a_prompt_of_the_user(sudo, caller, other):
    caller.sudoers(*WITH_PASSWORD)
    environment = {"SUDO_PROMPT": "Password: ", "SUDO_ASKPASS": "/bin/false"}
    check_whoami(sudo("id", "-un", environment=environment), other)


def test_m10_its_streams_are_clean(sudo, caller):
    """Megabytes, all bytes, and two streams; with a terminal and sudo's own between."""
    caller.sudoers(*WITH_PASSWORD, "Defaults:NAME use_pty")
    script = """
    head -c 5000000 /dev/zero | wc -c
    { head -c 5000000 /dev/zero; printf '\\001\\003\\004\\r\\n\\377'; } >&2
    printf '\\001\\003\\004\\r\\n\\377'
    """
    result = sudo("sh", "-c", script)
    last = "\x01\x03\x04\r\n\udcff"
    assert result.status == 0
    assert result.output == f"5000000\n{last}"
    assert (len(result.errors), result.errors[-6:]) == (5000006, last)


# ---- Options ----


def variables(result):
    assert result.status == 0, result.errors
    return dict(line.split("=", 1) for line in result.output.splitlines() if "=" in line)


def test_m10_the_environment_is_kept(sudo, caller):
    caller.sudoers("NAME ALL=(ALL) SETENV: ALL", "Defaults:NAME timestamp_timeout=0")
    kept = variables(sudo("env", preserve_env=True, environment={"KEPT": "yes"}))
    assert kept["KEPT"] == "yes"
    assert "SUDO_PROMPT" not in kept
    assert "KEPT" not in variables(sudo("env", environment={"KEPT": "yes"}))


def test_m10_home(sudo, caller, other):
    caller.sudoers("NAME ALL=(ALL) NOPASSWD:SETENV: ALL")
    assert variables(sudo("env", preserve_env=True))["HOME"] == str(caller.home)
    assert variables(sudo("env", preserve_env=True, set_home=True))["HOME"] == str(other.home)


@pytest.mark.parametrize(
    "shell",
    [
        *("/bin/dash", "/bin/bash", "/bin/zsh", "/bin/ksh93", "/bin/mksh", "/bin/yash"),
        *("/bin/csh", "/bin/tcsh", "/usr/bin/fish"),
    ],
)
def test_m10_a_login_shell(accounts, run_as, caller, shell):
    other = accounts.any(shell)
    caller.sudoers(*WITH_PASSWORD)
    target = hop("sudo", other, login=True)
    script = "pwd; id -un; echo $HOME"
    result = run_as(caller, target, "sh", "-c", script, password=caller.password)
    expected = f"{other.home}\n{other.name}\n{other.home}\n"
    assert (result.status, result.output) == (0, expected), result.errors


def test_m10_selinux(sudo, caller, other, tmp_path):
    """Where there is no SELinux, sudo takes role and type and does nothing with them."""
    caller.sudoers(*WITHOUT)
    check_whoami(sudo("id", "-un", selinux_role="staff_r", selinux_type="staff_t"), other)


def test_m10_more_arguments(sudo, caller, other):
    caller.sudoers("NAME ALL=(ALL:ALL) NOPASSWD: ALL")
    result = sudo("id", "-gn", sudo_args=["-g", caller.name])
    assert result.output == f"{caller.name}\n"


def test_root_is_the_default(run_as, caller):
    caller.sudoers(*WITHOUT)
    assert run_as(caller, "sudo", "id", "-u").output == "0\n"


# ---- Refusals ----


@pytest.mark.parametrize("tries", [1, 3])
def test_wrong_password(sudo, caller, tries):
    caller.sudoers(*WITH_PASSWORD, f"Defaults:NAME passwd_tries={tries}")
    check_refusal(sudo("id", password="wrong"), "could not be started", "the password is wrong")


def test_a_password_is_needed(sudo, caller):
    caller.sudoers(*WITH_PASSWORD)
    check_refusal(sudo("id", password=None), "it asks for a password, and none was given")


def test_not_in_sudoers(sudo, accounts, run_as, other):
    stranger = accounts.any()
    result = run_as(stranger, hop("sudo", other), "id", password=stranger.password)
    check_refusal(result, "sudoers does not name it", "not in the sudoers file")


def test_allowed_to_run_something_else(sudo, caller):
    caller.sudoers("NAME ALL=(ALL) NOPASSWD: /bin/true")
    check_refusal(sudo("id"), "sudoers does not let this account run sh as the other one")


def test_unknown_account(run_as, caller):
    caller.sudoers(*WITHOUT)
    check_refusal(run_as(caller, "sudo:nobodyhere", "id"), "there is no account of that name")


def test_unknown_option(run_as, caller):
    caller.sudoers(*WITHOUT)
    result = run_as(caller, "sudo,sudo_args=--nonsense", "id")
    check_refusal(result, "it does not understand its arguments", "nonsense")


def test_no_sudo(sudo):
    check_refusal(sudo("id", sudo_path="/nonexistent"), "/nonexistent", "No such file")
    check_refusal(sudo("id", sudo_path="sudomy"), "there is no program sudomy here")


def test_not_setuid(sudo, caller):
    as_root.run("cp", "/usr/bin/sudo", caller.home / "sudo")
    result = sudo("id", sudo_path=caller.home / "sudo")
    as_root.run("rm", caller.home / "sudo")
    check_refusal(result, "it cannot become root: its file is not setuid root")


def test_the_environment_may_not_be_kept(sudo, caller):
    caller.sudoers("NAME ALL=(ALL) NOPASSWD:NOSETENV: ALL")
    check_refusal(sudo("id", preserve_env=True), "its rule needs SETENV")


def test_no_new_privileges(for_all, caller):
    caller.sudoers(*WITHOUT)
    command = caller.command("setpriv", "--no-new-privs", for_all / "mitogen", "run", "sudo", "--", "id")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert "this process may gain no privileges" in done.stderr


def test_an_account_that_has_expired(accounts, run_as, other):
    account = accounts.new()
    account.sudoers(*WITH_PASSWORD)
    as_root.run("usermod", "--expiredate", "1990-01-01", account.name)
    result = run_as(account, hop("sudo", other), "id", password=account.password)
    check_refusal(result, "this account is locked, or has expired")


def test_a_password_that_has_expired(accounts, run_as, other):
    """A new one is asked for, which nobody gives."""
    account = accounts.new()
    account.sudoers(*WITH_PASSWORD)
    as_root.run("chage", "--lastday", "0", account.name)
    result = run_as(account, hop("sudo", other), "id", password=account.password)
    check_refusal(result, "wants a new password, as the old one has expired")


def test_a_login_that_is_not_for_shells(accounts, run_as, caller):
    other = accounts.any("/usr/sbin/nologin")
    caller.sudoers(*WITHOUT)
    check_refusal(run_as(caller, hop("sudo", other, login=True), "id"), "has no shell (nologin)")
    result = run_as(caller, hop("sudo", other), "id", "-un")
    assert result.output == f"{other.name}\n"


# ---- What is typed, and when ----


@pytest.mark.parametrize(
    "prompt",
    [
        *("Password: ", "[sudo] password for $USER: ", "Passwort: ", "mitogen-0000000000000000 password: "),
        *("$SUDO_PROMPT\\n", "password", "${SUDO_PROMPT%????}"),
    ],
)
def test_a_fake_prompt_gets_nothing(sudo, caller, prompt):
    path = fake(caller, "fake", f'stty -echo <&3; printf "{prompt}" >&3; {LISTEN}')
    check_refusal(sudo("id", sudo_path=path, timeout=1), "sudo has not logged in within")
    assert what_it_got(caller) == ""


def test_an_echoing_terminal_gets_nothing(sudo, caller):
    path = fake(caller, "fake", f'printf "$SUDO_PROMPT" >&3; {LISTEN}')
    check_refusal(sudo("id", sudo_path=path, timeout=1), "sudo asks for a password on a terminal that would show it")
    assert what_it_got(caller) == ""


def test_a_prompt_elsewhere_gets_nothing(sudo, caller):
    """On its standard output and standard error."""
    path = fake(caller, "fake", f'stty -echo <&3; printf "$SUDO_PROMPT" >&2; {LISTEN}')
    check_refusal(sudo("id", sudo_path=path, timeout=1), "sudo has not logged in within")
    assert what_it_got(caller) == ""


def test_typed_when_the_echo_is_off(sudo, caller):
    """Not before, nothing else, and once."""
    script = """
    printf "$SUDO_PROMPT" >&3
    until read -r -t 0.1 -u 3; (( ++times > 2 )); do :; done
    stty -echo -icanon min 1 <&3
    dd bs=100 count=1 <&3 2>/dev/null >~/got
    printf "\\nagain $SUDO_PROMPT" >&3
    dd bs=1 <&3 2>/dev/null >>~/got
    """
    check_refusal(sudo("id", sudo_path=fake(caller, "fake", script)), "the password is wrong")
    assert what_it_got(caller) == f"{caller.password}\n"


def test_the_profile_of_the_other_account_gets_nothing(accounts, run_as, caller):
    """It runs before our first stage, and sees all command lines; but the environment of sudo it does not."""
    other = accounts.new("/bin/bash")
    script = """
    exec 3<>/dev/tty
    stty -echo <&3
    for process in /proc/[0-9]*; do
        printf "%s" "$(tr '\\0' '\\n' <$process/cmdline | grep -a 'mitogen-.*password: ')" >&3
    done 2>/dev/null
    printf '[sudo] password for %s: ' "$SUDO_USER" >&3
    read -r -s -t 1 -u 3 got
    echo "$got" >~/got
    exec 3>&-
    """
    other.write(".bash_profile", script)
    caller.sudoers(*WITHOUT)
    target = hop("sudo", other, login=True)
    result = run_as(caller, target, "id", "-un", password=caller.password)
    assert (result.status, result.output) == (0, f"{other.name}\n"), result.errors
    assert what_it_got(other) == "\n"


def test_a_lecture_with_a_prompt_in_it(sudo, caller, other):
    lecture = caller.write("lecture", "Give us your\nPassword: \n[sudo] password for you: \n")
    caller.sudoers(*WITH_PASSWORD, "Defaults:NAME lecture=always", f"Defaults:NAME lecture_file={lecture}")
    check_whoami(sudo("id", "-un"), other)


def test_the_password_is_nowhere(sudo, caller, other):
    """Not in what the command prints with all its details, when all is well and when it is not."""
    caller.sudoers(*WITH_PASSWORD)
    for password, command in ((caller.password, "env"), ("wr ong", "id")):
        environment = {"MITOGEN_LOG_LEVEL": "debug"}
        result = sudo(command, password=password, environment=environment)
        assert "logging in" in result.errors
        assert password not in result.output + result.errors


# ---- Where it runs ----


def test_m9_ptys_that_are_mounted_wrongly(for_all, caller, other):
    """Without the group of terminals, and with /dev/ptmx that nobody may open."""
    caller.sudoers(*WITH_PASSWORD, "Defaults:NAME !use_pty")  # it cannot have one of its own
    command = run_command(for_all, caller, hop("sudo", other), ("id", "-un"), caller.password)
    mount = (
        "mount -t devpts -o newinstance,mode=000,ptmxmode=0666 none /dev/pts"
        " && touch /dev/shm/$$ && chmod 000 /dev/shm/$$ && mount --bind /dev/shm/$$ /dev/ptmx"
        ' && rm /dev/shm/$$ && exec "$@"'
    )
    done = subprocess.run(
        [*as_root.PREFIX, "unshare", "--mount", "sh", "-c", mount, "sh", *caller.command(*command)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, f"{other.name}\n"), done.stderr


def test_m20_login_names_with_slashes(sudo, caller, other):
    caller.sudoers(*WITHOUT)
    environment = {name: "DOMAIN/../alice" for name in ("LOGNAME", "USER", "USERNAME")}
    check_whoami(sudo("id", "-un", environment=environment), other)


def test_m20_a_name_with_slashes_is_no_account(run_as, caller):
    caller.sudoers(*WITHOUT)
    result = run_as(caller, "sudo:DOMAIN\\/alice", "id")
    check_refusal(result, "there is no account of that name")


def test_through_two_accounts(run_as, caller, accounts, other):
    between = accounts.new()
    caller.sudoers(*WITH_PASSWORD)
    between.sudoers(*WITH_PASSWORD)
    between.set_password(caller.password)
    target = f"{hop('sudo', between)}/{hop('sudo', other)}"
    result = run_as(caller, target, "id", "-un", password=caller.password)
    assert (result.status, result.output) == (0, f"{other.name}\n"), result.errors


def test_a_context_that_is_let_go(for_all, program, caller):
    """It goes on when the terminal of its sudo is hung up."""
    caller.sudoers(*WITH_PASSWORD)
    path = for_all / "detached"
    shutil.copy(program("detached"), path)
    directory = caller.directory("detached", "700")
    options = f"username={caller.name}\npassword={caller.password}"
    command = caller.command(path, "goes_on", directory, METHOD="sudo", METHOD_OPTIONS=options)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    as_root.run("rm", "-rf", directory)
    assert (done.returncode, done.stderr) == (0, b"")


def pid_of_command(pid):
    """Of the command, which may run behind a sudo of the test's own."""
    for candidate in (pid, *descendants(pid)):
        if Path(f"/proc/{candidate}/comm").read_text() == "mitogen\n":
            return candidate
    return pytest.fail("it does not run")


@pytest.mark.parametrize("name", ["KILL", "TERM"])
def test_killed_while_it_waits_for_a_password(for_all, caller, name):
    """Who waits at a terminal hears that it is hung up."""
    path = fake(caller, "fake", f'printf "$SUDO_PROMPT" >&3; touch ~/asks; {LISTEN}')
    target = hop("sudo", None, sudo_path=path)
    command = run_command(for_all, caller, target, ("id",), caller.password)
    with subprocess.Popen(
        caller.command(*command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        wait_until(lambda: "asks" in as_root.run("ls", caller.home), "the prompt")
        as_root.run("kill", f"-{name}", str(pid_of_command(process.pid)))
        process.communicate(timeout=60)
        assert process.returncode != 0
    as_root.run("rm", "-f", caller.home / "asks", caller.home / "got")


def test_one_that_cannot_be_killed(for_all, caller):
    """Without a session of PAM, sudo becomes the image, which is root's. The command ends all the same."""
    caller.sudoers(*WITHOUT, "Defaults:NAME !pam_session,!pam_setcred,!use_pty")
    command = run_command(for_all, caller, "sudo", ("sh", "-c", "echo $PPID; exec sleep 60"), None)
    with subprocess.Popen(
        caller.command(*command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        image = int(process.stdout.readline())
        command_pid = pid_of_command(process.pid)
        as_root.kill(image, signal.SIGSTOP)
        for _ in range(3):  # the first two are for the program
            as_root.kill(command_pid, signal.SIGTERM)
            time.sleep(0.1)  # two at the same time are one
        try:
            _, errors = process.communicate(timeout=30)
        finally:
            as_root.kill(image, signal.SIGCONT)
        assert process.returncode != 0
        assert b"does not answer" in errors


def test_many_with_a_password(for_all, caller):
    """Each takes more descriptors than a child without one."""
    caller.sudoers(*WITH_PASSWORD)
    targets = [hop("sudo", None, name=f"c{i}") for i in range(45)]
    command = run_command(for_all, caller, targets[0], ("true",), caller.password)
    command[-2:-2] = targets[1:]
    limited = ("sh", "-c", 'ulimit -S -n 256; exec "$@"', "sh", *command)
    result = caller.run(*limited)
    assert (result.returncode, result.stderr) == (0, b"")
