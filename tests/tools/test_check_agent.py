"""tools/check-agent refuses an agent that is not static, not stripped or too big."""

import gzip
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "int main(void)\n{\n\treturn 0;\n}\n"
STATIC = ("-s", "-nostdlib", "-static", "-Wl,-e,main")


def build(path, *flags):
    command = ["gcc", "-xc", "-", "-o", path, *flags]
    subprocess.run(command, check=True, text=True, input=PROGRAM)


def compress(path):
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))


def check(path):
    return subprocess.run([ROOT / "tools/check-agent", path], text=True, stdout=subprocess.PIPE)


def check_built(path, *flags):
    build(path, *flags)
    compress(path)
    return check(path)


def test_dynamic_one_is_refused(tmp_path):
    result = check_built(tmp_path / "agent", "-s")
    assert result.returncode == 1
    assert "asks for a dynamic linker" in result.stdout
    assert "needs shared libraries" in result.stdout


def test_unstripped_one_is_refused(tmp_path):
    result = check_built(tmp_path / "agent", "-g", "-nostdlib", "-static", "-Wl,-e,main")
    assert result.returncode == 1
    assert "is not stripped" in result.stdout


def test_small_static_one_passes(tmp_path):
    result = check_built(tmp_path / "agent", *STATIC)
    assert result.returncode == 0


def test_big_one_is_refused(tmp_path):
    path = tmp_path / "agent"
    build(path, *STATIC)
    with path.open("ab") as file:
        file.write(os.urandom(128 * 1024))
    compress(path)
    result = check(path)
    assert result.returncode == 1
    assert "bytes compressed; the limit is 131072" in result.stdout


def test_another_one_compressed_is_refused(tmp_path):
    path = tmp_path / "agent"
    build(path, *STATIC)
    compress(path)
    with path.open("ab") as file:
        file.write(b"newer")
    result = check(path)
    assert result.returncode == 1
    assert "is not what its .gz holds" in result.stdout
