"""One contract for all methods: what holds for local children (test_children.py) holds for the others."""

import pytest


@pytest.fixture(params=["fork"])
def method(request):
    return request.param


@pytest.fixture
def scenario_of(scenario, method):
    """As scenario, with children by the method."""
    return lambda *arguments: scenario(*arguments, METHOD=method)


@pytest.mark.parametrize(
    "name", ["scalars", "containers", "writers", "mistakes", "message_after_close"]
)
def test_m2_values(scenario_of, name):
    assert scenario_of("values", name) == ""


@pytest.mark.parametrize(
    "name",
    [
        "by_pointer_and_name",
        "results",
        "failures",
        "arguments",
        "unknown_functions",
        "first_error_stays",
        "async_calls",
        "time_limits",
        "large_values",
        "too_large",
        "many_threads",
    ],
)
def test_m2_calls(scenario_of, name):
    assert scenario_of("calls", name) == ""


def test_m2_failures_that_nobody_waits_for_are_logged(scenario_of):
    lines = scenario_of("calls", "without_reply").splitlines()
    assert len(lines) == 3
    assert all(line.startswith("[local.1] a call without reply failed") for line in lines)


@pytest.mark.parametrize(
    "name",
    [
        "aborts",
        "segfaults",
        "killed_idle",
        "killed_in_call",
        "killed_with_1000_calls",
        "killed_with_threads_waiting",
        "finishes_while_child_hangs",
        "shut_down_while_called",
        "shut_down_again_and_again",
    ],
)
def test_m2_deaths(scenario_of, name):
    assert scenario_of("deaths", name) == ""


def test_m2_last_words_of_a_child_that_exits(scenario_of):
    assert scenario_of("deaths", "exits") == "[local.1] some last words, without a newline\n"


@pytest.mark.parametrize(
    "name",
    ["waiting_threads", "busy_threads", "while_children_start", "large_replies", "afterwards"],
)
def test_m2_closing(scenario_of, name):
    assert scenario_of("closing", name) == ""


def test_m2_a_function_that_runs_may_end(scenario_of):
    assert scenario_of("closing", "running_function_ends") == "[local.1] ran to its end\n"
