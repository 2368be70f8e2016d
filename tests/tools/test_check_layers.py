"""tools/check-layers refuses what its table forbids and nothing else."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def check(root, files):
    (root / "tools").mkdir()
    shutil.copy(ROOT / "tools/layers.txt", root / "tools")
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return subprocess.run(
        [ROOT / "tools/check-layers", root], text=True, stdout=subprocess.PIPE
    )


HEADERS = {
    "include/mitogen/types.h": "#include <stdint.h>\n",
    "include/mitogen/mitogen.h": "#include <mitogen/types.h>\n",
    "src/base/list.h": "#include <stddef.h>\n",
    "src/core/router.h": '#include <mitogen/types.h>\n#include "base/list.h"\n',
    "src/api/router.h": '#include <mitogen/mitogen.h>\n#include "core/router.h"\n',
    "src/cli/command.h": "#include <mitogen/mitogen.h>\n",
    "src/cli/main.c": '#include "cli/command.h"\n/*\n#include "core/router.h"\n*/\n',
}


def test_allowed_tree_passes(tmp_path):
    result = check(tmp_path, HEADERS)
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("src/base/a.c", '\n#include "core/router.h"\n', "2: src/base may not include src/core/"),
        ("src/core/a.c", "#include <mitogen/mitogen.h>\n", "1: src/core may not include include/"),
        ("src/cli/a.c", '#include "base/list.h"\n', "1: src/cli may not include src/base/list.h"),
        ("src/agent/a.c", '#include "core/router.h"\n', "1: src/agent may not include src/core/"),
        ("include/mitogen/types.h", "#include <mitogen/mitogen.h>\n", "types.h may not include"),
        ("src/core/a.c", '#include "router.h"\n', '"router.h" is not the path of a file below'),
        ("src/core/a.c", '#include "../base/list.h"\n', "is not the path of a file below src/"),
        ("src/core/a.c", '#include "core/gone.h"\n', "is not the path of a file below src/"),
        ("src/cli/a.c", '#include "cli/main.c"\n', '"cli/main.c" is not a header'),
        ("src/api/a.c", '#include "mitogen/types.h"\n', "included as <mitogen/types.h>"),
        ("src/base/a.c", "#include <zlib.h>\n", "<zlib.h> is not a header of libc"),
        ("src/base/a.c", "#include HEADER\n", "only #include"),
        ("src/new/a.c", "", "is in no layer"),
    ],
)
def test_forbidden_include_fails(tmp_path, name, text, message):
    result = check(tmp_path, {**HEADERS, name: text})
    assert result.returncode == 1
    assert result.stdout.startswith(name + ":")
    assert message in result.stdout


def test_most_specific_row_wins(tmp_path):
    table = "src/base: libc\nsrc/base/odd.c: libc src/core\nsrc/core: libc\n"
    files = {"src/base/odd.c": '#include "core/a.h"\n', "src/core/a.h": ""}
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/layers.txt").write_text(table)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    result = subprocess.run([ROOT / "tools/check-layers", tmp_path], stdout=subprocess.PIPE)
    assert result.returncode == 0
