"""tools/check-agent refuses an agent that is not static, not stripped or too big."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "int main(void)\n{\n\treturn 0;\n}\n"


def check(path, *flags):
    command = ["gcc", "-xc", "-", "-o", path, *flags]
    subprocess.run(command, check=True, text=True, input=PROGRAM)
    return subprocess.run([ROOT / "tools/check-agent", path], text=True, stdout=subprocess.PIPE)


def test_dynamic_one_is_refused(tmp_path):
    result = check(tmp_path / "agent", "-s")
    assert result.returncode == 1
    assert "asks for a dynamic linker" in result.stdout
    assert "needs shared libraries" in result.stdout


def test_unstripped_one_is_refused(tmp_path):
    result = check(tmp_path / "agent", "-g", "-nostdlib", "-static", "-Wl,-e,main")
    assert result.returncode == 1
    assert "is not stripped" in result.stdout


def test_small_static_one_passes(tmp_path):
    result = check(tmp_path / "agent", "-s", "-nostdlib", "-static", "-Wl,-e,main")
    assert result.returncode == 0


def test_big_one_is_refused(tmp_path):
    path = tmp_path / "agent"
    check(path, "-s", "-nostdlib", "-static", "-Wl,-e,main")
    with path.open("ab") as file:
        file.write(os.urandom(128 * 1024))
    result = subprocess.run([ROOT / "tools/check-agent", path], stdout=subprocess.PIPE)
    assert result.returncode == 1
