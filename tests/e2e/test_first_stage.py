"""M3: the first stage on bare machines, whatever their shells, tools and directories."""

import re
import select
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import as_root
import pytest
from machines import HOME, KINDS, MEMFD_NOEXEC, PLACES, TMPDIR, XDG, Machine, Stage, arguments_of
from machines import words  # noqa: F401 a fixture
from run_tools import status_field

LOGIN_SHELLS = ["dash", "bash", "zsh", "ksh93", "mksh", "yash", "csh", "tcsh", "fish", "busybox"]
SHELLS = ["dash", "bash", "zsh", "ksh93", "mksh", "yash", "busybox"]  # those that can be sh
READY = "MITO001 1\n"
NOISE = """echo "* * * Welcome to $HOME. MITO003 MITO001 1"; printf "password: "\n"""


def path_of(shell):
    path = shutil.which(shell, path="/usr/bin:/bin")
    if not path:
        pytest.fail(f"{shell} is missing: run tools/setup check")
    return path


@pytest.fixture
def stage(words):
    """stage(machine, *command): a first stage, which is ended after the test."""
    stages = []

    def start(machine, *command):
        stages.append(Stage(words, machine, *command))
        return stages[-1]

    yield start
    for each in stages:
        each.end()


def all_places(kind):
    return dict.fromkeys(PLACES, kind)


# ---- Login shells ----


def as_login_shell(shell, command, *options):
    return [path_of(shell), *(["ash"] if shell == "busybox" else []), *options, "-c", command]


def escaped_by_sudo(words):
    """What sudo --login makes of arguments."""
    return " ".join(re.sub(r"[^A-Za-z0-9_$-]", r"\\\g<0>", word) for word in words)


@pytest.mark.parametrize("shell", LOGIN_SHELLS)
def test_login_shell(stage, words, shell):
    first = stage(Machine(), *as_login_shell(shell, words.command))
    assert first.boot() == READY
    assert first.program().startswith("/memfd:mitogen:here")
    first.end()
    assert (first.left, first.heard[0]) == ([], "\n")
    assert first.heard[1].startswith("MITO000 Linux ")


@pytest.mark.parametrize("shell", LOGIN_SHELLS)
def test_login_shell_of_sudo_login(stage, words, shell):
    command = escaped_by_sudo(["sh", "-c", words.plain])
    first = stage(Machine(), *as_login_shell(shell, command))
    assert first.boot() == READY
    first.end()
    assert first.left == []


@pytest.mark.parametrize("shell", LOGIN_SHELLS)
def test_what_a_login_shell_prints_before(stage, words, shell):
    machine = Machine()
    names = [".profile", ".bash_profile", ".zshenv", ".cshrc", ".yash_profile"]
    machine.files = dict.fromkeys([*names, ".config/fish/config.fish"], NOISE)
    login = [] if shell in ("csh", "tcsh", "fish") else ["-l"]
    first = stage(machine, *as_login_shell(shell, words.command, *login))
    assert first.boot() == READY
    first.end()
    assert "".join(first.heard).count("password: \nMITO000 Linux") == 1
    assert first.left == []


# ---- The shell that runs the script ----


def as_sh(shell, **options):
    """A machine where that is sh; with busybox, it has no other tools."""
    return Machine(sh=path_of(shell), busybox=shell == "busybox", **options)


@pytest.mark.parametrize("decoder", ["gzip", "raw"])
@pytest.mark.parametrize("shell", SHELLS)
def test_sh_with_perl(stage, shell, decoder):
    first = stage(as_sh(shell))
    assert first.boot(decoder) == READY
    assert first.program().startswith("/memfd:mitogen:here")
    first.end()
    assert first.left == []


@pytest.mark.parametrize("decoder", ["gzip", "raw"])
@pytest.mark.parametrize("shell", SHELLS)
def test_sh_without_perl(stage, shell, decoder):
    first = stage(as_sh(shell, without=["perl"]))
    assert first.boot(decoder) == READY
    assert re.fullmatch(XDG + r"/\.mitogen-[0-9a-f]{16} \(deleted\)", first.program())
    first.end()
    assert first.left == []


@pytest.mark.parametrize("shell", SHELLS)
def test_sh_with_one_good_place_that_is_the_last(stage, shell):
    places = {
        XDG: "noexec",
        "/dev/shm": "read-only",
        TMPDIR: "small",
        "/tmp": "full",
        "/var/tmp": "foreign and sticky",
    }
    first = stage(as_sh(shell, without=["perl", "python"], places=places))
    assert first.boot() == READY
    assert first.program().startswith(f"{HOME}/.mitogen-")
    first.end()
    assert first.left == []
    assert sum(line.startswith("MITO002") for line in first.heard) == 1


@pytest.mark.parametrize("shell", SHELLS)
def test_sh_without_proc(stage, shell):
    places = {XDG: "noexec", "/dev/shm": "small"}
    first = stage(as_sh(shell, without=["perl", "proc"], places=places))
    assert first.boot() == READY
    assert re.fullmatch(rf"{TMPDIR}/\.mitogen-[0-9a-f]{{16}} \(deleted\)", first.program())
    first.end()
    assert first.left == []


@pytest.mark.parametrize("shell", SHELLS)
def test_sh_with_python_alone(stage, shell):
    programs = {"python3": '#!/bin/sh\nexec /usr/bin/python3 "$@"\n'} if shell == "busybox" else {}
    machine = as_sh(shell, without=["perl"], places=all_places("noexec"), programs=programs)
    first = stage(machine)
    assert first.boot() == READY
    assert first.program().startswith("/memfd:mitogen")
    first.end()
    assert first.left == []


def test_python_takes_nothing_from_where_it_is_run(stage):
    """Which may be a directory of anybody's, while we are another account, or root."""
    machine = Machine(without=["perl"], places=all_places("noexec"))
    modules = ("os", "signal", "zlib", "ctypes", "struct")
    machine.files = {f"{name}.py": "raise SystemExit(3)\n" for name in modules}
    first = stage(machine)
    assert first.boot() == READY
    assert first.program().startswith("/memfd:mitogen")
    first.end()
    assert first.left == []


@pytest.mark.parametrize("shell", SHELLS)
def test_sh_where_others_could_replace_the_image(stage, shell):
    places = {XDG: "the group's", "/dev/shm": "everybody's", TMPDIR: "everybody's"}
    first = stage(as_sh(shell, without=["perl", "python"], places=places))
    assert first.boot() == READY
    assert first.program().startswith("/tmp/.mitogen-")
    first.end()
    assert first.left == []


@pytest.mark.parametrize("shell", SHELLS)
def test_sh_says_all_reasons_at_the_end(stage, shell):
    places = {
        XDG: "foreign",
        "/dev/shm": "read-only",
        TMPDIR: "noexec",
        "/tmp": "full",
        "/var/tmp": "small",
        HOME: "foreign and sticky",
    }
    first = stage(as_sh(shell, without=["perl", "python"], places=places))
    line = first.boot().lower()
    assert line.startswith("mito003 ")
    for reason in (
        "memfd through perl: there is no perl",
        f"{XDG}: it is neither ours alone nor root's and sticky",
        "/dev/shm: read-only file system",
        "/run: it is neither ours alone nor root's and sticky",
        "memfd through python: there is no python that has ctypes",
        f"{TMPDIR}: programs may not be executed there (noexec)",
        "/tmp: no space left on device",
        "/var/tmp: no space left on device",
        f"{HOME}: it is neither ours alone nor root's and sticky",
    ):
        place, what = reason.split(": ", 1)
        assert re.search(f"{place}: [^;]*{re.escape(what)}", line)
    first.end()
    assert (first.status, first.left) == (1, [])


# ---- Places ----


@pytest.mark.parametrize("place", [place for place in PLACES if place != "/run"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "good"])
def test_one_good_place(stage, place, kind):
    machine = Machine(without=["perl", "python"], places=all_places(kind) | {place: "good"})
    first = stage(machine)
    assert first.boot() == READY
    assert first.program().startswith(f"{place}/.mitogen-")
    first.end()
    assert first.left == []


def test_run_of_root(stage):
    machine = Machine(without=["perl"], places=all_places("noexec") | {"/run": "good"}, uid=0)
    first = stage(machine)
    assert first.boot() == READY
    assert first.program().startswith("/run/.mitogen-")
    first.end()
    assert first.left == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "good"])
@pytest.mark.parametrize("without", [["python"], ["perl"]])
def test_no_place_is_needed_with(stage, kind, without):
    first = stage(Machine(without=without, places=all_places(kind)))
    assert first.boot() == READY
    assert first.program().startswith("/memfd:mitogen")
    first.end()
    assert first.left == []


@pytest.mark.parametrize("without", [[], ["perl"], ["python"], ["perl", "python"]])
def test_no_proc(stage, without):
    first = stage(Machine(without=["proc", *without]))
    assert first.boot() == READY
    assert first.program().startswith(f"{XDG}/.mitogen-")
    first.end()
    assert first.left == []


def test_places_that_are_not_set_or_not_there(stage, words):
    command = f"unset XDG_RUNTIME_DIR; TMPDIR=/nowhere HOME=relative {words.command}"
    machine = Machine(without=["perl", "python"], places=all_places("noexec"))
    first = stage(machine, "sh", "-c", command.replace("exec ", "exec env "))
    line = first.boot()
    assert line.startswith("MITO003 ")
    assert "/nowhere: there is no such directory" in line
    assert "relative" not in line
    assert line.count(f"{HOME}: ") == 1  # it is where it runs, too


@pytest.mark.parametrize("without", [[], ["perl"]])
def test_memfd_that_the_kernel_refuses(stage, without):
    if not Path(MEMFD_NOEXEC).exists():
        pytest.skip("this kernel cannot refuse them")
    places = {XDG: "noexec", "/dev/shm": "noexec"}
    first = stage(Machine(places=places, without=["memfd", *without]))
    assert first.boot() == READY
    assert first.program().startswith(f"{TMPDIR}/.mitogen-")
    first.end()
    assert first.left == []
    assert not any(line.startswith("MITO002") for line in first.heard)


def test_architecture_whose_memfds_are_not_known(stage, words):
    machine = Machine(programs={"uname": "#!/bin/sh\necho Linux unheard\n"})
    first = stage(machine)
    first.give(words.script + words.with_header(words.packed, "gzip", "other"))
    assert first.hear_until("MITO00") == "MITO000 Linux unheard\n"
    assert first.hear_until("MITO00") == READY
    assert first.program().startswith(f"{XDG}/.mitogen-")
    first.end()
    assert first.left == []


# ---- Tools and images ----


def busybox_without(*names):
    """Its own shell has all of its tools in itself."""
    programs = dict.fromkeys(names)
    return Machine(sh=path_of("dash"), busybox=True, without=["perl"], programs=programs)


def test_dd_stands_in_for_head(stage):
    first = stage(busybox_without("head"))
    assert first.boot() == READY


def test_raw_image_where_gzip_is_missing(stage):
    first = stage(busybox_without("gzip"))
    assert first.boot() == READY
    assert [line for line in first.heard if line.startswith("MITO002")] == [
        "MITO002 raw memfd through perl: there is no perl; there is no gzip\n"
    ]


@pytest.mark.parametrize("names", [["head", "dd"], ["chmod"], ["rm"], ["cat"]])
def test_missing_tool_is_named(stage, names):
    first = stage(busybox_without(*names))
    missing = "neither head nor dd" if "head" in names else f"no {names[0]}"
    assert first.boot() == f"MITO003 memfd through perl: there is no perl; there is {missing}\n"
    first.end()
    assert (first.status, first.left) == (1, [])


def test_missing_uname_is_told(stage):
    first = stage(busybox_without("uname"))
    assert first.hear_until("MITO000") == "MITO000\n"
    first.give(first.words.script)
    first.give_image()
    assert "but this is unknown: there is no uname\n" in first.hear_until("MITO00")


WITHOUT = {"perl": [], "sh": ["perl"], "python": ["perl"], "no-proc": ["perl", "proc"]}


def reader(name, **options):
    """A machine where that reads the image."""
    places = all_places("noexec") if name == "python" else {}
    return Machine(without=WITHOUT[name], places=places, **options)


readers = pytest.mark.parametrize("name", list(WITHOUT))


@readers
def test_image_for_another_platform(stage, words, name):
    first = stage(reader(name))
    other = "linux-riscv64" if words.platform != "linux-riscv64" else "linux-x86_64"
    first.give(words.script + words.with_header(words.packed, "gzip", other))
    first.hear_until("MITO000")
    line = first.hear()
    assert line.startswith("MITO002 gzip ")
    assert f"the image is for {other}, but this is Linux " in line
    first.give(words.with_header(words.image, "raw"))
    assert first.hear() == READY


def insist(first, image, decoder):
    """Gives this image until it is given up; what is said then."""
    first.give(first.words.script)
    first.give(first.words.with_header(image, decoder))
    while line := first.hear():
        if line.startswith("MITO002 "):
            first.give(first.words.with_header(image, decoder))
        elif line.startswith(("MITO001", "MITO003")):
            break
    return line


@readers
def test_damaged_image(stage, words, name):
    first = stage(reader(name))
    middle = len(words.packed) // 2
    line = insist(first, words.packed[:middle] + b"damaged" + words.packed[middle + 7 :], "gzip")
    assert line.startswith("MITO003 ")
    assert re.search("invalid compressed data|crc error|while decompressing", line)
    first.end()
    assert first.left == []


@readers
def test_image_that_cannot_be_executed(stage, name, tmp_path):
    """Its loader is not there."""
    source, program = tmp_path / "main.c", tmp_path / "program"
    source.write_text("int main(void) { return 0; }\n")
    subprocess.run(["cc", "-o", program, source, "-Wl,--dynamic-linker=/nowhere"], check=True)
    first = stage(reader(name))
    line = insist(first, program.read_bytes(), "raw")
    assert line.startswith("MITO003 ")
    assert "the image cannot be executed" in line or name == "python"
    first.end()
    assert first.left == []


def inherited(pid):
    return [status_field(pid, name) for name in ("SigIgn", "SigBlk", "Umask")]


@readers
def test_image_gets_what_the_command_got(stage, name):
    first = stage(reader(name))
    first.hear_until("MITO000")
    (shell,) = [pid for pid in first.pids() if arguments_of(pid)[:2] == ["sh", "-c"]][-1:]
    before = inherited(shell)
    variables = as_root.run("cat", f"/proc/{shell}/environ")
    assert first.boot() == READY
    assert inherited(first.image()) == before
    after = as_root.run("cat", f"/proc/{first.image()}/environ")
    added = ("_=", "PWD=", "OLDPWD=", "SHLVL=")  # by shells
    assert [each for each in after.split("\0") if not each.startswith(added)] == [
        each for each in variables.split("\0") if not each.startswith(added)
    ]


def test_perl_does_not_complain_of_the_locale(stage, words):
    first = stage(Machine(), "env", "LC_ALL=xx_XX.nowhere", "sh", "-c", words.command)
    assert first.boot() == READY
    first.end()
    assert "locale" not in first.errors


def test_rubbish_instead_of_an_image(stage, words):
    first = stage(Machine(without=["perl"]))
    first.give(words.script + b"rubbish, not a header\n")
    assert first.hear_until("MITO003").endswith("; what came is no image\n")


# ---- Links that are lost, signals ----


PARTS = {  # of what a parent says
    "nothing": lambda words: b"",
    "half-the-first-line": lambda words: words.script[:12],
    "half-the-second-line": lambda words: words.script[:250],
    "half-of-what-perl-runs": lambda words: words.script[:1000],
    "half-the-last-line": lambda words: words.script[:-900],
    "the-script": lambda words: words.script,
    "half-a-header": lambda words: words.script + words.header(1000000)[:9],
    "a-header": lambda words: words.script + words.header(1000000),
    "half-an-image": lambda words: words.script + words.with_header(words.image, "raw")[:-50000],
    "half-a-packed-image": lambda words: words.script
    + words.with_header(words.packed, "gzip")[:-50000],
    "all": lambda words: words.script + words.with_header(words.image, "raw"),
}


@readers
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("is_heard", [True, False])
def test_lost_link(stage, words, name, part, is_heard):
    first = stage(reader(name))
    first.hear_until("MITO000")
    if not is_heard:
        first.process.stdout.close()
    first.give(PARTS[part](words))
    first.end()
    assert first.left == []
    assert READY not in first.heard or part == "all"
    if is_heard and part not in ("all", *list(PARTS)[:5]):
        assert first.heard[-1].startswith("MITO003 ")
        assert first.heard[-1].endswith("what was sent has ended too early\n")


def reading_an_image(stage, words, name):
    first = stage(reader(name))
    first.give(PARTS["half-an-image"](words))
    first.wait_for({"sh": "head", "no-proc": "head", "python": "python3"}.get(name, name))
    return first


@readers
@pytest.mark.parametrize("number", ["HUP", "INT", "QUIT", "PIPE", "ALRM", "TERM", "USR1", "USR2"])
def test_signal(stage, words, name, number):
    first = reading_an_image(stage, words, name)
    first.kill(signal.Signals[f"SIG{number}"])
    first.end()
    assert first.left == []


@readers
def test_kill(stage, words, name):
    first = reading_an_image(stage, words, name)
    first.kill(signal.SIGKILL)
    first.end()
    # without /proc the file has to keep its name
    assert len(first.left) == (name == "no-proc")


def test_kill_at_any_time_leaves_no_more_than_an_empty_file(stage, words):
    for i in range(20):
        first = stage(Machine(without=["perl", "python"]))
        first.hear_until("MITO000")
        first.give(words.script)
        select.select([], [], [], 0.001 * i)
        first.kill(signal.SIGKILL)
        first.end()
        assert [size for size, _ in first.left if size != "0"] == []


# ---- Through the command ----


@pytest.fixture
def target(words, tmp_path):
    """target(machine): how the command reaches it, by what it takes for ssh."""

    def reach(machine):
        as_root.need()
        ssh = tmp_path / "ssh"
        ssh.write_text("#!/bin/sh\nexec " + shlex.join(machine.command("sh", "-c", words.command)))
        ssh.chmod(0o755)
        return f'ssh:web,ssh_path="{ssh}"'

    return reach


def test_program_on_a_bare_machine(run, target):
    machine = Machine(sh=path_of("busybox"), busybox=True, without=["perl", "python"])
    result = run("run", target(machine), "--", "id", "-u")
    assert (result.returncode, result.stdout) == (0, b"65534\n")


def test_error_has_all_reasons(run, target):
    machine = Machine(without=["perl", "python"], places=all_places("noexec"))
    result = run("run", target(machine), "--", "id")
    text = result.stderr.decode()
    assert result.returncode != 0
    assert "ssh:web" in text
    assert "memfd through perl: there is no perl; " in text
    assert "/tmp: programs may not be executed there (noexec); " in text


def test_error_names_a_machine_without_images(run, target):
    machine = Machine(programs={"uname": "#!/bin/sh\necho Plan9 mips\n"})
    result = run("run", target(machine), "--", "id")
    assert "Plan9" in result.stderr.decode()
    assert "linux-x86_64" in result.stderr.decode()
