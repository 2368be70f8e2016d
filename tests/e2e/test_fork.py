"""What is special about children that are copies of the program (tests/programs/forks.c)."""

import os
import select
import signal
import subprocess
import tempfile

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "state_is_shared",
        "input_is_the_programs",
        "without_server",
        "second_thread",
        "one_router_after_another",
        "forks_below",
        "via_contexts",
        "sigchld_ignored",
        "signals_are_defaults",
        "descriptors_are_not_inherited",
        "without_standard_descriptors",
        "many_at_once",
        "is_in_a_session_of_its_own",
        "runs_programs",
    ],
)
def test_m2_fork(scenario, name):
    assert scenario("forks", name) == ""


def test_c19_main_is_not_run_again(scenario):
    assert scenario("forks", "main_runs_once") == ""


def test_c20_every_process_is_reaped(scenario):
    assert scenario("forks", "nothing_is_left") == ""


def test_m2_buffered_output_is_written_once(program, directories):
    directory = tempfile.mkdtemp(dir=directories)
    done = subprocess.run(
        [program("forks"), "buffers_are_written_once", directory], capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"before after", b"")
    with open(f"{directory}/written", "rb") as file:
        assert file.read() == b"before after"


def test_m2_a_server_that_is_killed(scenario):
    assert scenario("forks", "server_is_killed") == (
        "mitogen: error: the fork server was killed by SIGKILL; its children are given up\n"
    )


def test_m2_a_server_that_hangs_does_not_keep_the_program(scenario):
    assert scenario("forks", "server_is_stopped") == (
        "mitogen: error: the fork server was killed by SIGKILL; its children are given up\n"
    )


def ends(pidfd):
    """Whether the process ends in a minute."""
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(60000))


@pytest.fixture
def started(program, directories):
    """started(scenario): the running program, and the PIDs that it prints."""
    processes = []

    def start(scenario):
        directory = tempfile.mkdtemp(dir=directories)
        process = subprocess.Popen([program("forks"), scenario, directory], stdout=subprocess.PIPE)
        processes.append(process)
        return process, *map(int, process.stdout.readline().split())

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def test_m2_child_and_server_end_with_the_program(started):
    program, *pids = started("waits_until_killed")
    pidfds = [os.pidfd_open(pid) for pid in pids]
    program.kill()
    try:
        assert all(map(ends, pidfds))
    finally:
        for pidfd in pidfds:
            os.close(pidfd)


def test_m2_the_server_ends_beside_a_copy_of_the_program(started):
    """The copy has all its descriptors, so that none of them tells of its end."""
    program, copy, server = started("killed_beside_a_copy")
    pidfd = os.pidfd_open(server)
    program.kill()
    try:
        assert ends(pidfd)
    finally:
        os.kill(copy, signal.SIGKILL)
        os.close(pidfd)
