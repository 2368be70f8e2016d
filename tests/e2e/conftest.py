"""Fixtures of the end-to-end tests. After each test nothing that it started may be left: no
process, no file descriptor, no file where temporary files go."""

import ctypes
import gc
import os
import shlex
import shutil
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import pytest
from accounts import MADE, accounts  # noqa: F401 a fixture
from become import run_as  # noqa: F401 a fixture
from methods import for_all, methods  # noqa: F401 fixtures
from network import network, slow_line  # noqa: F401 fixtures
from processes import child_pids, descendants, surviving_processes  # noqa: F401 for the tests
from servers import DAEMONS, key, own_server, servers  # noqa: F401 fixtures

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "tests/programs"
PR_SET_CHILD_SUBREAPER = 36
SCENARIO_SECONDS = 60  # until one that does not end is given up
CC = os.environ.get("CC", "cc")
# With -fsanitize= among these, for a library that was built so, the programs are not static.
CFLAGS = shlex.split(os.environ.get("MITOGEN_TEST_CFLAGS", ""))
IS_SANITIZED = any(flag.startswith("-fsanitize") for flag in CFLAGS)


def pytest_addoption(parser):
    parser.addoption(
        "--grace",
        type=float,
        default=5,
        help="seconds that processes may take to end after a test",
    )


@pytest.fixture(scope="session")
def build_dir():
    return Path(os.environ.get("MITOGEN_BUILD", ROOT / "build")).resolve()


@pytest.fixture(scope="session")
def mitogen(build_dir):
    """The path of the command."""
    path = build_dir / "mitogen"
    if not path.exists():
        pytest.fail(f"{path} is missing: run make first")
    return str(path)


@pytest.fixture
def run(mitogen):
    """run(*arguments, **options of subprocess.run): runs the command, keeps its output as bytes."""

    def run_mitogen(*arguments, **options):
        options = {"stdin": subprocess.DEVNULL, "timeout": 60, **options}
        if "input" in options:
            del options["stdin"]
        return subprocess.run([mitogen, *arguments], capture_output=True, **options)

    return run_mitogen


@pytest.fixture(scope="session")
def build(build_dir, tmp_path_factory):
    """build(name, *flags): the path of a test program, linked with these flags."""
    built = tmp_path_factory.mktemp("programs")

    def build_program(name, *flags, directory=PROGRAMS):
        path = built / "-".join([directory.name, name, *(flag.replace("/", "_") for flag in flags)])
        if not path.exists():
            subprocess.run(
                [
                    *(CC, "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", *CFLAGS),
                    *("-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'include'}"),
                    *("-o", path, directory / f"{name}.c", build_dir / "libmitogen.a"),
                    *("-pthread", *flags),
                ],
                check=True,
            )
        return path

    return build_program


@pytest.fixture(scope="session")
def program(build):
    """program(name): the path of a test program as most are linked."""
    return lambda name: build(name, *([] if IS_SANITIZED else ["-static"]))


@pytest.fixture(scope="session")
def directories(tmp_path_factory):
    return tmp_path_factory.mktemp("scenarios")


@pytest.fixture
def scenario(program, directories):
    """scenario(program, name, *arguments, **environment): runs it to its end; what it wrote to
    stderr, where nothing went wrong."""

    def run_scenario(name, scenario_name, *arguments, **environment):
        with subprocess.Popen(
            [
                *(program(name), scenario_name),
                *(tempfile.mkdtemp(prefix=f"{scenario_name}-", dir=directories), *arguments),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
        ) as process:
            try:
                output, log = process.communicate(timeout=SCENARIO_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                _, log = process.communicate()
                pytest.fail(f"{name} {scenario_name} does not end\n{log.decode()}")
        assert process.returncode == 0, log.decode()
        assert output == b""
        return log.decode()

    return run_scenario


@pytest.fixture(scope="session", autouse=True)
def subreaper():
    """Makes us the parent of every process that is orphaned below us."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch, request, subreaper):
    private = Path(tempfile.mkdtemp(prefix="e2e-", dir="/tmp"))
    mark = uuid.uuid4().hex
    monkeypatch.setenv("MITOGEN_TEST_ID", mark)
    monkeypatch.setenv("TMPDIR", str(private))
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")  # nothing is remembered from test to test
    fds = open_fds()
    children = child_pids(os.getpid())
    files = temporary_files(private)

    yield

    deadline = time.monotonic() + request.config.getoption("--grace")
    survivors = surviving_processes(mark, children | DAEMONS, MADE.processes, deadline)
    left = [f"process {text}" for text in survivors]
    gc.collect()
    left += [f"fd {fd} -> {target}" for fd, target in sorted(open_fds() - fds)]
    left += [f"file {path}" for path in sorted(remaining_files(private, files, deadline))]
    left += [f"file {path}" for path in MADE.remove_files()]
    shutil.rmtree(private, ignore_errors=True)
    if left:
        pytest.fail("left behind:\n  " + "\n  ".join(left), pytrace=False)


def remaining_files(private, before, deadline):
    """Those that are there now and at the deadline: others' tests have some for a moment."""
    found = temporary_files(private) - before
    while found and time.monotonic() < deadline:
        time.sleep(0.05)
        found &= temporary_files(private)
    return found


def temporary_files(private):
    """What lies where our programs put temporary files; elsewhere only names that can be ours."""
    shared = (
        path
        for top in ("/tmp", "/dev/shm", "/run")
        for path in Path(top).iterdir()
        if path.name.startswith(("mitogen", "."))
    )
    return {str(path) for path in (*private.rglob("*"), *shared)}


def open_fds():
    fds = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            fds.add((int(fd), os.readlink(f"/proc/self/fd/{fd}")))
        except FileNotFoundError:
            pass  # the one that listed the directory
    return fds
