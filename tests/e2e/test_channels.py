"""Values that contexts send to one another: senders and receivers. The scenarios are in
tests/programs/senders.c."""

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "in_order",
        "one_address",
        "waits_for_the_reader",
        "large_values",
        "too_large",
        "orderly_end",
        "sender_is_lost",
        "sibling_is_lost",
        "sender_below_is_lost",
        "receiver_is_closed",
        "receiver_is_lost",
        "down_and_back",
        "siblings",
        "to_oneself",
        "closing_wakes_senders",
        "router_closes_while_a_child_sends",
        "mistakes",
    ],
)
def test_senders(scenario, name):
    assert scenario("senders", name) == ""


def test_c12_the_end_of_the_router_wakes_who_waits_in_children(scenario):
    assert scenario("senders", "closing_wakes_receivers_in_children") == (
        "[local.1] MITOGEN_ERR_CLOSED\n"
    )
