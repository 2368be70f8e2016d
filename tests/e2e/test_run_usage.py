"""The command's options, helps and man pages."""

import os
import re
import shutil
import subprocess

import pytest
from conftest import ROOT

COMMANDS = ["run", "tree", "ping", "stats"]
MAN = ROOT / "docs" / "man"
OPTION = re.compile(r"(?<![\w-])--?[a-zA-Z][a-z-]*")


def check_mistake(result, *texts):
    """It is a wrong usage, told in one line; nothing was started."""
    assert result.returncode == 2
    assert result.stdout == b""
    assert result.stderr.count(b"\n") == 1
    for text in texts:
        assert text in result.stderr.decode()


def test_nothing_given(run):
    result = run()
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.startswith(b"usage: mitogen COMMAND")


def test_version(run):
    version = re.search(r"version: '(.*)'", (ROOT / "meson.build").read_text()).group(1)
    expected = f"mitogen {version}\n".encode()
    assert run("--version").stdout == expected
    for command in COMMANDS:
        assert run(command, "--version").stdout == expected


def test_help(run):
    assert run("--help").stdout == run("help").stdout
    assert run("-h").stdout == run("--help").stdout
    for command in COMMANDS:
        assert run("help", command).stdout == run(command, "--help").stdout
        assert run(command, "-h").stdout == run(command, "--help").stdout
    assert run("help", "-h").stdout == run("help", "--help").stdout
    assert run("help", "help").stdout == run("help", "--help").stdout
    for command in ([], ["help"], *([name] for name in COMMANDS)):
        result = run("help", *command)
        assert (result.returncode, result.stderr) == (0, b"")
        assert result.stdout.startswith(b"usage: mitogen")
        assert max(map(len, result.stdout.splitlines())) <= 95


def test_help_that_cannot_be_written(mitogen):
    with open("/dev/full", "wb") as full:
        result = subprocess.run([mitogen, "--help"], stdout=full, stderr=subprocess.PIPE)
    assert result.returncode == 1
    assert b"cannot write to standard output: No space left on device\n" in result.stderr


def test_unknown_commands(run):
    check_mistake(run("rnu"), "'rnu'", "did you mean 'run'?")
    check_mistake(run("frobnicate"), "'frobnicate'", "mitogen --help")
    check_mistake(run("help", "rum"), "did you mean 'run'?")
    check_mistake(run("--frobnicate"), "no option '--frobnicate'")
    check_mistake(run("-x"), "no option '-x'", "mitogen --help")
    check_mistake(run("help", "run", "extra"), "one command at a time")
    check_mistake(run("x" * 5000), "xxx")
    check_mistake(run(""), "''")


BACKSLASH = "a backslash stands before one of"
NO_SECONDS = "this is no number of seconds"
NO_OPTION = "a name does not begin with '-'"
NOTHING = "a method or a host is missing here"
NO_CONTROL = "a name has no '/' and no control characters"


@pytest.mark.parametrize(
    ("target", "hop", "character", "text"),
    [
        ("warp:bob@web1", 1, 1, "there is no method 'warp'; the methods are: local, fork, ssh"),
        ("h:x", 1, 1, "doas; as a port behind a host, give a whole number from 1 to 65535"),
        ("alice:pw@web1", 1, 1, "a password is not given here, but by --ask-pass or --password-f"),
        ("shs:bob@web1:22", 1, 1, "there is no method 'shs'; did you mean 'ssh'?"),
        ("", 1, 1, NOTHING),
        ("/", 1, 1, NOTHING),
        ("local/", 2, 7, NOTHING),
        ("local//local", 2, 7, NOTHING),
        (",name=x", 1, 1, NOTHING),
        ("local/-x", 2, 7, NO_OPTION),
        ("-", 1, 1, NO_OPTION),
        ("ssh", 1, 1, "ssh: hostname: it is missing"),
        ("ssh,port=22", 1, 1, "ssh: hostname: it is missing"),
        ("ssh:", 1, 5, "a host is missing here"),
        ("ssh:bob@", 1, 9, "a host is missing here"),
        ("ssh:@web1", 1, 5, "username '': it is empty"),
        ("ssh:-x@web1", 1, 5, f"username '-x': {NO_OPTION}"),
        ("ssh:bob@-x", 1, 9, f"hostname '-x': {NO_OPTION}"),
        ("bob@-x", 1, 5, f"hostname '-x': {NO_OPTION}"),
        ("ssh:web1,username=-x", 1, 19, f"username '-x': {NO_OPTION}"),
        ("ssh:we b1", 1, 5, "hostname 'we b1': a name has no blanks"),
        ("ssh:web1:", 1, 10, "port '': give a whole number from 1 to 65535"),
        ("web1:0", 1, 6, "port '0': give a whole number from 1 to 65535"),
        ("bob@web1:x", 1, 10, "port 'x': give a whole number from 1 to 65535"),
        ("web1:22,port=23", 1, 9, "the key 'port' was given already"),
        ("bob@web1,username=eve", 1, 10, "the key 'username' was given already"),
        ("web1,hostname=web2", 1, 6, "the key 'hostname' was given already"),
        ("::1", 1, 1, "an IPv6 address stands in brackets, as in [::1]:22"),
        ("ssh:fe80::1%eth0:22", 1, 5, "an IPv6 address stands in brackets"),
        ("[::1", 1, 1, "there is no ']' to this '['"),
        ("[::1]22", 1, 6, "only a ':' and a port follow a ']'"),
        ("[]:22", 1, 2, "hostname '': it is empty"),
        ("web1,check_host_keys=maybe", 1, 22, "give one of enforce, accept, ignore"),
        ("web1,compression=maybe", 1, 18, "give one of no, yes"),
        ("web1,identity_file=", 1, 20, "identity_file '': it is empty"),
        ("web1,password=canary", 1, 6, "others can read it; use --ask-pass or --password-file"),
        ("local:x", 1, 6, "'local' takes no argument"),
        ("local:", 1, 6, "'local' takes no argument"),
        ("local/suod:root", 2, 7, "there is no method 'suod'; did you mean 'sudo'?"),
        ("local,name=é/suod:root", 2, 14, "did you mean 'sudo'?"),
        ("sudo:", 1, 6, "username '': it is empty"),
        ("sudo:-u", 1, 6, f"username '-u': {NO_OPTION}"),
        ("sudo,password=canary", 1, 6, "use --ask-become-pass or --password-file"),
        ("su:bob,colour=red", 1, 8, "'su' has no key 'colour'; the keys are: "),
        ("doas,user=x", 1, 6, "'doas' has no key 'user'"),
        ("local,", 1, 7, "'local' has no key ''; the keys are: image=FILE, name=NAME, "),
        ("local,foo=1", 1, 7, "'local' has no key 'foo'; the keys are: image=FILE"),
        ("local,nmae=x", 1, 7, "'local' has no key 'nmae'; did you mean 'name'?"),
        ("local,name", 1, 11, "the key 'name' has no value; write name=NAME"),
        ("local,name/local", 1, 11, "the key 'name' has no value"),
        ("local,name=a,name=b", 1, 14, "the key 'name' was given already"),
        ("local,name=", 1, 12, "name '': the name is empty"),
        ("local,name=" + "x" * 181, 1, 12, "the name is too long"),
        (r"local,name=a\/b", 1, 12, NO_CONTROL),
        ("local,name=a\n", 1, 12, NO_CONTROL),
        ("local,timeout=x", 1, 15, f"timeout 'x': {NO_SECONDS}"),
        ("local,timeout=0", 1, 15, "timeout '0': give 0.001 to 1000000 seconds"),
        ("local,timeout=1000001", 1, 15, "give 0.001 to 1000000 seconds"),
        ("local\\", 1, 6, BACKSLASH),
        ("lo\\cal", 1, 3, BACKSLASH),
        (r"local,na\me=x", 1, 9, BACKSLASH),
        (r"local,name=\x", 1, 12, BACKSLASH),
        ('local,name="a', 1, 12, "there is no second \" to this one"),
        ("local,name='a\"", 1, 12, "there is no second ' to this one"),
        ('local,name="a"b', 1, 15, "only a ',' or a '/' follows a quoted value"),
        ("web1,identity_file=/k", 1, 20, 'a path stands in quotes, as in identity_file="/path"'),
        ("local,name=" + "x" * 3000, 1, 12, "may have 180 bytes"),
        ("local/" * 64 + "local", 65, 385, "a target has at most 64 hops"),
    ],
)
def test_mistakes_in_targets(run, tmp_path, target, hop, character, text):
    result = run("run", "local", target, "--", "touch", str(tmp_path / "started"))
    assert result.returncode == 2
    assert result.stdout == b""
    assert b"canary" not in result.stderr.replace(os.fsencode(target), b"")
    assert f": hop {hop}, character {character}: " in result.stderr.decode()
    quoted = target if len(target) <= 80 else target[:80] + "..."
    assert result.stderr.startswith(f"mitogen run: target '{quoted}': hop ".encode())
    assert len(result.stderr) < 500
    assert text in result.stderr.decode()
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("target", ["-oProxyCommand=touch", "--help=x", "-"])
@pytest.mark.parametrize("command", ["tree", "ping", "stats"])
def test_host_that_looks_like_an_option(run, command, target):
    result = run(command, "--", target)
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"hop 1, character 1: hostname '-" in result.stderr
    assert NO_OPTION.encode() in result.stderr


@pytest.mark.parametrize("name", [b"\xff", b"a\xc0\x80", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"])
@pytest.mark.parametrize("command", COMMANDS)
def test_name_that_is_not_utf8(run, command, name):
    program = ["--", "true"] if command == "run" else []
    result = run(command, "local/local,name=" + os.fsdecode(name), *program)
    assert (result.returncode, result.stdout) == (2, b"")
    assert b": hop 2, character 18: name '" in result.stderr
    assert result.stderr.endswith(b"a name is UTF-8\n")


@pytest.mark.parametrize("host", [b"web\xff1", b"web" + 300 * b"\x80", 300 * b"\x80"])
def test_host_that_is_not_utf8(run, host):
    result = run("tree", os.fsdecode(b"local/" + host))
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"hop 2, character 7: what is no UTF-8 needs another name: add name=NAME" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        ([], ["no target"]),
        (["--", "true"], ["no target", "mitogen run local -- true"]),
        (["local"], ["no '--' before the program"]),
        (["local", "true"], ["no '--' before the program"]),
        (["local", "uname", "-a"], ["no option -a", "'--'"]),
        (["local", "ls", "--all"], ["no option --all", "'--'"]),
        (["local", "--"], ["no program behind '--'"]),
        (["--frob", "local", "--", "true"], ["no option --frob", "--help"]),
        (["--connect-limit", "0", "local", "--", "true"], ["whole number from 1 to 100000"]),
        (["--connect-limit=x", "local", "--", "true"], ["--connect-limit 'x': give a whole number"]),
        (["--password-file=/x/y", "local", "--", "true"], ["'/x/y': No such file or directory"]),
        (["--password-file=/dev/null", "local", "--", "true"], ["'/dev/null': it is empty"]),
        (["--password-file=/", "local", "--", "true"], ["'/': Is a directory"]),
        (["--timout", "1", "local", "--", "true"], ["did you mean --timeout?"]),
        (["--timeou=1", "local", "--", "true"], ["did you mean --timeout?"]),
        (["-x", "local", "--", "true"], ["no option -x"]),
        (["-nx", "local", "--", "true"], ["no option -x"]),
        (["local", "--cwd"], ["--cwd needs a value"]),
        (["--cwd=", "local", "--", "true"], ["--cwd", "empty"]),
        (["--raw=1", "local", "--", "true"], ["--raw takes no value"]),
        (["--env", "=x", "local", "--", "true"], ["--env '=x'", "NAME=VALUE"]),
        (["--env", "", "local", "--", "true"], ["--env ''", "NAME=VALUE"]),
        *(
            (["--timeout", value, "local", "--", "true"], [f"--timeout '{value}'", "seconds"])
            for value in ("0", "-1", "x", "1s", "nan", "inf", "1e3", "0x10", "1.2.3", ".", "", "1e999")
        ),
        (["--timeout", "1e9", "local", "--", "true"], ["no number of seconds; give 0.001 to 1000000"]),
        (["--timeout", "1000001", "local", "--", "true"], ["give 0.001 to 1000000 seconds"]),
        (["--timeout", "9" * 400, "local", "--", "true"], ["--timeout '999", "seconds"]),
    ],
)
def test_mistakes(run, arguments, texts):
    check_mistake(run("run", *arguments), "mitogen run: ", *texts)


def test_ways_to_write_options(run, tmp_path):
    script = 'echo "$A $B $PWD"'
    arguments = ["--env=A=1", "local", "-nvn", "--env", "B=2", "--cwd=/", "--timeout=.5e"]
    assert run("run", *arguments, "--", "sh", "-c", script).returncode == 2
    arguments[-1] = "--timeout=60."
    assert run("run", *arguments, "--", "sh", "-c", script).stdout == b"1 2 /\n"


def test_options_behind_dashes_are_the_programs(run):
    assert run("run", "local", "--", "echo", "--help", "-v").stdout == b"--help -v\n"


# ---- Man pages ----


def options_of_man(name):
    """Those in its list of options."""
    text = (MAN / name).read_text()
    items = re.findall(r"^\.It Fl (.*)$", text, re.MULTILINE)
    flags = (re.split(r" (?:Ar|Ns|Op)\b", item)[0] for item in items)
    return {f"-{flag.strip()}" for item in flags for flag in item.split(", Fl ")}


def options_of_help(run, *arguments):
    lines = run(*arguments, "--help").stdout.decode().splitlines()
    starts = (re.split(r"  +", line.strip())[0] for line in lines if re.match(r" +-", line))
    return {option for start in starts for option in OPTION.findall(start)}


def test_man_pages_name_the_options_of_the_help(run):
    for command in COMMANDS:
        found = {flag.replace(" , Fl ", " ") for flag in options_of_man(f"mitogen-{command}.1")}
        found = {word for flag in found for word in flag.split()}
        assert found == options_of_help(run, command)
    assert options_of_man("mitogen.1") == options_of_help(run)
    listed = re.findall(r"^\.It Cm (\w+)$", (MAN / "mitogen.1").read_text(), re.MULTILINE)
    assert set(COMMANDS) <= set(listed)


PAGES = ROOT / "docs/methods"
METHODS = ("local", "fork", "ssh", "sudo", "su", "doas")


def keys_of(run, method):
    result = run("help", method)
    assert (result.returncode, result.stderr) == (0, b"")
    return re.findall(r"^  (\w+)=\S+ +\S", result.stdout.decode(), re.MULTILINE)


@pytest.mark.parametrize("method", METHODS)
def test_help_of_a_method(run, method):
    """It names what a hop of it may have: all of that is accepted, and a password is not."""
    keys = keys_of(run, method)
    assert {"name", "connect_timeout", "timeout", "fork_server"} <= set(keys)
    for key in ("password", *keys):
        complaint = run("run", f"{method},{key}=", "--", "true").stderr.decode()
        assert ("others can read it" in complaint) == (key == "password" and "username" in keys)
        assert ("has no key" in complaint) == (key not in keys and "username" not in keys)


@pytest.mark.parametrize("page", sorted(path.stem for path in PAGES.glob("*.md")))
def test_pages_name_the_options_of_their_methods(run, page):
    if page not in METHODS:
        return  # no method that connects
    text = (PAGES / f"{page}.md").read_text()
    for key in keys_of(run, page):
        assert key == "timeout" or re.search(rf"`{key}(_ms)?`", text), key


@pytest.mark.parametrize(
    ("method", "option"), [("ssh", "--ask-pass"), ("sudo", "--ask-become-pass"), ("local", None)]
)
def test_passwords_are_no_keys(run, method, option):
    text = run("help", method).stdout.decode()
    assert (f"A password is given by {option} or --password-file" in text) == bool(option)
    assert "password=" not in run("run", f"{method},colour=red", "--", "true").stderr.decode()
    assert b"mitogen help METHOD" in run("help").stdout


def test_fork_without_a_fork_server(run):
    for target, hint in (("local/fork", "to that hop"), ("fork", "to a hop before it")):
        result = run("run", target, "--", "true")
        assert result.returncode == 4
        assert f"(mitogen: give fork_server=yes {hint})" in result.stderr.decode()


def examples():
    for page in sorted(MAN.glob("*.1")):
        section = page.read_text().split(".Sh EXAMPLES")[1].split(".Sh")[0]
        text = section.replace("\\-", "-").replace("\\(aq", "'")
        for example in re.findall(r"^\$ (.*)$", text, re.MULTILINE):
            yield pytest.param(example, id=example[:40])


@pytest.mark.parametrize("example", examples())
def test_examples_work(mitogen, example):
    path = f"{os.path.dirname(mitogen)}:{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {example}"],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PATH": path},
        timeout=60,
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
@pytest.mark.parametrize("page", sorted(path.name for path in MAN.glob("*.1")))
def test_man_pages_are_well_formed(page):
    command = ["mandoc", "-Tlint", "-Wwarning", str(MAN / page)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "")
