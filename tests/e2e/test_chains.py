"""C16: chains of calls. After a failure nothing of the chain happens any more; other chains go on."""

import pytest


@pytest.mark.parametrize("name", ["not_sent", "programs", "lost", "of_none", "threads"])
def test_c16_chains(scenario, name):
    assert scenario("chains", name) == ""


def test_c16_the_rest_of_a_chain_does_not_run(scenario):
    """Of five calls behind the failure none runs; the one without reply is not logged, either."""
    assert scenario("chains", "stops") == ""


def test_c16_without_reply_a_chain_logs_its_failure_once(scenario):
    log = scenario("chains", "without_reply").splitlines()
    assert len(log) == 1
    assert log[0].endswith('a call without reply failed: local.1: refuse: no user "nobody" here')
