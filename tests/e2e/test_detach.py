"""Contexts that are let go (tests/programs/detached.c), by each method that starts them here."""

import os
import subprocess
import tempfile

import pytest


@pytest.fixture(params=["local", "fork"])
def method(request):
    return request.param


@pytest.mark.parametrize(
    "name",
    [
        "goes_on",
        "nobody_waits_for_it",
        "runs_what_is_queued",
        "what_it_sent_arrives",
        "keeps_its_children",
        "further_down",
        "while_it_connects",
        "cannot_be_let_go",
        "hangs",
        "is_killed_meanwhile",
        "its_programs_end",
    ],
)
def test_detach(scenario, method, name):
    assert scenario("detached", name, METHOD=method) == ""


def test_c11_who_is_below_a_detached_context_is_told(scenario, method):
    assert scenario("detached", "those_below_are_told", METHOD=method) == ""


def test_c20_a_detached_child_is_reaped(scenario, method):
    assert scenario("detached", "is_reaped", METHOD=method) == ""


def test_what_a_detached_child_prints_is_lost(scenario, method):
    """What it printed before is not."""
    assert scenario("detached", "prints_afterwards", METHOD=method) == "[local.1] before\n"


def test_a_detached_child_outlives_the_program(program, directories, method):
    directory = tempfile.mkdtemp(dir=directories)
    os.mkfifo(f"{directory}/result")
    done = subprocess.run(
        [program("detached"), "is_left_behind", directory],
        env={**os.environ, "METHOD": method},
        capture_output=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    pid = int(done.stdout)
    os.kill(pid, 0)
    with open(f"{directory}/go_on", "wb") as file:
        file.write(b".")
    with open(f"{directory}/result", "rb") as file:
        assert file.read() == b"done"
