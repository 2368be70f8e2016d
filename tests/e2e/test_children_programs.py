"""Programs that children run for their parents (tests/programs/execs.c)."""

import pytest


@pytest.mark.parametrize("poller", ["epoll", "poll"])
def test_program_in_the_process_itself(scenario, poller):
    assert scenario("execs", "on_oneself", MITOGEN_POLLER=poller) == ""


@pytest.mark.parametrize(
    "name", ["environment_of_a_child_changes", "environment_of_ours_changes"]
)
def test_environment(scenario, name):
    assert scenario("execs", name) == ""


@pytest.mark.parametrize("name", ["started_comes_first", "receiver_is_closed"])
def test_events(scenario, name):
    assert scenario("execs", name) == ""


def test_exit_that_nobody_knows(scenario):
    assert scenario("execs", "sigchld_ignored") == ""


@pytest.mark.parametrize(
    "name",
    [
        "group_is_left_for_another",
        "group_is_left_for_a_session",
        "time_ends_who_left",
        "signals_reach_who_left",
    ],
)
def test_program_that_leaves_its_process_group(scenario, name):
    assert scenario("execs", name) == ""
