"""Images for other platforms: who runs what, how it gets there, how often, and what is remembered.

The machine of another platform is an account behind a real ssh server, whose shell is told another name
by uname, and has programs for aarch64 run by qemu. Nothing else on this machine notices."""

import json
import os
import shutil
import subprocess

import pytest
from conftest import PROGRAMS
from methods import target

QEMU = "/usr/bin/qemu-aarch64-static"
AARCH64, X86_64 = "aarch64", "x86_64"
UNAME = '#!/bin/sh\ncase $1 in -sm) cat "$HOME/.machine";; *) exec /bin/uname "$@";; esac\n'
SHELL = """#!/bin/sh
PATH=$HOME/bin:$PATH LD_PRELOAD=$HOME/bin/exec_aarch64.so exec sh -c "$SSH_ORIGINAL_COMMAND"
"""


@pytest.fixture(scope="session")
def exec_aarch64(tmp_path_factory):
    if not os.access(QEMU, os.X_OK):
        pytest.fail(f"{QEMU} is missing: tools/setup check installs it")
    path = tmp_path_factory.mktemp("qemu") / "exec_aarch64.so"
    subprocess.run(
        [
            *("cc", "-shared", "-fPIC", "-D_GNU_SOURCE", f'-DQEMU="{QEMU}"', "-Wall", "-Werror"),
            *("-o", path, PROGRAMS / "exec_aarch64.c"),
        ],
        check=True,
    )
    return path


class Machine:
    """An account behind an ssh server, who can go to others from there."""

    def __init__(self, accounts, server, key):
        self.account, self.server, self.key = accounts.new("/bin/bash"), server, key
        self.account.authorize(key.public)
        files = server.client_config()
        self.key_path = self.account.write(".ssh/key", key.private, "600")
        known = self.account.write(".ssh/known", server.known_hosts.read_text())
        config = files.read_text().replace(str(server.known_hosts), str(known))
        self.config = self.account.write(".ssh/config", config)

    def become(self, exec_aarch64, machine=AARCH64):
        """Another machine from now on."""
        self.account.write("bin/uname", UNAME, "755")
        self.account.write("bin/shell", SHELL, "755")
        self.account.install("bin/exec_aarch64.so", "-m", "755", exec_aarch64)
        self.account.write(".machine", f"Linux {machine}\n")
        forced = f'command="{self.account.home}/bin/shell"'
        self.account.write(".ssh/authorized_keys", f"{forced} {self.key.public}\n", "600")
        return self

    def hop(self, starter=None, **options):
        """The target from another one, or from here."""
        key, config = self.key.path, self.server.client_config()
        if starter:
            key, config = starter.key_path, starter.config
        return target(
            f"ssh:{self.account.name}@{self.server.address}:{self.server.port}",
            identity_file=key,
            ssh_args=f"-F{config}",
            **options,
        )


@pytest.fixture(scope="module")
def bastion(accounts, servers, key):
    return Machine(accounts, servers.openssh(), key)


@pytest.fixture(scope="module")
def other(accounts, servers, key):
    return Machine(accounts, servers.openssh(), key)


@pytest.fixture
def foreign(other, exec_aarch64, build_dir):
    if not (build_dir / "agents/linux-aarch64").exists():
        pytest.fail("build/agents/linux-aarch64 is missing: make agents")
    return other.become(exec_aarch64)


@pytest.fixture(autouse=True)
def memory(monkeypatch, tmp_path):
    """Where platforms are remembered, by these tests alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/mitogen/platforms"


@pytest.fixture
def machines(run):
    """machines(target...): what runs there, by name: as what its kernel introduces itself."""

    def ask(*targets):
        result = run("tree", "--json", *targets)
        assert result.returncode == 0, result.stderr.decode()
        found = {}

        def walk(node):
            found[node["name"]] = node["machine"]
            for child in node["children"]:
                walk(child)

        walk(json.loads(result.stdout))
        return found

    return ask


def test_m20_a_foreign_agent_and_one_of_ours_below(machines, bastion, foreign):
    """M20: an aarch64 agent gets what an x86-64 machine behind it needs from its own parent."""
    found = machines(f"{foreign.hop(name='a')}/{bastion.hop(foreign, name='b')}")
    assert (found["a"], found["b"]) == (AARCH64, X86_64)


def test_m20_the_other_way_round(machines, bastion, foreign):
    found = machines(f"{bastion.hop(name='a')}/{foreign.hop(bastion, name='b')}")
    assert (found["a"], found["b"]) == (X86_64, AARCH64)


def test_m20_one_below_one_of_its_kind(machines, bastion, foreign, memory):
    """Under qemu, as where there is no /proc, a program does not find its own file: its parent has it."""
    found = machines(f"{foreign.hop(name='a')}/{foreign.hop(foreign, name='b')}")
    assert (found["a"], found["b"]) == (AARCH64, AARCH64)


def sent(run, *targets):
    """Bytes that the command has sent, and each process on the way to the targets, by name."""
    result = run("stats", "--json", *targets)
    assert result.returncode == 0, result.stderr.decode()
    return {p["name"]: p["counters"]["bytes_out"] for p in json.loads(result.stdout)}


def image_size(build_dir, platform):
    """Of what is sent."""
    return (build_dir / f"agents/linux-{platform}.gz").stat().st_size


@pytest.mark.parametrize("machine", [AARCH64, X86_64])
def test_m21_one_transfer_over_a_link(run, bastion, foreign, build_dir, machine):
    """M21: ten children behind a link, that are connected at the same time, cost it one image, which
    the machine in between has itself if it is of that platform, and a few hundred bytes each."""

    def behind(count):
        child = foreign if machine == AARCH64 else bastion
        hops = [child.hop(bastion, name=f"b{i}") for i in range(count)]
        return sent(run, *(f"{bastion.hop(name='a')}/{hop}" for hop in hops))

    one, ten = behind(1), behind(10)
    size = image_size(build_dir, machine)
    assert one["mitogen"] > image_size(build_dir, X86_64) + (size if machine == AARCH64 else 0)
    assert 0 < ten["mitogen"] - one["mitogen"] < 9 * 500
    assert ten["a"] > 10 * size  # to each of them


@pytest.fixture
def two_images(build_dir, tmp_path, monkeypatch):
    """A directory with agents for two platforms, and nothing else."""
    for name in ("linux-x86_64", "linux-aarch64"):
        shutil.copy(build_dir / "agents" / name, tmp_path)
    monkeypatch.setenv("MITOGEN_IMAGE_PATH", f"/nowhere:{tmp_path}")
    return tmp_path


def test_m20_a_platform_without_an_image(run, bastion, foreign, exec_aarch64, two_images):
    """M20: the error names the platform, where an image of it was looked for, and what there is."""
    foreign.become(exec_aarch64, "riscv64")
    for hops in (foreign.hop(), f"{bastion.hop()}/{foreign.hop(bastion)}"):
        error = run("run", hops, "--", "true").stderr.decode()
        assert "there is no image for linux-riscv64" in error
        assert "/nowhere/linux-riscv64: No such file" in error
        assert f"{two_images}/linux-riscv64: No such file" in error
        assert "there are some for linux-x86_64, linux-aarch64" in error
        assert "MITOGEN_IMAGE_PATH" in error


def test_m20_images_that_gzip_has_not_seen(machines, bastion, foreign, two_images):
    found = machines(f"{foreign.hop(name='a')}/{bastion.hop(foreign, name='b')}")
    assert (found["a"], found["b"]) == (AARCH64, X86_64)


@pytest.mark.parametrize("machine", ["mips64", "../../../bin/sh", "$(reboot)"])
def test_m20_an_unknown_platform(run, foreign, exec_aarch64, machine):
    foreign.become(exec_aarch64, machine)
    result = run("run", foreign.hop(), "--", "true")
    error = result.stderr.decode()
    assert f"there is no image for Linux on {machine}" in error
    assert "there are images for linux-x86_64, linux-aarch64, linux-armv7, linux-riscv64" in error


def test_m22_platforms_are_remembered(run, bastion, foreign, memory):
    """M22: of targets behind others, too."""
    hops = f"{bastion.hop()}/{foreign.hop(bastion)}"
    assert run("run", hops, "--", "true").returncode == 0
    lines = memory.read_text().splitlines()
    assert [line.split()[1] for line in lines] == ["linux-x86_64", "linux-aarch64"]
    assert memory.stat().st_mode & 0o777 == 0o600
    assert memory.parent.stat().st_mode & 0o777 == 0o700
    before = memory.stat().st_ino
    assert run("run", hops, "--", "true").returncode == 0
    assert memory.stat().st_ino == before  # there was nothing new


def test_m22_a_wrong_memory_costs_one_image(run, foreign, memory, build_dir):
    right = sent(run, foreign.hop())["mitogen"]
    written = memory.read_text()
    assert written.endswith(" linux-aarch64\n")
    memory.write_text(written.replace(AARCH64, X86_64))
    wrong = sent(run, foreign.hop())["mitogen"]
    assert 0 < wrong - right - image_size(build_dir, X86_64) < 1000
    assert memory.read_text() == written
    assert sent(run, foreign.hop())["mitogen"] == right


@pytest.mark.parametrize("where", ["/dev/null", "/proc", "relative"])
def test_m22_nowhere_to_remember(run, foreign, monkeypatch, where):
    monkeypatch.setenv("XDG_CACHE_HOME", where)
    result = run("run", foreign.hop(), "--", "true")
    assert (result.returncode, result.stderr) == (0, b"")
