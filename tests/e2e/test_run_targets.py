"""mitogen run: several targets."""

import hashlib
import os
import re
import resource
import subprocess

import pytest
from run_tools import MEMORY_MAX, FakeAgent, agents_of, drain, peak_memory

BOTH = ("run", "local", "local", "--", "sh", "-c")


def lines_of(output, label):
    return [line[len(label) + 2 :] for line in output.splitlines() if line.startswith(label + b": ")]


def test_lines_carry_the_names_of_their_targets(run):
    result = run(*BOTH, "echo one; echo two; echo three >&2")
    assert result.returncode == 0
    for label in (b"local", b"local#2"):
        assert lines_of(result.stdout, label) == [b"one", b"two"]
        assert lines_of(result.stderr, label) == [b"three"]


def test_third_occurrence(run):
    result = run("run", "local", "local", "local", "--", "echo", "x")
    assert sorted(result.stdout.splitlines()) == [b"local#2: x", b"local#3: x", b"local: x"]


def test_one_target_gets_no_prefix(run):
    assert run("run", "local", "--", "printf", "a\nb").stdout == b"a\nb"


def test_last_line_without_newline(run):
    result = run(*BOTH, "printf 'a\\nb'; printf c >&2")
    assert sorted(result.stdout.splitlines()) == [
        *[b"local#2: a", b"local#2: b", b"local: a", b"local: b"]
    ]
    assert sorted(result.stderr.splitlines()) == [b"local#2: c", b"local: c"]
    assert result.stdout.endswith(b"\n")


def test_empty_lines_and_carriage_returns(run):
    result = run(*BOTH, "printf '\\n\\r\\n\\n'")
    assert lines_of(result.stdout.replace(b"\r", b"R"), b"local") == [b"", b"R", b""]


def test_pieces_of_a_line_are_put_together(run, tmp_path):
    script = "printf a; echo >&2; printf b; echo >&2; echo c"
    assert lines_of(run(*BOTH, script).stdout, b"local#2") == [b"abc"]


def test_lines_of_targets_do_not_mix(run):
    """Long and short ones, written in pieces by both at the same time."""
    script = "for i in $(seq 300); do printf $i.; head -c $((i*7)) /dev/zero | tr '\\0' x; echo; done"
    result = run(*BOTH, script)
    for label in (b"local", b"local#2"):
        expected = [b"%d.%s" % (i, b"x" * (7 * i)) for i in range(1, 301)]
        assert lines_of(result.stdout, label) == expected


def test_endless_line_is_cut(run):
    size = 64 * 1024
    result = run(*BOTH, f"head -c {size * 2 + 10} /dev/zero; echo; head -c {size} /dev/zero; echo")
    for label in (b"local", b"local#2"):
        lengths = [len(line) for line in lines_of(result.stdout, label)]
        assert lengths == [size, size, 10, size]


def test_endless_line_needs_little_memory(mitogen):
    command = [mitogen, *BOTH, "head -c 20000000 /dev/zero; read x"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, bufsize=0, **pipes) as process:
        drain(process.stdout, 2 * 19000000)
        for pid in (process.pid, *agents_of(process)):
            assert peak_memory(pid) < MEMORY_MAX
        process.stdin.close()
        process.stdout.readall()
        assert process.wait() == 1  # read found no line


def test_raw_output(run):
    result = run("run", "--raw", "local", "local", "--", "printf", "no newline")
    assert result.stdout == b"no newlineno newline"


def test_input_goes_to_all(run):
    data = os.urandom(3 << 20)
    result = run("run", "local", "local", "local", "--", "sha256sum", input=data)
    digest = hashlib.sha256(data).hexdigest().encode()
    assert result.stdout.count(digest) == 3


def test_all_succeed(run):
    assert run(*BOTH, "true").returncode == 0


def test_one_fails(run, tmp_path):
    result = run(*BOTH, f"mkdir {tmp_path}/one || exit 3")
    assert result.returncode == 1
    assert re.search(rb"mitogen run: local(#2)?: exited with status 3\n", result.stderr)


def test_one_is_killed(run, tmp_path):
    result = run(*BOTH, f"mkdir {tmp_path}/one 2>/dev/null || kill $$")
    assert result.returncode == 1
    error = rb"mitogen run: local(#2)?: killed by signal 15 \(Terminated\)\n"
    assert re.fullmatch(error, result.stderr)


def test_both_are_killed(run):
    result = run(*BOTH, "kill -KILL $$")
    assert result.returncode == 1
    assert sorted(result.stderr.splitlines()) == [
        b"mitogen run: local#2: killed by signal 9 (Killed)",
        b"mitogen run: local: killed by signal 9 (Killed)",
    ]


@pytest.mark.parametrize("status", [1, 126, 127, 129, 130, 137, 143, 200, 255])
def test_statuses_that_look_like_signals(run, status):
    """A shell says with some of them that something was killed; itself it has ended well."""
    result = run(*BOTH, f"exit {status}")
    assert result.returncode == 1
    assert sorted(result.stderr.decode().splitlines()) == [
        f"mitogen run: local#2: exited with status {status}",
        f"mitogen run: local: exited with status {status}",
    ]


def test_missing_program_everywhere(run):
    result = run("run", "local", "local", "--", "no-such-program")
    assert result.returncode == 1
    assert result.stderr.count(b"no-such-program: cannot be run") == 2


@pytest.mark.parametrize("status", [0, 5])
def test_one_is_not_reached(run, mitogen, tmp_path, status):
    """That counts more than a program that failed; the others go on."""
    fake = FakeAgent(tmp_path, mitogen, 'mkdir "$HERE/one" 2>/dev/null && exec "$AGENT" "$@"; exit 1')
    result = run(*BOTH, f"echo done; exit {status}", env=fake.environment)
    assert result.returncode == 4
    assert re.fullmatch(rb"local(#2)?: done\n", result.stdout)
    assert result.stderr.count(b"could not be started") == 1


def test_thirty_targets(run):
    result = run("run", *["local"] * 30, "--", "sh", "-c", "cat; echo x", input=b"line\n")
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) == 60
    assert b"local#30: x" in result.stdout.splitlines()


def test_more_targets_than_the_soft_limit_of_descriptors_allows(run):
    limit = 32, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    result = run(
        *("run", *["local"] * 20, "--", "echo", "x"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit),
    )
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) == 20


def test_lines_of_two_commands_in_one_pipe_do_not_mix(mitogen):
    """Each line is one write, as long as a pipe takes it at once."""
    script = "for i in $(seq 500); do echo 0123456789; done"
    command = [mitogen, *BOTH, script]
    reader, writer = os.pipe()
    commands = [subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=writer) for _ in range(2)]
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        lines = file.read().splitlines()
    assert [process.wait() for process in commands] == [0, 0]
    assert len(lines) == 2000
    assert {re.sub(rb"#2", b"", line) for line in lines} == {b"local: 0123456789"}


@pytest.mark.parametrize("quote", "'\"")
def test_values_in_quotes(run, quote):
    target = f"local,name={quote}a,b=c\\d{quote}/local,name=e"
    result = run("run", target, "local", "--", "echo", "x")
    assert sorted(result.stdout.splitlines()) == [b"a,b=c\\d/e: x", b"local: x"]
