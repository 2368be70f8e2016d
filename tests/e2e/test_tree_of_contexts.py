"""Contexts below contexts, at any depth (tests/programs/tree.c), and what is left of them when some are
lost (tests/programs/tree_losses.c)."""

import pytest


def test_c3_c17_depth(scenario):
    """C3: messages reach each depth; C17: each context knows itself and its parent."""
    assert scenario("tree", "depths") == ""


@pytest.mark.parametrize("name", ["large_values", "too_large"])
def test_c9_large_values(scenario, name):
    """C9: what is too large fails at its sender."""
    assert scenario("tree", name) == ""


@pytest.mark.parametrize("name", ["given_away_at_once", "mixed", "many_via_one"])
def test_c3_contexts_that_others_have_started(scenario, name):
    assert scenario("tree", name) == ""


def test_c10_ids_are_given_on_demand(scenario):
    assert scenario("tree", "many_ids") == ""


def test_c3_relatives_talk(scenario):
    assert scenario("tree", "cousins_talk") == ""


def test_c4_relatives_have_no_authority(scenario):
    log = scenario("tree", "cousins_do_not_call").splitlines()
    assert len(log) == 2
    assert all(line.endswith(" may not send to handle 101: refused") for line in log)


def test_c7_dead_ends(scenario):
    assert scenario("tree", "dead_ends") == ""


def test_c3_unidirectional_routing(scenario):
    assert scenario("tree", "unidirectional") == ""


# ---- Losses ----


@pytest.mark.parametrize(
    "name",
    [
        "every_wait_ends",
        "cousins_hear_of_losses",
        "middle_is_shut_down",
        "hanging_middle_is_shut_down",
        "fails_to_start",
        "asked_for_before",
        "given_away_and_failed",
        "last_words",
    ],
)
def test_c11_losses(scenario, name):
    assert scenario("tree_losses", name) == ""


@pytest.mark.parametrize(
    "name",
    [
        "killed_while_many_connect",
        "parent_killed_while_many_connect",
        "shut_down_while_many_connect",
        "router_closes_while_many_connect",
        "ended_while_it_connects",
        "middle_is_stopped",
    ],
)
def test_c11_losses_while_others_connect(scenario, name):
    assert scenario("tree_losses", name) == ""
