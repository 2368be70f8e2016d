"""One contract for all methods: what holds for local children (test_children.py) holds for the others."""

import re

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
