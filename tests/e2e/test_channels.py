"""Values that contexts send to one another: senders and receivers (tests/programs/senders.c), and
channels (tests/programs/channels.c), and selects over all of it (tests/programs/selects.c)."""

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
        "receiver_is_closed",
        "receiver_is_lost",
        "down_and_back",
        "siblings",
        "to_oneself",
        "router_closes_while_a_child_sends",
        "mistakes",
    ],
)
def test_senders(scenario, name):
    assert scenario("senders", name) == ""


@pytest.mark.parametrize("name", ["sibling_is_lost", "sender_below_is_lost"])
def test_c11_losses_reach_receivers_elsewhere(scenario, name):
    assert scenario("senders", name) == ""


def test_c12_closing_wakes_who_sends(scenario):
    assert scenario("senders", "closing_wakes_senders") == ""


def test_c12_the_end_of_the_router_wakes_who_waits_in_children(scenario):
    assert scenario("senders", "closing_wakes_receivers_in_children") == (
        "[local.1] MITOGEN_ERR_CLOSED\n"
    )


# ---- Channels ----


@pytest.mark.parametrize(
    "name",
    [
        "both_ways",
        "result_is_the_last",
        "result_needs_no_credit",
        "no_notice_of_it",
        "failures",
        "function_is_closed_first",
        "ending_wakes_the_caller",
        "many_at_once",
        "through_another",
        "in_a_chain",
        "mistakes",
    ],
)
def test_channels(scenario, name):
    assert scenario("channels", name) == ""


def test_c12_closing_a_channel_wakes_who_waits_for_the_function(scenario):
    assert scenario("channels", "closing_wakes_threads") == ""


def test_c22_channels_leave_nothing_in_memory(scenario):
    assert scenario("channels", "many_after_another") == ""


def test_channel_to_who_refuses(scenario):
    assert scenario("channels", "refused") == (
        "[local.2] context 1 may not send to handle 101: refused\n"
    )


def test_closing_a_channel_wakes_the_function(scenario):
    assert scenario("channels", "closing_wakes_the_function").splitlines() == [
        "[local.1] send_for_ever: MITOGEN_ERR_CLOSED",
        "[local.1] receive_for_ever: MITOGEN_ERR_CLOSED",
        "[local.1] receive_for_ever: MITOGEN_ERR_CLOSED",
    ]


# ---- Selects ----


@pytest.mark.parametrize(
    "name", ["of_all_kinds", "ends_come_through_it", "credit_goes_with_the_message", "polled"]
)
def test_selects(scenario, name):
    assert scenario("selects", name) == ""
