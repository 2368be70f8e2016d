"""Children on the same account: programs as a user writes them, linked statically against the library.
Each scenario of tests/programs/ checks what the program sees; here is checked what others see."""

import os
import resource
import signal
import struct
import subprocess

import pytest
from conftest import CC, IS_SANITIZED, ROOT

EXAMPLES = ROOT / "examples"
EM_AARCH64, EM_X86_64 = 183, 62


@pytest.mark.parametrize(
    "name", ["scalars", "containers", "writers", "mistakes", "message_after_close"]
)
def test_values(scenario, name):
    """C32: values that cannot be written or read are refused, each with its reason."""
    assert scenario("values", name) == ""


@pytest.mark.parametrize(
    "name",
    [
        "by_pointer_and_name",
        "results",
        "failures",
        "arguments",
        "unknown_functions",
        "first_error_stays",
        "async_calls",
        "time_limits",
        "large_values",
        "too_large",
        "many_threads",
    ],
)
def test_calls(scenario, name):
    """C6: a port for each answer. C31: calls from eight threads. C32: what is not exported, or
    called with the wrong arguments."""
    assert scenario("calls", name) == ""


@pytest.mark.skipif(IS_SANITIZED, reason="sanitizers keep freed memory")
def test_c22_calls_leave_no_memory(scenario):
    assert scenario("leaks", "calls_leave_nothing") == ""


def test_c2_c17_a_function_knows_where_it_runs(scenario):
    """C2: the runtime is at hand in a called function. C17: oneself, the parent, am I the master, by
    ID."""
    assert scenario("calls", "contexts") == ""


def test_failures_that_nobody_waits_for_are_logged(scenario):
    lines = scenario("calls", "without_reply").splitlines()
    assert len(lines) == 3
    assert all(line.startswith("[local.1] a call without reply failed") for line in lines)
    text = "\n".join(lines)
    assert 'local.1: refuse: no user "nobody" here' in text
    assert 'no function "adn"' in text
    assert "local.1: add: argument 1" in text


def test_a_failure_after_the_reply_is_logged(scenario):
    log = scenario("calls", "failure_after_reply")
    assert log.startswith("[local.1] fail_after_reply failed after it had")
    assert log.endswith(": too late\n")


@pytest.mark.parametrize(
    "name",
    [
        "aborts",
        "segfaults",
        "killed_idle",
        "watched",
        "killed_in_call",
        "killed_with_1000_calls",
        "killed_with_threads_waiting",
        "finishes_while_child_hangs",
        "shut_down_while_called",
        "shut_down_again_and_again",
        "never_answers",
    ],
)
def test_deaths(scenario, name):
    assert scenario("deaths", name) == ""


def test_last_words_of_a_child_that_exits(scenario):
    assert scenario("deaths", "exits") == "[local.1] some last words, without a newline\n"


def test_a_hanging_child_ends_with_its_killed_parent(program, directories):
    directory = directories / "hangs"
    directory.mkdir()
    with subprocess.Popen(
        [program("deaths"), "hangs_until_killed", directory], stdout=subprocess.PIPE
    ) as parent:
        child = os.pidfd_open(int(parent.stdout.readline()))
        try:
            parent.send_signal(signal.SIGKILL)
            parent.wait(timeout=60)
            # the fixture nothing_left reaps it, if it ends
            assert os.waitid(os.P_PIDFD, child, os.WEXITED | os.WNOWAIT).si_code == os.CLD_EXITED
        finally:
            os.close(child)


@pytest.mark.parametrize(
    "name",
    [
        "sigchld_ignored",
        "reaps_everything",
        "own_children_are_left_alone",
        "without_standard_descriptors",
        "descriptors_are_not_inherited",
        "too_few_descriptors",
        "forks",
        "no_sigpipe",
        "own_log",
        "fifty_routers",
        "a_hundred_children",
        "signals_are_not_taken",
    ],
)
def test_hosts(scenario, name):
    """C20, C21: children are reaped and descriptors closed in every kind of host program."""
    assert scenario("hosts", name) == ""


def test_output_is_logged_by_line(scenario):
    assert scenario("hosts", "prints") == (
        "[web] one line\n[web] another \\x1b[31mline\n[web] the end\n"
    )


def test_a_line_of_a_megabyte_comes_in_pieces(scenario):
    *pieces, last = scenario("hosts", "prints_a_megabyte").splitlines()
    assert all(len(piece) < 2100 for piece in pieces)
    assert all(piece.startswith("[web] ...x") for piece in pieces[1:])
    assert all(piece.endswith("x...") for piece in pieces[:-1])
    assert sum(piece.count("x") for piece in pieces) == 1 << 20
    assert last == "[web] a short line"


def test_output_before_a_kill_is_logged(scenario):
    assert scenario("hosts", "prints_and_is_killed") == "[local.1] before the end\n"


@pytest.mark.parametrize(
    "name",
    ["waiting_threads", "busy_threads", "while_children_start", "large_replies", "afterwards"],
)
def test_closing(scenario, name):
    assert scenario("closing", name) == ""


def test_a_function_that_runs_may_end(scenario):
    assert scenario("closing", "running_function_ends") == "[local.1] ran to its end\n"


@pytest.mark.parametrize("name", ["calls_below", "middle_is_killed", "ids_come_on_demand"])
def test_nested(scenario, name):
    assert scenario("nested", name) == ""


def test_output_comes_up_from_below_children(scenario):
    assert scenario("nested", "printed_below") == (
        "[local.1/local.1] from below, without a newline\n"
    )


def test_only_parents_call(scenario):
    lines = sorted(scenario("nested", "only_parents_call").splitlines())
    assert lines == [
        "[local.2] context 1 may not send to handle 101: refused",
        "mitogen: warning: context 1 may not send to handle 101: refused",
    ]


# ---- The whole of a program ----


@pytest.fixture(scope="session")
def first_call(build):
    """The path of the first example, whose main ends with mitogen_finish."""
    return build("first_call", *([] if IS_SANITIZED else ["-static"]), directory=EXAMPLES)


def test_the_first_example(first_call):
    done = subprocess.run([first_call], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"20 + 22 = 42\n", b"")


def test_the_first_example_when_it_fails(first_call):
    def few_descriptors():
        resource.setrlimit(resource.RLIMIT_NOFILE, (5, 5))

    done = subprocess.run(
        [first_call], preexec_fn=few_descriptors, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (1, b"")
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1
    assert "Too many open files" in lines[0]


# ---- Images that do not run ----


@pytest.fixture
def failure(program):
    """failure(image): the text with which it fails to start, whole."""

    def start_image(image):
        done = subprocess.run(
            [program("images"), image], capture_output=True, timeout=60, check=True
        )
        code, where, text = done.stdout.decode().splitlines()
        assert (code, where) == ("MITOGEN_ERR_CONNECT", "local.1")
        assert text.startswith("local.1 could not be started: ")
        assert done.stderr == b""
        return text

    return start_image


@pytest.fixture
def image(directories):
    """image(content): the path of an executable file."""
    made = []

    def make_image(content, mode=0o755):
        path = directories / f"image{len(made)}"
        made.append(path)
        path.write_bytes(content)
        path.chmod(mode)
        return path

    yield make_image
    for path in made:
        path.unlink()


def test_image_without_its_loader(build, failure):
    image = build("images", "-Wl,--dynamic-linker=/nonexistent/ld.so")
    text = failure(image)
    assert f"cannot run {image}: No such file" in text
    assert "dynamically linked" in text
    assert "/nonexistent/ld.so (which is not here)" in text
    assert "-static" in text


def test_image_without_its_libraries(build, directories, failure):
    """Linked against a library that is removed then."""
    library = directories / "libgone.so"
    source = directories / "gone.c"
    source.write_text("int gone(void); int gone(void) { return 0; }\n")
    subprocess.run([CC, "-shared", "-fPIC", "-o", library, source], check=True)
    image = build("images", "-Wl,--no-as-needed", str(library))
    library.unlink()
    text = failure(image)
    assert "its process exited with status 127" in text
    assert "libgone.so" in text
    assert "dynamically linked" in text and "-static" in text


def test_image_of_text(image, failure):
    text = failure(image(b"these are some words\n"))
    assert "Exec format error" in text and "it is not an ELF program" in text


def test_image_that_may_not_run(image, failure):
    assert "Permission denied" in failure(image(b"", mode=0o644))


def test_image_that_is_missing(directories, failure):
    assert "No such file or directory" in failure(directories / "nowhere")


def test_image_of_another_machine(program, image, failure):
    content = bytearray(program("images").read_bytes())
    (machine,) = struct.unpack_from("<H", content, 18)
    assert machine in (EM_X86_64, EM_AARCH64)
    other, name = (
        (EM_AARCH64, "aarch64") if machine == EM_X86_64 else (EM_X86_64, "x86_64")
    )
    struct.pack_into("<H", content, 18, other)
    text = failure(image(bytes(content)))
    assert "Exec format error" in text
    assert f"a program for {name}, but this is " in text


def test_image_that_is_another_program(image, failure):
    text = failure(image(b"#!/bin/sh\necho one of my own; echo and an error >&2; exit 4\n"))
    assert "its process exited with status 4" in text
    assert "one of my own" in text and "and an error" in text


def test_image_that_is_killed_at_once(image, failure):
    assert "its process was killed by SIGTERM" in failure(image(b"#!/bin/sh\nkill -TERM $$\n"))


def test_image_that_closes_its_output(image, failure):
    text = failure(image(b"#!/bin/sh\nexec <&- >&-\nkill -STOP $$\n"))
    assert "its process closed its connection" in text


# ---- Programs that put mitogen_start at the wrong place ----


def late(program, how):
    done = subprocess.run(
        [program("late")],
        env={**os.environ, "LATE": how},
        capture_output=True,
        timeout=60,
        check=True,
    )
    return done.stdout.decode().splitlines()


def test_options_are_read_before_the_start(program):
    code, text = late(program, "usage")
    assert code == "MITOGEN_ERR_CONNECT"
    assert "its process exited with status 2" in text
    assert "; it printed: usage: late | there is no option" in text


def test_something_is_printed_before_the_start(program):
    assert late(program, "prints")[1:] == ["MITOGEN_OK", ""]


def test_start_is_left_out(program):
    code, text = late(program, "never")
    assert code == "MITOGEN_ERR_USAGE"
    assert "mitogen_init or mitogen_start must come first in main" in text
