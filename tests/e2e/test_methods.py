"""One contract for all methods: what holds for local children (test_children.py) holds for the others."""

import random
import re
import shutil
import signal
import subprocess
import unicodedata

import as_root
import pytest
from conftest import PROGRAMS
from methods import METHODS
from processes import first_named
from run_tools import PATIENCE, wait_for_death


@pytest.fixture(params=["fork"])
def method(request):
    return request.param


@pytest.fixture
def scenario_of(scenario, method):
    """As scenario, with children by the method."""
    return lambda *arguments: scenario(*arguments, METHOD=method)


def scenarios():
    """What holds whatever the method, but for what is about one of them."""
    others = {
        "deaths": {"exits", "never_answers", "hangs_until_killed"},
        "closing": {"running_function_ends"},
        "calls": {"without_reply", "failure_after_reply"},
        "hosts": {"sigchld_ignored", "descriptors_are_not_inherited", "fifty_routers"},
    }
    programs = ("values", "calls", "chains", "channels", "selects", "senders", "handlers")
    for program in (*programs, "builtins", "defers", "execs", "deaths", "closing", "hosts"):
        text = (PROGRAMS / f"{program}.c").read_text()
        names = re.findall(r'\{"(\w+)", \1\}', text)
        assert others.get(program, {names[0]}) <= set(names)
        for name in names:
            if name not in others.get(program, ()):
                yield program, name


@pytest.fixture
def scenario_by(for_all, program, methods):
    """scenario_by(method, source, name): as scenario, as an account that gets to itself by this
    method."""
    directories = []

    def run_scenario(method, source, name):
        path = for_all / source
        if not path.exists():
            shutil.copy(program(source), path)
        method = methods(method)
        directories.append(method.starter.directory(f"{name}-{len(directories)}", "700"))
        options = "\n".join(f"{name}={value}" for name, value in method.to_itself().items())
        done = method.starter.run(
            *(path, name, directories[-1]), METHOD=method.name, METHOD_OPTIONS=options
        )
        log = done.stderr.decode()
        assert (done.returncode, done.stdout) == (0, b""), log
        return log

    yield run_scenario
    if directories:
        as_root.run("rm", "-rf", *directories)


# What is not the same for all streams: starting and ending. (Killed by which signal, ssh does not tell.)
BY_TOOLS = ("values", "calls", "deaths")
KILLED = {"aborts", "segfaults", "killed_idle", "killed_in_call", "killed_with_1000_calls"}
KILLED |= {"killed_with_threads_waiting"}


@pytest.mark.parametrize("method", ["ssh", "sudo", "su", "doas"])
@pytest.mark.parametrize(
    "source, name",
    [(source, name) for source, name in scenarios() if source in BY_TOOLS and name not in KILLED],
)
def test_contract_by_tools(scenario_by, method, source, name):
    scenario_by(method, source, name)


@pytest.mark.parametrize("source, name", scenarios())
def test_m2_contract(scenario_of, source, name):
    scenario_of(source, name)


def test_m2_failures_that_nobody_waits_for_are_logged(scenario_of):
    lines = scenario_of("calls", "without_reply").splitlines()
    assert len(lines) == 3
    assert all(line.startswith("[local.1] a call without reply failed") for line in lines)


def test_m2_last_words_of_a_child_that_exits(scenario_of):
    assert scenario_of("deaths", "exits") == "[local.1] some last words, without a newline\n"


def test_m2_a_function_that_runs_may_end(scenario_of):
    assert scenario_of("closing", "running_function_ends") == "[local.1] ran to its end\n"


# ---- The command, by methods that change the account or the machine ----


TOOLS = ("ssh", "sudo", "su", "doas")
ASKING = ("ssh-password", "sudo-password", "su", "doas-password")
by_a_tool = pytest.mark.parametrize("how", TOOLS, indirect=True)
by_one_that_asks = pytest.mark.parametrize("how", ASKING, indirect=True)


@pytest.fixture(params=METHODS)
def how(request, methods):
    return methods(request.param)


@pytest.fixture(params=["", "local/"], ids=["here", "via"])
def via(request):
    return request.param


class Command:
    """The command as the account that a method is started by."""

    def __init__(self, method, mitogen):
        self.method, self.mitogen = method, mitogen

    def run(self, *arguments, input=b""):
        """mitogen run, with the password if one is needed."""
        return self.run_plainly(*self.method.arguments(), *arguments, input=input)

    def run_plainly(self, *arguments, input=b""):
        return self.method.starter.run(self.mitogen, "run", *arguments, input=input)

    def start(self, *arguments):
        arguments = (self.mitogen, "run", *self.method.arguments(), *arguments)
        return subprocess.Popen(
            self.method.starter.command(*arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


@pytest.fixture
def command(how, for_all):
    return Command(how, for_all / "mitogen")


def test_m3_m11_the_program_runs_as_the_account(command, how, via):
    done = command.run(via + how.target(), "--", "id", "-un")
    assert (done.stdout.decode(), done.stderr) == (f"{how.account.name}\n", b"")
    assert done.returncode == 0


def test_streams_are_those_of_the_program(command, how, via):
    data = random.Random(4).randbytes(300_000)
    done = command.run(via + how.target(), "--", "sh", "-c", "tee /dev/stderr; exit 7", input=data)
    assert done.stdout == data
    assert done.stderr == data
    assert done.returncode == 7


def start_reader(command, target):
    """A program that waits at the target: the command, and the PIDs of the agent and the program."""
    process = command.start(target, "--", "sh", "-c", "echo $PPID $$; read x")
    line = process.stdout.readline()
    assert line, process.stderr.read()
    return process, *map(int, line.split())


def test_lost_agent(command, how, via):
    process, agent, program = start_reader(command, via + how.target())
    as_root.kill(agent, signal.SIGKILL)
    _, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 4
    assert b"the context was lost" in error
    wait_for_death(program, "the program")


@by_a_tool
def test_lost_tool(command, how, via):
    process, agent, program = start_reader(command, via + how.target())
    tool = first_named(how.name, first_named("mitogen", process.pid))
    as_root.kill(tool, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    # 1: the end of its input was what the program noticed first, and so its answer came first
    assert process.returncode in (1, 4)
    wait_for_death(agent, "the agent")
    wait_for_death(program, "the program")


def test_killed_command(command, how, via):
    process, agent, program = start_reader(command, via + how.target())
    as_root.kill(first_named("mitogen", process.pid), signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    wait_for_death(agent, "the agent")
    wait_for_death(program, "the program")


# ---- Tools that fail: a script in their place ----

DEATHS = {
    "at once": "",
    "having said something": "echo out of order; echo really >&2",
    "having begun": "echo MITO000 Linux `uname -m`",
    "having got the script": "echo MITO000 Linux `uname -m`; read -r script",
    "in the image": "echo MITO000 Linux `uname -m`; read -r script; head -c 5000 >/dev/null",
    "having asked for another image": "echo MITO000 Linux `uname -m`; read -r script; echo MITO002 /x:full",
    "having given up": "echo MITO000 Linux `uname -m`; read -r script; echo MITO003 /x:full",
}


@pytest.fixture
def with_tool(how):
    """with_tool(script): a target whose tool is this script."""
    made = []

    def make(script, **options):
        path = how.starter.write("tool", f"#!/bin/sh\n{script}\n", "755")
        made.append(path)
        return how.target(**{how.tool: path, **options})

    yield make
    for path in made:
        as_root.run("rm", "-f", path)


@by_a_tool
@pytest.mark.parametrize("when", DEATHS)
def test_a_tool_that_ends_early(command, with_tool, when):
    done = command.run(with_tool(f"{DEATHS[when]}\nexit 7"), "--", "true")
    assert done.returncode == 4
    error = done.stderr.decode()
    assert "with status 7" in error or "/x:full" in error, error
    if "said" in when:
        assert "out of order" in error and "really" in error, error


@by_a_tool
def test_a_tool_that_is_missing(command, how):
    missing = how.target(**{how.tool: "/nonexistent/tool"})
    done = command.run(missing, "--", "true")
    assert done.returncode == 4
    assert "/nonexistent/tool: No such file or directory" in done.stderr.decode()


HANGS = {
    "at once": "exec sleep 1000",
    "ignoring that it should end": "trap '' TERM HUP INT; while :; do sleep 1; done",
    "having begun": "echo MITO000 Linux `uname -m`; exec sleep 1000",
    "in the image": "echo MITO000 Linux `uname -m`; read -r script; head -c 5000 >/dev/null; exec sleep 1000",
}


@by_a_tool
@pytest.mark.parametrize("when", HANGS)
def test_a_tool_that_hangs(command, with_tool, when):
    done = command.run(with_tool(HANGS[when], timeout=0.5), "--", "true")
    assert done.returncode == 4
    assert "500 ms" in done.stderr.decode()


@by_a_tool
def test_a_tool_that_prints_rubbish(command, with_tool):
    rubbish = "head -c 3000000 /dev/urandom; head -c 1000 /dev/urandom >&2; echo the end; exit 7"
    done = command.run(with_tool(rubbish), "--", "true")
    assert done.returncode == 4
    error = done.stderr.decode()  # and it is text
    assert len(error) < 4096
    assert "Cc" not in map(unicodedata.category, error.rstrip("\n"))


# ---- Passwords ----


@by_one_that_asks
def test_a_password_that_is_wrong(command, how, via):
    wrong = how.arguments("no, not this")
    done = command.run_plainly(*wrong, via + how.target(), "--", "true")
    assert done.returncode == 4
    assert "password is wrong" in done.stderr.decode()


@by_one_that_asks
def test_a_password_that_is_not_given(command, how, via):
    done = command.run_plainly(via + how.target(), "--", "true")
    assert done.returncode == 4
    assert re.search("password", done.stderr.decode())
