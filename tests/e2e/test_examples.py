"""The examples: each is built as its user would build it, and does what it says. What documents
quote of them is what they are."""

import os
import re
import shutil
import subprocess

import pytest
from conftest import IS_SANITIZED, ROOT

EXAMPLES = ROOT / "examples"


@pytest.fixture
def example(build):
    """Builds an example, runs it, returns what it prints."""

    def run(name, *arguments):
        options = [] if IS_SANITIZED else ["-static"]
        program = build(name, *options, directory=EXAMPLES)
        done = subprocess.run([program, *arguments], capture_output=True, timeout=60, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


def test_nested(example):
    """C3: ten contexts, each the child of the one before."""
    lines = example("nested").splitlines()
    people = [re.fullmatch(r"(\d+), child of (\d+), is (\S+)", line).groups() for line in lines]
    assert [name for _, _, name in people] == ["/".join(["local.1"] * n) for n in range(1, 11)]
    for (parent, _, _), (_, claimed, _) in zip(people, people[1:]):
        assert claimed == parent


def test_join(example):
    """M23: workers that a program forks."""
    assert sorted(example("join").splitlines()) == ["1 * 1 = 1", "2 * 2 = 4", "3 * 3 = 9"]


def test_elsewhere(build, methods, for_all):
    """M3, M10: another machine, and another user there."""
    ssh = methods("ssh")
    options = [] if IS_SANITIZED else ["-static"]
    program = shutil.copy(build("elsewhere", *options, directory=EXAMPLES), for_all / "elsewhere")
    ssh.account.sudoers("NAME ALL=(ALL) NOPASSWD: ALL")
    try:
        done = ssh.starter.run(
            *(program, f"hostname={ssh.server.address}", f"port={ssh.server.port}"),
            *(f"username={ssh.account.name}", *(f"{k}={v}" for k, v in ssh.options().items())),
        )
    finally:
        ssh.account.sudoers()
    name, host = f"ssh.{ssh.server.address}", os.uname().nodename
    assert done.stdout.decode().splitlines() == [
        f"{name}: user {ssh.account.uid} on {host}",
        f"{name}/sudo.root: user 0 on {host}",
    ]
    assert (done.returncode, done.stderr) == (0, b"")


def test_scatter(example):
    assert example("scatter") == "1229 primes below 10000, the largest is 9973\n"


def test_siblings(example):
    assert example("siblings") == "listener heard: hello, sibling\n"


def test_detached(example, directories):
    path = directories / "detached"
    os.mkfifo(path)
    (program,) = re.fullmatch(r"process (\d+) ends, its child goes on\n", example("detached", path)).groups()
    ended, other = re.fullmatch(
        r"process (\d+) has ended, process (\d+) has not\n", path.read_text()
    ).groups()
    assert ended == program
    assert other != program


def test_prefork(example):
    assert example("prefork").splitlines() == [
        "fork.1: prime number 100 is 541",
        "fork.2: prime number 1000 is 7919",
        "fork.3: prime number 10000 is 104729",
    ]


@pytest.fixture
def tail(build):
    return build("tail", *([] if IS_SANITIZED else ["-static"]), directory=EXAMPLES)


def test_tail_follows_a_file(tail, directories):
    path = directories / "followed"
    with path.open("wb", buffering=0) as file:
        file.write(b"one\n")
        with subprocess.Popen([tail, path], stdout=subprocess.PIPE) as process:
            for line in (b"one\n", b"two\n", b"three\n"):
                assert process.stdout.readline() == line
                file.write({b"one\n": b"two\n", b"two\n": b"three\n"}.get(line, b""))
            process.terminate()


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["/nonexistent"], "local.1: tail: cannot open /nonexistent: No such file or directory"),
        ([], "local.1: tail: argument 1 is of another type than declared"),
    ],
)
def test_tail_says_what_is_wrong(tail, arguments, text):
    done = subprocess.run([tail, *arguments], capture_output=True, timeout=60, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", text + "\n")


@pytest.mark.parametrize("path", EXAMPLES.glob("*.c"), ids=lambda path: path.stem)
def test_every_example_is_built(path):
    assert f"'{path.stem}'" in (EXAMPLES / "meson.build").read_text()


def quotes():
    """Pieces of C in the documents, each under a line that names the example it is from."""
    for document in sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")]):
        text = document.read_text()
        for match in re.finditer(r"`examples/(\w+)\.c`[^\n]*\n\n```c\n(.*?)^```", text, re.M | re.S):
            yield pytest.param(*match.groups(), id=f"{document.name}-{match.group(1)}")


@pytest.mark.parametrize("name, quote", quotes())
def test_documents_quote_what_is_there(name, quote):
    def normal(code):
        return re.sub(r"\s+", " ", code)

    assert normal(quote) in normal((EXAMPLES / f"{name}.c").read_text())
