"""A program whose library fails on purpose (src/base/faults.h), in parent and children alike."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What no user may notice.
TRANSPARENT = "read_short=3,write_short=3,eagain=3,eintr=5"


@pytest.fixture(scope="session")
def run_with_faults(build_dir, tmp_path_factory):
    """run_with_faults(name, scenario, **environment): runs the scenario of that program to its end, in
    which it finds nothing wrong."""
    archives = [build_dir / path / "libmitogen-internal.a" for path in ("host/src", ".")]
    programs = tmp_path_factory.mktemp("faulty")

    def build(path):
        compiler = os.environ.get("CC", "cc")
        subprocess.run(
            [
                *(compiler, "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-static"),
                *("-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'include'}", f"-I{ROOT / 'src'}"),
                *("-o", path, ROOT / f"tests/programs/{path.name}.c", ROOT / "src/base/faults.c"),
                *(next(archive for archive in archives if archive.exists()), "-pthread"),
            ],
            check=True,
        )

    def run(name, scenario, **environment):
        if not (programs / name).exists():
            build(programs / name)
        done = subprocess.run(
            [programs / name, scenario],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
        )
        assert done.returncode == 0, f"{environment}: {done.stderr.decode()}"

    return run


@pytest.fixture(scope="session")
def faulty(run_with_faults):
    """faulty(scenario, faults): the same of faulty.c."""
    return lambda scenario, faults: run_with_faults("faulty", scenario, MITOGEN_FAULTS=faults)


def test_the_program_without_faults(faulty):
    faulty("all_works", "seed=1")


def test_short_and_interrupted_transfers(faulty):
    for seed in range(20):
        faulty("all_works", f"seed={seed},{TRANSPARENT}")


@pytest.mark.parametrize("faults", ["pidfd_open=1", "pidfd_open=2", "clock=20"])
def test_what_no_user_notices(faulty, faults):
    for seed in range(3):
        faulty("all_works", f"seed={seed},{faults}")


def test_m2_forks_with_faults_that_no_user_notices(faulty):
    for seed in range(10):
        faulty("all_forks", f"seed={seed},{TRANSPARENT},pidfd_open=2,clock=20")


def test_m2_forks_with_any_fault(faulty):
    for number in range(1, 150):
        faulty("some_forks", f"malloc@{number}")
    for number in range(1, 6):
        faulty("some_forks", f"fork@{number}")
        faulty("some_forks", f"socketpair@{number}")
        faulty("some_forks", f"pipe2@{number}+")
    for seed in range(40):
        faulty("some_forks", f"seed={seed},malloc=200,socketpair=5,pipe2=5,fork=3,{TRANSPARENT}")


def test_detaching(faulty):
    for seed in range(20):
        faulty("all_are_detached", f"seed={seed},{TRANSPARENT},pidfd_open=2,clock=20")


@pytest.mark.parametrize("scenario", ["some_are_detached", "some_forks_are_detached"])
def test_detaching_with_any_fault(faulty, scenario):
    for number in range(1, 150):
        faulty(scenario, f"malloc@{number}")
    for seed in range(40):
        faulty(scenario, f"seed={seed},malloc=100,pipe2=5,fork=3,pidfd_open=3,{TRANSPARENT}")


def test_each_allocation_fails_once(faulty):
    with pytest.raises(AssertionError, match="out of memory"):
        faulty("all_works", "malloc@30")  # it is noticed at all
    for number in range(1, 300):
        faulty("some_works", f"malloc@{number}")


def test_each_allocation_of_channels_fails_once(faulty):
    for number in range(1, 400):
        faulty("some_channels_work", f"malloc@{number}")


def test_memory_for_channels_runs_out_for_good(faulty):
    for number in range(1, 400, 3):
        faulty("some_channels_work", f"malloc@{number}+")


def test_memory_runs_out_for_good(faulty):
    for number in range(1, 300, 3):
        faulty("some_works", f"malloc@{number}+")


def test_descriptors_run_out(faulty):
    for number in range(1, 12):
        faulty("some_works", f"socketpair@{number}")
        faulty("some_works", f"pipe2@{number}+")


def test_everything_at_once(faulty):
    for seed in range(60):
        faulty(
            "some_works",
            f"seed={seed},malloc=200,socketpair=5,pipe2=5,pidfd_open=3,clock=30,{TRANSPARENT}",
        )


# ---- Contexts below contexts ----


# Where things fail, and more allocations than there are.
PLACES = [("MITOGEN_FAULTS", 250), ("FAULTS_FIRST", 200), ("FAULTS_SECOND", 150)]


def test_a_tree_without_faults(run_with_faults):
    run_with_faults("faulty_tree", "all_works")


@pytest.mark.parametrize(("where", "count"), PLACES)
def test_a_tree_with_faults_that_no_user_notices(run_with_faults, where, count):
    for seed in range(5):
        run_with_faults("faulty_tree", "all_works", **{where: f"seed={seed},{TRANSPARENT}"})
    run_with_faults("faulty_tree", "all_works", **{where: f"malloc@{count}"})


@pytest.mark.parametrize(("where", "count"), PLACES)
def test_c21_each_allocation_in_a_tree_fails_once(run_with_faults, where, count):
    def is_noticed(number):
        """Not each is: some are for the log, and which one has this number depends on threads."""
        try:
            run_with_faults("faulty_tree", "all_works", **{where: f"malloc@{number}"})
        except AssertionError as error:
            return "out of memory" in str(error)
        return False

    assert any(is_noticed(number) for number in range(40, 60))
    for number in range(1, count):
        run_with_faults("faulty_tree", "some_works", **{where: f"malloc@{number}"})


@pytest.mark.parametrize(("where", "count"), PLACES)
def test_c21_memory_in_a_tree_runs_out_for_good(run_with_faults, where, count):
    for number in range(1, count, 5):
        run_with_faults("faulty_tree", "some_works", **{where: f"malloc@{number}+"})


# ---- Processes that join ----


# In the router, and in those that join it.
ENDS = ["MITOGEN_FAULTS", "FAULTS_WORKER"]


@pytest.mark.parametrize("where", ENDS)
def test_m23_joining_with_faults_that_no_user_notices(run_with_faults, where):
    for seed in range(10):
        faults = f"seed={seed},{TRANSPARENT},pidfd_open=2,clock=20"
        run_with_faults("faulty_joins", "all_works", **{where: faults})


@pytest.mark.parametrize(("where", "count"), [("MITOGEN_FAULTS", 250), ("FAULTS_WORKER", 150)])
def test_m23_each_allocation_in_joining_fails_once(run_with_faults, tmp_path, where, count):
    def is_noticed(number):
        """Then the program gives up, and leaves its socket."""
        environment = {where: f"malloc@{number}", "XDG_RUNTIME_DIR": str(tmp_path)}
        try:
            run_with_faults("faulty_joins", "all_works", **environment)
        except AssertionError as error:
            return "out of memory" in str(error)
        return False

    assert any(is_noticed(number) for number in range(1, 40))
    for number in range(1, count):
        run_with_faults("faulty_joins", "some_works", **{where: f"malloc@{number}"})


@pytest.mark.parametrize("where", ENDS)
def test_m23_joining_with_any_fault(run_with_faults, where):
    for number in range(1, 7):
        for kind in ("socket", "accept", "socketpair", "pipe2"):
            run_with_faults("faulty_joins", "some_works", **{where: f"{kind}@{number}"})
        run_with_faults("faulty_joins", "some_works", **{where: f"socket@{number}+"})
    run_with_faults("faulty_joins", "some_works", **{where: "accept@3+"})
    for seed in range(20):
        faults = f"seed={seed},malloc=60,socket=4,accept=3,pipe2=5,clock=30,{TRANSPARENT}"
        run_with_faults("faulty_joins", "some_works", **{where: faults})
