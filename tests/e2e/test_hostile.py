"""Children that keep to no rule (tests/programs/hostile.c), and siblings that reach for what is not
theirs: who keeps to the rules takes no harm."""

import re

import pytest
from run_tools import FakeAgent


@pytest.fixture
def attack(scenario, program):
    """attack(name): runs that scenario of attacked.c; what was logged."""
    return lambda name: scenario("attacked", name, program("hostile"))


@pytest.mark.parametrize(
    "name",
    [
        "answers_first",
        "starts_twice",
        "dies_before_output",
        "sends_less_than_promised",
        "sends_more_than_promised",
        "writes_after_the_end",
        "sends_to_ports_of_another",
    ],
)
def test_programs_that_never_were(attack, name):
    attack(name)


@pytest.mark.parametrize("name", ["names_other_contexts", "names_other_ports"])
def test_values_that_name_others(attack, name):
    attack(name)


@pytest.mark.parametrize(
    "name",
    [
        "leaves_flooders",
        "floods",
        "begins_many_messages",
        "replies_too_much",
        "never_ends_replies",
    ],
)
def test_floods(attack, name):
    attack(name)


def test_child_that_detaches_itself(attack):
    line = "mitogen: warning: context 1 may not send to handle 109: refused\n"
    assert attack("detaches_itself") == 2 * line


@pytest.mark.parametrize(
    "name",
    ["overfills_a_receiver", "sends_from_all_its_ids", "ends_again_and_again", "sends_long_ends"],
)
def test_floods_of_values(attack, name):
    attack(name)


@pytest.mark.parametrize("name", ["answers_a_channel_twice", "sends_to_a_channel_of_another"])
def test_channels_with_those_who_lie(attack, name):
    attack(name)


def test_child_that_floods_the_log(attack):
    flood, rest = [], []
    for line in attack("floods_the_log").splitlines():
        (flood if line == "[local.1] a line of the flood" else rest).append(line)
    assert 1000 < len(flood) < 1000000
    assert all(
        re.search("too many log lines|sent more log records than it was granted", line)
        for line in rest
    )


def test_log_lines_about_others(attack):
    lines = attack("lies_to_the_log").splitlines()
    assert lines == ["mitogen: warning: a log record of context 1 was refused"] * 7


def test_child_that_stops_reading(attack):
    attack("stops_reading")


@pytest.mark.parametrize(
    "name",
    [
        "announces_others",
        "reports_losses_of_others",
        "asks_for_ids_of_others",
        "takes_all_ids",
        "floods_with_requests",
        "grants_ids",
        "announces_odd_names",
        "uses_ids_again",
        "speaks_for_nobody",
        "starts_nothing",
    ],
)
def test_c4_lies_about_who_there_is(scenario, program, name):
    scenario("attacked_routes", name, program("hostile_routes"))


# ---- The command ----


@pytest.fixture
def run_hostile(run, mitogen, program, tmp_path):
    """run_hostile(program): mitogen run, with the hostile image in the place of the agent."""
    fake = FakeAgent(tmp_path, mitogen, f"exec '{program('hostile')}' \"$@\"")

    return lambda name: run("run", "-n", "local", "--", name, env=fake.environment)


def test_run_on_a_target_that_dies_before_its_output(run_hostile):
    result = run_hostile("die-before-output")
    assert (result.returncode, result.stdout) == (4, b"some\n")
    lines = result.stderr.decode().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("mitogen run: local: ")
    assert lines[0].endswith(" was killed by SIGKILL")


@pytest.mark.parametrize("name", ["send-less-than-promised", "send-more-than-promised"])
def test_run_on_a_target_that_loses_output(run_hostile, name):
    result = run_hostile(name)
    assert (result.returncode, result.stdout) == (4, b"some\n")
    assert result.stderr.startswith(b"mitogen run: local: ")


def test_run_on_a_target_that_starts_twice(run_hostile):
    assert run_hostile("start-twice").returncode in (0, 4)


# ---- Siblings ----


@pytest.mark.parametrize(
    "name",
    [
        "nobody_interferes",
        "callee_answers",
        "sibling_writes",
        "sibling_ends_input",
        "sibling_signals",
        "sibling_answers",
        "sibling_fails_call",
        "parent_fails_call",
    ],
)
def test_ports_of_a_child(scenario, program, name):
    """Its parent, by hand, passes on what a sibling sends to ports that wait for others."""
    scenario("raw_parent", name, program("raw_parent"))


# ---- A parent by hand ----


def test_reply_that_is_queued_when_the_end_is_asked_for(scenario, program):
    scenario("raw_parent", "shutdown_behind_reply", program("raw_parent"))


def test_c10_ids_that_run_out_are_an_error(scenario, program):
    scenario("raw_parent", "ids_run_out", program("raw_parent"))
