"""Bare machines, as the first stage may find them: a namespace of mounts in which every directory that
it may use is a file system of its own, and programs, and /proc, can be missing."""

import gzip
import os
import platform
import re
import shlex
import subprocess
from glob import glob
from pathlib import Path

import as_root
import pytest
from processes import child_pids, describe, descendants
from run_tools import status_field, wait_until

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("base/escape", "base/random", "base/sys", "module/platform", "parent/first_stage")

# Directories that every Debian has, and that nobody minds to have hidden.
HOME, XDG, TMPDIR, TOOLS = "/mnt", "/media", "/srv", "/opt"
NOBODY, SOMEBODY = 65534, 54321
PLACES = (XDG, "/dev/shm", "/run", TMPDIR, "/tmp", "/var/tmp", HOME)  # in the order of the script
MEMFD_NOEXEC = "/proc/sys/vm/memfd_noexec"
KINDS = {
    "good": "",
    "read-only": ",ro",
    "noexec": ",noexec",
    "small": ",size=16k",
    "full": ",nr_inodes=1",
    "the group's": f",mode=770,uid={NOBODY}",
    "everybody's": f",mode=777,uid={NOBODY}",
    "foreign": f",mode=777,uid={SOMEBODY}",
    "foreign and sticky": f",mode=1777,uid={SOMEBODY}",
}


class Words:
    """What a parent says."""

    def __init__(self, program, agent):
        def say(*arguments):
            return subprocess.run([program, *arguments], check=True, stdout=subprocess.PIPE).stdout

        self.say = say
        self.command = say("command").decode()
        self.plain = say("plain").decode()
        self.script = say("script")
        self.image = agent.read_bytes()
        self.packed = gzip.compress(self.image, 9)
        self.platform = f"linux-{platform.machine()}"

    def header(self, size, decoder="gzip", platform=None):
        return self.say("header", str(size), decoder, platform or self.platform)

    def with_header(self, data, decoder, platform=None):
        return self.header(len(data), decoder, platform) + data


@pytest.fixture(scope="session")
def words(build_dir, tmp_path_factory):
    agent = build_dir / f"agents/linux-{platform.machine()}"
    if not agent.exists():
        pytest.fail(f"{agent} is missing: run make first")
    program = tmp_path_factory.mktemp("first-stage") / "first_stage"
    subprocess.run(
        [
            *(os.environ.get("CC", "cc"), "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g"),
            *(f"-I{ROOT / 'include'}", f"-I{ROOT / 'src'}", "-o", program, "-pthread"),
            ROOT / "tests/programs/first_stage.c",
            *(ROOT / f"src/{source}.c" for source in SOURCES),
        ],
        check=True,
    )
    return Words(program, agent)


class Machine:
    """places: kinds of those that are not good; without: of perl, python, proc, memfd; sh: what runs as that;
    busybox: there are no other tools; programs: more of them, names to scripts."""

    def __init__(self, places=None, without=(), sh=None, busybox=False, programs=None, uid=NOBODY):
        self.places = dict.fromkeys(PLACES, "good") | (places or {})
        self.without, self.sh, self.busybox = set(without), sh, busybox
        self.programs = programs or {}
        self.uid = uid
        self.files = {}  # in its home

    def mounts(self):
        for place, kind in self.places.items():
            mode = {HOME: f"mode=700,uid={self.uid}", XDG: f"mode=700,uid={self.uid}"}.get(
                place, "mode=755" if place == "/run" else "mode=1777"
            )
            options = mode + KINDS[kind]
            yield f"mount -t tmpfs -o {options.replace(',ro', '')} none {place}"
            if place == HOME:
                for name, text in self.files.items():
                    yield f"mkdir -p {HOME}/$(dirname {name})"
                    yield f"printf %s {shlex.quote(text)} >{HOME}/{name}"
            if kind == "read-only":
                yield f"mount -o remount,ro {place}"
        yield f"mount -t tmpfs none {TOOLS}"
        if self.busybox:
            yield f"busybox --install -s {TOOLS}"
        if self.sh:
            yield f"ln -sf {self.sh} {TOOLS}/sh"
        for name, text in self.programs.items():
            if text is None:
                yield f"rm -f {TOOLS}/{name}"
            else:
                yield f"printf %s {shlex.quote(text)} >{TOOLS}/{name}; chmod 755 {TOOLS}/{name}"
        for name in {"perl", "python"} & self.without:
            for path in {os.path.realpath(path) for path in glob(f"/usr/bin/{name}*")}:
                yield f"mount --bind /dev/null {path}"
        if "memfd" in self.without:  # that can be executed
            yield f"echo 2 >{MEMFD_NOEXEC}"
        if "proc" in self.without:
            yield "mount -t tmpfs -o ro none /proc"

    def command(self, *command):
        path = TOOLS if self.busybox else f"{TOOLS}:/usr/bin:/bin"
        variables = {
            "HOME": HOME,
            "PATH": path,
            "XDG_RUNTIME_DIR": XDG,
            "TMPDIR": TMPDIR,
            "MITOGEN_TEST_ID": os.environ["MITOGEN_TEST_ID"],
        }
        leader = [
            "set -e",
            *self.mounts(),
            f"cd {HOME}",
            "set +e",
            shlex.join(
                [
                    *("setpriv", "--reuid", str(self.uid), "--regid", str(self.uid)),
                    *("--clear-groups", "env", "-i"),
                    *(f"{name}={value}" for name, value in variables.items()),
                    *command,
                ]
            ),
            "status=$?",
            f"find {' '.join(PLACES)} -name '.mitogen-*' -printf 'LEFT %s %p\\n' >&2",
            "echo ENDED $status >&2",
        ]
        # that setting is one of a namespace of processes
        namespaces = ["--mount"]
        if "memfd" in self.without:
            namespaces += ["--pid", "--fork", "--mount-proc"]
        return [*as_root.PREFIX, "unshare", *namespaces, "sh", "-c", "\n".join(leader)]


def name_of(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return None


def arguments_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []


def uid_of(pid):
    uids = status_field(pid, "Uid")
    return uids and int(uids.split()[0])


class Stage:
    """A first stage at work on a machine; the test is its parent."""

    def __init__(self, words, machine, *command):
        as_root.need()
        self.words, self.uid = words, machine.uid
        self.process = subprocess.Popen(
            machine.command(*(command or ("sh", "-c", words.command))),
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.heard = []
        self.status = self.left = self.errors = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def give(self, data):
        try:
            while data:
                data = data[self.process.stdin.write(data) :]
        except BrokenPipeError:
            pass  # it has ended; what it said is of more interest

    def give_image(self, decoder="gzip"):
        data = self.words.packed if decoder == "gzip" else self.words.image
        self.give(self.words.with_header(data, decoder))

    def hear(self):
        """The next line; "" at the end."""
        line = self.process.stdout.readline().decode()
        self.heard.append(line)
        return line

    def hear_until(self, start):
        while line := self.hear():
            if line.startswith(start):
                break
        return line

    def boot(self, decoder="gzip"):
        """Has the image sent as often as it is asked for; the last line."""
        self.give(self.words.script)
        self.give_image(decoder)
        while line := self.hear():
            if line.startswith("MITO002"):
                self.give_image(line.split()[1])
            elif line.startswith(("MITO001", "MITO003")):
                break
        return line

    def pids(self):
        return list(descendants(self.process.pid))

    def wait_for(self, name):
        """Until a process of this name runs."""
        wait_until(lambda: name in map(name_of, self.pids()), name)

    def kill(self, number):
        """All that runs there."""
        for pid in self.pids():
            if uid_of(pid) == self.uid:
                as_root.kill(pid, number)

    def image(self):
        """The PID of the image that runs now; it has inherited no children."""
        (pid,) = [pid for pid in self.pids() if arguments_of(pid)[1:2] == ["--mitogen-child"]]
        assert list(map(describe, child_pids(pid))) == []
        return pid

    def program(self):
        """The path of the image that runs now."""
        return as_root.run("readlink", f"/proc/{self.image()}/exe").strip()

    def end(self):
        """Its input ends, and so has it to. Sets what it has left: sizes and paths."""
        if self.status is not None:
            return
        self.process.stdin.close()
        if not self.process.stdout.closed:
            rest = self.process.stdout.read().decode(errors="replace")
            self.heard += rest.splitlines(keepends=True)
        self.errors = self.process.stderr.read().decode(errors="replace")
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()
        self.left = re.findall(r"LEFT (\d+) (\S+)", self.errors)
        ended = re.search(r"ENDED (\d+)", self.errors)
        assert ended, self.errors
        self.status = int(ended[1])
