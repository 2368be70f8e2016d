"""A program whose library fails on purpose (src/base/faults.h), in parent and children alike."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What no user may notice.
TRANSPARENT = "read_short=3,write_short=3,eagain=3,eintr=5"


@pytest.fixture(scope="session")
def faulty(build_dir, tmp_path_factory):
    """faulty(scenario, faults): runs the scenario to its end, in which it finds nothing wrong."""
    archives = [build_dir / path / "libmitogen-internal.a" for path in ("host/src", ".")]
    path = tmp_path_factory.mktemp("faulty") / "faulty"
    subprocess.run(
        [
            *(os.environ.get("CC", "cc"), "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-static"),
            *("-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'include'}", f"-I{ROOT / 'src'}"),
            *("-o", path, ROOT / "tests/programs/faulty.c", ROOT / "src/base/faults.c"),
            *(next(archive for archive in archives if archive.exists()), "-pthread"),
        ],
        check=True,
    )

    def run_faulty(scenario, faults):
        done = subprocess.run(
            [path, scenario],
            env={**os.environ, "MITOGEN_FAULTS": faults},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
        )
        assert done.returncode == 0, f"MITOGEN_FAULTS={faults}: {done.stderr.decode()}"

    return run_faulty


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
