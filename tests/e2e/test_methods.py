"""One contract for all methods: what holds for local children (test_children.py) holds for the others."""

import re
import shutil

import as_root
import pytest
from conftest import PROGRAMS


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
BY_TOOLS = ("values", "calls", "builtins", "deaths")
KILLED = {"aborts", "segfaults", "killed_idle", "killed_in_call", "killed_with_1000_calls"}
KILLED |= {"killed_with_threads_waiting"}


@pytest.mark.parametrize("method", ["ssh"])
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
