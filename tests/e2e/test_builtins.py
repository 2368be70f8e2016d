"""What every process answers without functions of its own (tests/programs/builtins.c)."""

import pytest


@pytest.mark.parametrize("name", ["facts_of_all", "answers_and_mistakes"])
def test_builtins(scenario, name):
    assert scenario("builtins", name) == ""
