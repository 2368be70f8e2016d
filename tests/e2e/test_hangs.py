"""Programs that hang say what they wait for, if they are asked to; those that crash say where."""

import os
import re
import signal
import subprocess

import pytest
from conftest import IS_SANITIZED, ROOT

AGENT_SYMBOLS = ROOT / "build/agent-linux-x86_64/src/agent-symbols"
HANDLED = {number: 1 << number - 1 for number in (signal.SIGUSR1, signal.SIGURG, signal.SIGSEGV)}


by_itself = pytest.mark.skipif(IS_SANITIZED, reason="the sanitizer takes these signals")


def functions(binary, lines):
    """The names of the functions in these lines of a back-trace, of this binary alone."""
    name = re.escape(os.path.basename(binary))
    addresses = re.findall(rf"#\d+ 0x[0-9a-f]+ {name}\+(0x[0-9a-f]+)", "\n".join(lines))
    # of functions that are part of their callers, too
    found = subprocess.run(
        ["addr2line", "-f", "-i", "-e", binary, *addresses], capture_output=True, text=True, check=True
    )
    return found.stdout.splitlines()[::2]


def handled_signals(pid):
    """Of those that are taken when they are asked for, the ones that have a handler in pid."""
    with open(f"/proc/{pid}/status") as status:
        mask = next(int(line.split()[1], 16) for line in status if line.startswith("SigCgt:"))
    return {number for number, bit in HANDLED.items() if mask & bit}


class Dumping:
    """A program that prints its PID when it hangs, in the scenario's way."""

    def __init__(self, program, scenario, directory, environment):
        self.directory = directory
        self.process = subprocess.Popen(
            [program, scenario, directory],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        self.pid = int(self.process.stdout.readline())

    def dump(self, prefix=""):
        """The lines of the next dump of a context; others that are printed meanwhile are dropped."""
        lines = []
        for line in self.process.stderr:
            if not line.startswith(prefix + "mitogen:") and not line.startswith(prefix + " "):
                continue
            text = line[len(prefix) :].rstrip("\n")
            if text.startswith("mitogen: dump of") or text.startswith("mitogen: the router's lock"):
                lines = []
            lines.append(text)
            if text == "mitogen: end of the dump":
                return lines
        raise AssertionError(f"no dump came, only {lines}")

    def go_on(self):
        (self.directory / "go_on").write_bytes(b"\0")

    def close(self):
        try:
            _, self.rest = self.process.communicate(timeout=60)
            assert self.process.returncode == 0, self.rest
        finally:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def dumping(program, tmp_path):
    started = []

    def start(scenario, **environment):
        started.append(Dumping(program("hangs"), scenario, tmp_path, environment))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()


def thread_of(lines, name):
    """The back-trace of the thread of this name."""
    first = next(i for i, line in enumerate(lines) if re.match(rf' thread \d+ "{name}"', line))
    rest = lines[first + 1 :]
    end = next(i for i, line in enumerate(rest) if not line.startswith("  "))
    return rest[:end]


def test_dumps_at_intervals(dumping, program):
    """DESIGN 17: streams, queues, credits, pending calls, timers, children, back-traces; of all
    processes."""
    hangs = dumping("hangs", MITOGEN_DUMP_THREAD_STACKS="1")
    hangs.dump()
    text = "\n".join(hangs.dump())
    assert f"dump of the master (context 0, process {hangs.pid})" in text
    assert re.search(r" counters:.* calls_pending=2 .*children=1", text)
    assert re.search(r" stream local\.1 \(context 1\): idle, descriptors \d+ \d+\n  in: ", text)
    assert "  waiting to be written: normal 0, bulk 0, begun 0 of 0 bytes" in text
    assert re.search(r" child local\.1 \(local\): up, process \d+", text)
    assert re.search(r" call to local\.1: hang, \d+ ms left, seen in \d+ dumps before", text)
    assert re.search(r" call to local\.1: add, seen in \d+ dumps before", text)
    assert re.search(r" timers: 1, the first due in \d{7} ms", text)
    lines = hangs.dump("[local.1] ")
    text = "\n".join(lines)
    assert "dump of local.1 (context 1, process " in text
    assert " the main thread runs hang\n" in text
    assert re.search(r" chain 1 of context 0: 2 functions queued", text)
    assert re.search(r" flow to context 0, port 102: \d+ bytes sent, credit for \d+", text)
    assert any(line.startswith('  it does not answer') for line in hangs.dump())
    hangs.go_on()
    hangs.close()


@pytest.mark.skipif(IS_SANITIZED, reason="the frames are those of the sanitizer's functions")
def test_back_traces_of_all_threads(dumping, program):
    hangs = dumping("hangs", MITOGEN_DUMP_THREAD_STACKS="1")
    lines = hangs.dump("[local.1] ")
    main = functions(program("hangs"), thread_of(lines, "mitogen:local.1"))
    assert main.index("hang_in_here") < main.index("hang") < main.index("main")
    broker = functions(program("hangs"), thread_of(lines, "mitogen:broker"))
    assert "poll_once" in broker and "loop" in broker
    hangs.go_on()
    hangs.close()


def test_dumps_on_sigusr1(dumping):
    """When it is asked for; and with it, whenever it comes."""
    hangs = dumping("hangs", MITOGEN_DUMP_ON_SIGUSR1="1")
    assert handled_signals(hangs.pid) == {signal.SIGUSR1, signal.SIGURG}
    for _ in range(3):
        os.kill(hangs.pid, signal.SIGUSR1)
        assert any("call to local.1: hang" in line for line in hangs.dump())
    hangs.go_on()
    hangs.close()


def child_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as mine:
        found = mine.read().split()
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children") as children:
            found += children.read().split()
    return int(found[0])


def test_children_inherit_what_is_asked_for(dumping):
    hangs = dumping("hangs", MITOGEN_DUMP_ON_SIGUSR1="1", MITOGEN_TRACE_CRASHES="1")
    child = child_of(hangs.pid)
    assert handled_signals(child) == set(HANDLED)
    os.kill(child, signal.SIGUSR1)
    assert " the main thread runs hang" in hangs.dump("[local.1] ")
    hangs.go_on()
    hangs.close()


def test_no_signal_is_taken_unasked(dumping):
    """Neither here nor in a child; and no thread more."""
    waits = dumping("waits")
    for pid in (waits.pid, child_of(waits.pid)):
        assert handled_signals(pid) == set()
        assert len(os.listdir(f"/proc/{pid}/task")) == 2
    waits.go_on()
    waits.close()


def test_handlers_of_the_program_stay(dumping):
    waits = dumping("waits_with_handlers", MITOGEN_DUMP_ON_SIGUSR1="1")
    os.kill(waits.pid, signal.SIGUSR1)
    waits.process.wait(timeout=60)
    assert waits.process.returncode == 100 + signal.SIGUSR1


@pytest.mark.skipif(IS_SANITIZED, reason="the frames are those of the sanitizer's functions")
def test_a_broker_that_hangs_with_its_lock(dumping, program):
    """Then there are the back-traces at least."""
    hangs = dumping("broker_hangs", MITOGEN_DUMP_ON_SIGUSR1="1")
    os.kill(hangs.pid, signal.SIGUSR1)
    lines = hangs.dump()
    assert lines[0].startswith("mitogen: the router's lock is not to be had")
    broker = functions(program("hangs"), thread_of(lines, "mitogen:broker"))
    assert "policy_that_hangs" in broker and "handles_deliver" in broker
    hangs.go_on()
    hangs.close()


def traces(log):
    """What crashed contexts printed: their lines, by name."""
    found = {}
    for line in log.splitlines():
        name, text = re.match(r"\[([^]]+)\] (.*)", line).groups()
        found.setdefault(name, []).append(text)
    return found


@by_itself
def test_crashes_say_where(scenario, program):
    """And the parent still says how the process ended: the scenario checks it."""
    found = traces(scenario("hangs", "crashes", MITOGEN_TRACE_CRASHES="1"))
    for name, number, function in [
        ("write_nowhere", "SIGSEGV at 0x0", "write_nowhere"),
        ("divide_by_zero", "SIGFPE at 0x", "divide_by_zero"),
        ("give_up", "SIGABRT", "give_up"),
        ("go_deeper", "SIGSEGV at 0x", "go_deeper"),
        ("7", "SIGBUS", "send_itself"),
        ("4", "SIGILL", "send_itself"),
    ]:
        head, *frames = found.pop(name)
        assert head.startswith(f"mitogen: {name}: {number}"), head
        assert f' in the thread "mitogen:{name[:7]}", version ' in head
        names = functions(program("hangs"), frames)
        assert function in names
        if function != "go_deeper":
            assert {"crash", "dispatch_run", "main"} <= set(names)
    assert not found


@by_itself
def test_a_crash_of_the_broker_thread(scenario, program):
    head, *frames = traces(scenario("hangs", "crash_on_broker", MITOGEN_TRACE_CRASHES="1"))[
        "local.1"
    ]
    assert head.startswith("mitogen: local.1: SIGSEGV at 0x0 in the thread \"mitogen:broker\"")
    assert {"crash_broker", "broker_call_out"} < set(functions(program("hangs"), frames))


@by_itself
def test_a_crash_of_a_copy(scenario, program):
    """Also of a second router's, when the program that is copied has asked for it before."""
    found = traces(scenario("hangs", "crash_in_a_copy", MITOGEN_TRACE_CRASHES="1"))
    for name in ("fork.1", "fork.2"):
        assert [line.split(" in ")[0] for line in found[name] if "SIGSEGV" in line] == [
            f"mitogen: {name}: SIGSEGV at 0x0"
        ] * 2
        assert "write_nowhere" in functions(program("hangs"), found[name])


def test_a_handler_set_later_counts(scenario):
    assert scenario("hangs", "crash_handled", MITOGEN_TRACE_CRASHES="1") == ""


@by_itself
def test_crashes_are_silent_unasked(scenario):
    assert scenario("hangs", "crashes") == ""


@by_itself
def test_a_crash_of_the_program_itself(program, tmp_path):
    done = subprocess.run(
        [program("hangs"), "crash_here", tmp_path],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "MITOGEN_TRACE_CRASHES": "1"},
    )
    assert done.returncode == -signal.SIGSEGV
    assert done.stderr.startswith('mitogen: SIGSEGV at 0x0 in the thread "')


def test_the_agent_says_where_it_crashed(run):
    """Without being asked: and the command says what it died of."""
    done = run("run", "local", "--", "sh", "-c", "kill -SEGV $PPID; exec sleep 60")
    assert done.returncode != 0
    log = done.stderr.decode()
    assert "was killed by SIGSEGV" in log
    lines = [line[8:] for line in log.splitlines() if line.startswith("[local] ")]
    head = re.match(r'mitogen: local: SIGSEGV in the thread "mitogen:(\w+)", version ', lines[0])
    lines = [line.replace("linux-x86_64+", "agent-symbols+") for line in lines]
    names = functions(str(AGENT_SYMBOLS), lines)
    # a signal to a process goes to any of its threads
    wanted = {"local": ["dispatch_run", "main"], "broker": ["poll_once", "loop"]}[head[1]]
    assert names.index(wanted[0]) < names.index(wanted[1])


def test_the_command_says_where_it_crashed(mitogen):
    done = subprocess.run(
        [mitogen, "run", "local", "--", "sh", "-c", "kill -SEGV $(ps -o ppid= -p $PPID); exec cat"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == -signal.SIGSEGV
    head, *frames = done.stderr.decode().splitlines()
    assert head.startswith('mitogen: SIGSEGV in the thread "mitogen", version ')
    assert "main" in functions(mitogen, frames)
