"""make install and make uninstall."""

import subprocess

from conftest import ROOT


def make(target, directory):
    subprocess.run(
        ["make", "-C", ROOT, "--no-print-directory", target, f"DESTDIR={directory}", "PREFIX=/usr"],
        stdout=subprocess.PIPE,
        check=True,
    )


def test_what_is_installed_works_and_can_be_removed(tmp_path):
    make("install", tmp_path)
    done = subprocess.run(
        [tmp_path / "usr/bin/mitogen", "run", "local", "--", "echo", "hello"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")
    others = tmp_path / "usr/lib/libmitogenic.so"
    others.touch()
    make("uninstall", tmp_path)
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == [others]
