"""mitogen tree."""

import json
import os
import re
import subprocess

import pytest
from run_tools import FakeAgent

UTF8 = {"LC_ALL": "C.UTF-8"}
ASCII = {"LC_ALL": "C"}


@pytest.fixture
def tree(run):
    """tree(*arguments, locale): the lines that it prints."""

    def run_tree(*arguments, locale=UTF8):
        result = run("tree", *arguments, env={**os.environ, **locale})
        assert (result.returncode, result.stderr) == (0, b"")
        return result.stdout.decode().splitlines()

    return run_tree


def names(lines):
    """The drawing without the columns, which are checked here."""
    assert lines[0].split() == ["NAME", "ID", "PID", "PLATFORM", "RSS"]
    assert len({len(line) for line in lines}) == 1
    rows = [re.fullmatch(r"(.*\S) +(\d+) +(\d+)  (\S+) +(\d+\.\d) MiB", line) for line in lines[1:]]
    assert {row.group(4) for row in rows} == {f"linux-{os.uname().machine}"}
    assert len({row.group(3) for row in rows}) == len(rows)
    assert len({row.group(2) for row in rows}) == len(rows)
    assert all(0 < float(row.group(5)) < 32 for row in rows)
    assert rows[0].group(2) == "0"
    return [row.group(1) for row in rows]


def test_one_target(tree):
    assert names(tree("local")) == ["mitogen", "└── local"]


TARGETS = ["local/local,name=é", "local,name=b", "local/local/local", "local"]


def test_drawing(tree):
    assert names(tree(*TARGETS)) == [
        "mitogen",
        "├── local",
        "│   ├── é",
        "│   └── local",
        "│       └── local",
        "└── b",
    ]


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "", "LC_CTYPE": "", "LANG": ""}])
def test_drawing_without_utf8(tree, locale):
    assert names(tree("local/local", "local,name=b", "local/local,name=c", locale=locale)) == [
        "mitogen",
        "|-- local",
        "|   |-- local",
        "|   `-- c",
        "`-- b",
    ]


@pytest.mark.parametrize("locale", [{"LC_ALL": "", "LC_CTYPE": "", "LANG": "de_DE.utf8"}])
def test_other_names_of_utf8(tree, locale):
    assert names(tree("local", locale=locale)) == ["mitogen", "└── local"]


def test_ten_hops(tree):
    drawing = names(tree("/".join(["local"] * 10)))
    assert drawing[-1] == "    " * 9 + "└── local"


def run_json(run, *arguments, status=0, **options):
    result = run("tree", "--json", *arguments, **options)
    assert result.returncode == status
    return json.loads(result.stdout), result.stderr


def test_json(run):
    root, _ = run_json(run, 'local,name=a"\\\\/local', "local")
    assert (root["name"], root["path"], root["id"]) == ("mitogen", "", 0)
    first, second = root["children"]
    (below,) = first["children"]
    assert (first["name"], first["path"]) == ('a"\\', 'a"\\')
    assert (below["name"], below["path"], below["children"]) == ("local", 'a"\\/local', [])
    assert second["name"] == "local"
    system = os.uname()
    for process in (root, first, second, below):
        assert process["system"] == system.sysname
        assert process["release"] == system.release
        assert process["machine"] == system.machine
        assert process["node"] == system.nodename
        assert process["uid"] == os.geteuid()
        assert 64 * 1024 < process["rss"] < 1 << 25
        assert "error" not in process


def test_target_that_is_not_reached(run, mitogen, tmp_path):
    """What lies behind it is not reached either; the reason is told once."""
    fake = FakeAgent(tmp_path, mitogen, "echo broken >&2; exit 9")
    environment = {**fake.environment, **ASCII}
    result = run("tree", "local/local", env=environment)
    assert result.returncode == 4
    drawing = result.stdout.decode().splitlines()
    assert drawing[2:] == ["`-- local      not reached", "    `-- local  not reached"]
    (line,) = re.findall(rb"mitogen tree: .*\n", result.stderr)
    assert line.startswith(b"mitogen tree: local could not be started: ")
    assert b"exited with status 9" in line
    root, _ = run_json(run, "local/local", status=4, env=environment)
    (child,) = root["children"]
    assert "mitogen.ping" not in child["error"]["text"]
    assert child["error"]["code"] == "MITOGEN_ERR_CONNECT"
    assert "exited with status 9" in child["error"]["text"]
    assert "pid" not in child
    assert "exited with status 9" in child["children"][0]["error"]["text"]


def test_process_that_does_not_answer(run, mitogen, tmp_path):
    """It says that it is there, and then nothing; the other one is shown."""
    fake = FakeAgent(
        tmp_path,
        mitogen,
        'mkdir "$HERE/one" 2>/dev/null || exec "$AGENT" "$@"; echo MITO001 1; exec cat 3>&1 >/dev/null',
    )
    result = run("tree", "--timeout", "1", "local", "local", env={**fake.environment, **ASCII})
    assert result.returncode == 4
    rows = [line.split() for line in result.stdout.decode().splitlines()[2:]]
    assert sorted(row[-1] for row in rows) == ["MiB", "answer"]
    assert re.fullmatch(
        rb"mitogen tree: local(#2)?: no answer in time\n", result.stderr
    )


def test_output_that_cannot_be_written(mitogen):
    with open("/dev/full", "wb") as full:
        result = subprocess.run([mitogen, "tree", "local"], stdout=full, stderr=subprocess.PIPE)
    assert result.returncode == 1
    assert b"cannot write to standard output: No space left on device\n" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        ([], ["no target", "mitogen tree local"]),
        (["--json"], ["no target"]),
        (["--jsno", "local"], ["did you mean --json?"]),
        (["-c", "local"], ["no option -c"]),
        (["local", "--timeout"], ["--timeout needs a value"]),
        (["--timeout=0", "local"], ["--timeout '0'", "give 0.001 to 1000000"]),
        (["--timeout=1000001", "local"], ["give 0.001 to 1000000 seconds"]),
        (["local", "--", "lcoal:x"], ["target 'lcoal:x': hop 1", "did you mean 'local'?"]),
        (["local", "--", "--json"], ["target '--json'"]),
    ],
)
def test_mistakes(run, arguments, texts):
    result = run("tree", *arguments)
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.startswith(b"mitogen tree: ")
    assert result.stderr.count(b"\n") == 1
    for text in texts:
        assert text in result.stderr.decode()
