"""The end-to-end tests' own guard, tests/e2e/conftest.py, notices what a test leaves behind."""

import textwrap
from pathlib import Path

import pytest

pytest_plugins = "pytester"
CONFTEST = Path(__file__).resolve().parents[1] / "e2e/conftest.py"

LEAKS = {
    "process": """
        subprocess.Popen(["sleep", "600"])
    """,
    "orphan": """
        subprocess.run(["sh", "-c", "sleep 600 & exit 0"])
    """,
    "orphan_without_mark": """
        subprocess.run(["env", "-i", "/bin/sh", "-c", "sleep 600 & exit 0"])
    """,
    "fd": """
        os.dup(0)
    """,
    "temporary_file": """
        subprocess.run(["sh", "-c", 'echo x >"$TMPDIR/left"'])
    """,
    "shared_memory": """
        name = f"/dev/shm/.{os.getpid()}-left"
        open(name, "w").close()
        atexit.register(os.unlink, name)
    """,
    "process_of_an_account": """
        subprocess.Popen(accounts.any().command("sleep", "600"))
    """,
    "file_in_the_home_of_an_account": """
        accounts.any().run("touch", "left")
    """,
    "temporary_file_of_an_account": """
        accounts.any().run("mktemp", "/tmp/left.XXXXXX")
    """,
}

CLEAN = """
    subprocess.run(["true"])
    subprocess.run(["sh", "-c", "(sleep 0.1) & exit 0"])
    subprocess.Popen(["true"])
    with open(os.environ["TMPDIR"] + "/x", "w"):
        os.unlink(os.environ["TMPDIR"] + "/x")
    accounts.any().write("wanted", "")
"""


def run_test(pytester, body):
    fixture = "accounts" if "accounts" in body else ""
    pytester.makeconftest(CONFTEST.read_text())
    body = textwrap.indent(textwrap.dedent(body), "    ")
    pytester.makepyfile(f"import atexit, os, subprocess\ndef test({fixture}):\n{body}")
    return pytester.runpytest_subprocess("--grace=1", "-p", "no:cacheprovider")


@pytest.fixture(autouse=True)
def modules(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(CONFTEST.parent))


@pytest.mark.parametrize("leak", LEAKS)
def test_leak_is_an_error(pytester, leak):
    result = run_test(pytester, LEAKS[leak])
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*left behind:*"])


def test_clean_test_passes(pytester):
    run_test(pytester, CLEAN).assert_outcomes(passed=1)
