"""mitogen stats."""

import json
import re
import subprocess

import pytest
from conftest import ROOT
from run_tools import FakeAgent

HEADER = (ROOT / "include/mitogen/mitogen.h").read_text()


def declared():
    """The counters of the public structure."""
    body = re.search(r"typedef struct mitogen_counters {(.*?)} mitogen_counters;", HEADER, re.DOTALL)
    fields = re.findall(r"^\tuint64_t ([\w, ]+);", body.group(1), re.MULTILINE)
    return {name for names in fields for name in names.split(", ")}


def blocks(output):
    """The counters of each process, by its name."""
    result = {}
    for block in output.decode().split("\n\n"):
        head, *lines = block.splitlines()
        assert head.endswith(":")
        counters = [re.fullmatch(r"  (\w+) +(\d+)", line).groups() for line in lines]
        assert [name for name, _ in counters] == sorted(name for name, _ in counters)
        result[head[:-1]] = {name: int(value) for name, value in counters}
    return result


def test_c15_counters_of_all_processes(run):
    """C15: of the command itself and each process, also on the way to a target."""
    result = run("stats", "local/local", "local,name=b")
    assert (result.returncode, result.stderr) == (0, b"")
    found = blocks(result.stdout)
    assert list(found) == ["mitogen", "local", "local/local", "b"]
    for counters in found.values():
        assert set(counters) == declared()
    children = {name: counters["children"] for name, counters in found.items()}
    assert children == {"mitogen": 2, "local": 1, "local/local": 0, "b": 0}
    streams = {name: counters["streams"] for name, counters in found.items()}
    assert streams == {"mitogen": 2, "local": 2, "local/local": 1, "b": 1}
    assert found["mitogen"]["calls_sent"] >= 4
    for name in ("local", "local/local", "b"):
        assert found[name]["calls_received"] >= 1
        assert found[name]["bytes_in"] > 0
    for counters in found.values():
        assert counters["refused"] == counters["forged"] == counters["dead_replies"] == 0


def test_c15_json(run):
    result = run("stats", "--json", "local/local")
    assert (result.returncode, result.stderr) == (0, b"")
    processes = json.loads(result.stdout)
    assert [process["path"] for process in processes] == ["", "local", "local/local"]
    assert [process["name"] for process in processes] == ["mitogen", "local", "local"]
    assert processes[0]["id"] == 0 and len({process["id"] for process in processes}) == 3
    for process in processes:
        assert set(process["counters"]) == declared()


def test_manual_explains_all_counters():
    text = (ROOT / "docs/man/mitogen-stats.1").read_text()
    items = re.findall(r"^\.It Cm (.*)$", text, re.MULTILINE)
    assert {name for item in items for name in item.split(" , ")} == declared()


def test_target_that_is_not_reached(run, mitogen, tmp_path):
    fake = FakeAgent(tmp_path, mitogen, "exit 9")
    result = run("stats", "local/local", env=fake.environment)
    assert result.returncode == 4
    assert result.stdout.decode().split("\n\n")[1:] == [
        "local:\n  not reached",
        "local/local:\n  not reached\n",
    ]
    assert result.stderr.count(b"mitogen stats: ") == 1
    result = run("stats", "--json", "local", env=fake.environment)
    assert result.returncode == 4
    own, other = json.loads(result.stdout)
    assert "counters" in own and "error" not in own
    assert "counters" not in other and "exited with status 9" in other["error"]["text"]


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        ([], ["no target", "mitogen stats local"]),
        (["--jsno", "local"], ["did you mean --json?"]),
        (["--timeout=x", "local"], ["--timeout 'x'", "no number of seconds"]),
        (["locla:x"], ["target 'locla:x': hop 1", "did you mean 'local'?"]),
    ],
)
def test_mistakes(run, arguments, texts):
    result = run("stats", *arguments)
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.startswith(b"mitogen stats: ")
    assert result.stderr.count(b"\n") == 1
    for text in texts:
        assert text in result.stderr.decode()


def test_output_that_is_closed(mitogen):
    command = ["sh", "-c", '"$0" stats local >&-', mitogen]
    result = subprocess.run(command, capture_output=True)
    assert result.returncode == 1
    assert result.stderr == b"mitogen stats: cannot write to standard output: Bad file descriptor\n"
