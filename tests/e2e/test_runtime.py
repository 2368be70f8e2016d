"""The runtime as a program has it: one statement that is the whole main, work for the broker thread."""

import os
import subprocess

import pytest
from conftest import IS_SANITIZED


@pytest.fixture
def runs(program, tmp_path):
    """runs(what): the exit status, what it printed, and how often its work ran."""

    def run(what):
        done = subprocess.run(
            [program("runs"), what, tmp_path], capture_output=True, timeout=60, text=True
        )
        noted = tmp_path / "runs"
        times = len(noted.read_text().splitlines()) if noted.exists() else 0
        return done.returncode, done.stdout + done.stderr, times

    return run


def test_c18_c19_run_is_a_whole_main(runs):
    """C18: its work's result is the exit status, children are gone. C19: only once did it run, though
    three children of the same program, where functions were called, have been started."""
    assert runs("returns") == (3, "", 1)


@pytest.mark.parametrize(
    "what, text",
    [
        ("fails", "no user here\n"),
        ("fails_silently", "it failed and does not say why: MITOGEN_ERR_TOO_BIG\n"),
    ],
)
def test_c18_run_tears_down_after_a_failure(runs, what, text):
    """nothing_left sees to it that the children are gone, one of which hangs."""
    assert runs(what) == (1, text, 1)


def test_c18_run_without_a_router(runs):
    status, log, times = runs("no_router")
    assert (status, times) == (1, 0)
    assert log.startswith("max_message: ")


def test_c18_run_takes_options(runs):
    status, log, times = runs("loud")
    assert (status, times) == (0, 1)
    assert "local.1: connecting -> ready" in log


@pytest.mark.skipif(IS_SANITIZED, reason="the frames are those of the sanitizer's functions")
def test_c18_run_profiles(runs, program, tmp_path):
    """Of what the main thread and the broker thread have spun through, most is counted there."""
    assert runs("profiled") == (0, "", 0)
    ticks = {}
    for line in (tmp_path / "profile").read_text().splitlines():
        stack, count = line.rsplit(" ", 1)
        thread, *frames = stack.split(";")
        addresses = [frame.rsplit("+", 1)[1] for frame in frames if "+" in frame]
        named = subprocess.run(
            ["addr2line", "-f", "-e", program("runs"), *addresses],
            capture_output=True,
            text=True,
            check=True,
        )
        for name in named.stdout.splitlines()[::2]:
            ticks[thread, name] = ticks.get((thread, name), 0) + int(count)
    main = os.path.basename(program("runs"))[:15]
    assert ticks[main, "spin_in_here"] >= 10
    assert ticks["mitogen:broker", "spin_in_here"] >= 10
    assert ticks["mitogen:broker", "spin_on_broker"] >= 10
    assert (main, "spin_on_broker") not in ticks


def test_c18_a_profile_that_cannot_be_written(runs):
    status, log, _ = runs("unprofiled")
    assert status == 1
    assert log.startswith("cannot write the profile ") and "No such file or directory" in log


@pytest.mark.parametrize("name", ["in_order", "uses_the_library", "in_a_child"])
def test_deferred_work(scenario, name):
    assert scenario("defers", name) == ""


def test_c14_work_that_waits_tells_its_result(scenario):
    log = scenario("defers", "failures")
    assert log == 'mitogen: warning: a deferred function failed: no user "somebody" here\n'


@pytest.mark.parametrize("name", ["stopped", "closed_under_way"])
def test_c14_a_stopped_router_refuses_work_at_once(scenario, name):
    """C14: nobody waits for a router that is closing, and what was accepted is done."""
    assert scenario("defers", name) == ""


@pytest.mark.parametrize(
    "name",
    [
        "not_forked",
        "while_busy",
        "in_a_log_callback",
        "in_a_function",
        "deferred_work",
        "with_a_fork_server",
    ],
)
def test_c30_a_copy_drops_the_library(scenario, name):
    """C30: descriptors are closed in the copy, a new router works there, the original goes on."""
    assert scenario("copies", name) == ""


@pytest.mark.parametrize("name", ["drops", "copy_of_a_copy"])
def test_c30_a_copy_frees_the_memory(scenario, name):
    """A router with 20 children is some 300 KiB. What remains is what threads held that waited."""
    left = scenario("copies", name, GLIBC_TUNABLES="glibc.malloc.tcache_count=0")
    assert int(left) < 16 << 10


@pytest.mark.parametrize("name", ["calls", "of_one_that_hangs", "chains", "versions"])
def test_c15_processes_count(scenario, name):
    """C15: calls, bytes, queues and what there is, by name; also of a process that hangs."""
    assert scenario("counters", name) == ""


def test_c15_any_context_below_is_asked(scenario):
    """And nobody above: that is refused, and counted."""
    assert "may not send to handle 101" in scenario("counters", "at_any_depth")
