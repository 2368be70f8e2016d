"""Ports with numbers that programs agree on (tests/programs/handlers.c)."""

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "called_in_order",
        "returned_values_make_room",
        "nobody_is_there",
        "sent_to_many",
        "in_the_function",
        "mistakes",
    ],
)
def test_handlers(scenario, name):
    assert scenario("handlers", name) == ""


def test_c8_last_message_when_the_router_ends(scenario):
    assert scenario("handlers", "last_message_at_the_end") == (
        "[local.1] the last message: MITOGEN_ERR_CLOSED\n"
    )


def test_c13_registered_twice(scenario):
    assert scenario("handlers", "registered_twice") == ""


@pytest.mark.parametrize(
    "name, who, refused",
    [
        ("allows_parents", "[local.1/local.1]", "context 1001"),
        ("allows_children", "mitogen: warning:", "context 1001"),
        ("allows_by_own_policy", "[local.1]", "context 2001"),
    ],
)
def test_c7_who_is_refused_learns_why(scenario, name, who, refused):
    lines = set(scenario("handlers", name).splitlines())
    assert lines == {f"{who} {refused} may not send to handle 2000: refused"}
