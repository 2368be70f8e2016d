"""tools/check-docs notices what documents name and is not there."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def check(root, text):
    (root / "Makefile").write_text("all: x\nx demo:\n\ttrue\nVAR := 1\n")
    (root / "src/core").mkdir(parents=True)
    (root / "src/core/router.c").touch()
    (root / "docs/man").mkdir(parents=True)
    (root / "docs/man/mitogen.1").write_text(".It Fl \\-\\-user\n")
    (root / "README.md").write_text(text)
    return subprocess.run([ROOT / "tools/check-docs", root], text=True, stdout=subprocess.PIPE)


@pytest.mark.parametrize(
    "text",
    [
        "`src/core/router.c:12`, `src/<layer>/router.c`, `src/*/*.c`, `src/core/`, `README.md`",
        "`/etc/passwd`, `a/b`, `application/json`, src/gone.c",
        "`make demo`, `make -j2 all V=1`, make sure\n```sh\nmake x  # comment\n```\n",
        "`mitogen run --user me -- ls --all`, `ls --all`",
    ],
)
def test_what_exists_passes(tmp_path, text):
    result = check(tmp_path, text)
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize(
    "text, message",
    [
        ("\n`src/core/gone.c`", "README.md:2: there is no src/core/gone.c"),
        ("`GONE.md`", "README.md:1: there is no GONE.md"),
        ("`make gone`", "README.md:1: the Makefile has no target gone"),
        ("```sh\n$ make demo gone\n```", "README.md:2: the Makefile has no target gone"),
        ("`build/mitogen run --users me`", "README.md:1: neither a man page nor"),
    ],
)
def test_what_is_missing_fails(tmp_path, text, message):
    result = check(tmp_path, text)
    assert result.returncode == 1
    assert result.stdout.startswith(message)
