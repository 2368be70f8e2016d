"""mitogen ping."""

import os
import re
import signal
import subprocess

import pytest
from conftest import child_pids
from run_tools import FakeAgent, agents_of, is_running, wait_until

ANSWER = re.compile(rb"(\S+): seq=(\d+) time=(\d+\.\d{3}) ms\n")
TOTALS = re.compile(rb"(\d+) calls?, (\d+) answers?, ([\d.]+)% loss, time (\d+) ms\n")
TIMES = re.compile(rb"round trip min/avg/max/mdev = ([\d.]+)/([\d.]+)/([\d.]+)/([\d.]+) ms\n")


@pytest.fixture
def start(mitogen):
    """start(*arguments): a running command, ended after the test."""
    commands = []

    def start_mitogen(*arguments, **options):
        pipes = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
        command = subprocess.Popen([mitogen, "ping", *arguments], **{**pipes, **options})
        commands.append(command)
        return command

    yield start_mitogen
    for command in commands:
        command.kill()
        for file in (command.stdout, command.stderr):
            file.close()
        command.wait()


def summaries(output):
    """The label of each target, with (calls, answers), (loss), and its four times."""
    result = {}
    for part in (b"\n" + output).split(b"\n--- ")[1:]:
        label = part.split(b": statistics ---\n")[0].decode()
        calls, answers, loss, _ = TOTALS.search(part).groups()
        times = TIMES.search(part)
        result[label] = (int(calls), int(answers), float(loss), times and times.groups())
    return result


@pytest.mark.parametrize("count", [1, 3, 20])
@pytest.mark.parametrize("target", ["local", "local/local/local"])
def test_counted(run, target, count):
    result = run("ping", "-c", str(count), "-i", "0.001", target)
    assert (result.returncode, result.stderr) == (0, b"")
    assert re.match(rb"\S+: connected in \d+\.\d ms\n", result.stdout)
    answers = ANSWER.findall(result.stdout)
    assert [(label, int(seq)) for label, seq, _ in answers] == [
        (target.encode(), seq) for seq in range(1, count + 1)
    ]
    (calls, answered, loss, times) = summaries(result.stdout)[target]
    assert (calls, answered, loss) == (count, count, 0)
    lowest, mean, highest, deviation = map(float, times)
    measured = [float(time) for _, _, time in answers]
    assert (lowest, highest) == (min(measured), max(measured))
    assert abs(mean - sum(measured) / count) < 0.002
    assert abs(deviation**2 - sum((time - mean) ** 2 for time in measured) / count) < 0.02 * (
        deviation + 0.01
    )


def test_interval(run):
    """From one call to the next one."""
    result = run("ping", "-c", "4", "-i", "0.1", "-q", "local")
    assert 300 <= int(TOTALS.search(result.stdout).group(4))


@pytest.mark.parametrize("options", [("-qc3", "-i.01"), ("--count=3", "--quiet", "--interval", ".01")])
def test_quiet(run, options):
    result = run("ping", *options, "local")
    assert result.returncode == 0
    assert ANSWER.search(result.stdout) is None and b"connected" not in result.stdout
    assert summaries(result.stdout)["local"][:3] == (3, 3, 0)
    assert result.stdout.startswith(b"--- local: ")


def test_one_of_each(run):
    assert b"\n1 call, 1 answer, 0% loss" in run("ping", "-c1", "local").stdout


def test_several_targets(run):
    result = run("ping", "-c5", "-i.01", "local", "local/local", "local", "local,name=é")
    assert result.returncode == 0
    found = summaries(result.stdout)
    assert list(found) == ["local", "local/local", "local#2", "é"]
    assert {numbers[:3] for numbers in found.values()} == {(5, 5, 0)}
    for label in found:
        seqs = [int(seq) for name, seq, _ in ANSWER.findall(result.stdout) if name.decode() == label]
        assert seqs == [1, 2, 3, 4, 5]


def read_answers(command, count, label=None):
    """Reads so many of them, of one target if it is named."""
    while count > 0:
        line = command.stdout.readline()
        assert line
        answer = ANSWER.match(line)
        count -= answer is not None and label in (None, answer.group(1))


@pytest.mark.parametrize(
    ("name", "status"), [("INT", 0), ("TERM", 128 + signal.SIGTERM), ("HUP", 128 + signal.SIGHUP)]
)
def test_signal_sums_up(start, name, status):
    command = start("-i", "0.01", "local")
    read_answers(command, 3)
    command.send_signal(signal.Signals[f"SIG{name}"])
    output = command.stdout.read()
    assert command.wait() == status
    calls, answers, _, times = summaries(output)["local"]
    assert calls >= answers >= 3 and times
    assert command.stderr.read() == b""


def test_signal_before_there_was_a_connection(start, mitogen, tmp_path):
    fifo = tmp_path / "started"
    os.mkfifo(fifo)
    fake = FakeAgent(tmp_path, mitogen, 'echo >"$HERE/started"; exec cat')
    command = start("local", env=fake.environment)
    fifo.read_bytes()
    command.send_signal(signal.SIGINT)
    assert command.wait() == 1
    assert command.stdout.read() == b"\n--- local: statistics ---\nnot reached\n"


def test_target_that_is_not_reached(run, mitogen, tmp_path):
    fake = FakeAgent(
        tmp_path, mitogen, 'mkdir "$HERE/one" 2>/dev/null && exec "$AGENT" "$@"; exit 9'
    )
    result = run("ping", "-c2", "-i.01", "local", "local", env=fake.environment)
    assert result.returncode == 4
    (error,) = re.findall(rb"mitogen ping: .*\n", result.stderr)
    assert b"exited with status 9" in error
    assert result.stdout.count(b"\nnot reached\n") == 1
    assert result.stdout.count(b"2 calls, 2 answers, 0% loss") == 1


@pytest.mark.parametrize("which", [0, 1])
def test_target_that_is_lost(start, which):
    """Its own agent is, or the one before it; the other target goes on."""
    command = start("-i", "0.01", "local,name=a/local", "local,name=b")
    read_answers(command, 2, b"a/local")
    agents = agents_of(command)
    assert len(agents) == 2
    ((first, second),) = ((pid, *child_pids(pid)) for pid in agents if child_pids(pid))
    os.kill((first, second)[which], signal.SIGKILL)
    error = command.stderr.readline()
    assert error.startswith(b"mitogen ping: a/local: the context was lost")
    assert b"was killed by SIGKILL" in error
    read_answers(command, 10, b"b")
    command.send_signal(signal.SIGINT)
    output = command.stdout.read()
    assert command.wait() == 4
    assert command.stderr.read() == b""
    found = summaries(output)
    assert found["a/local"][0] >= found["a/local"][1] >= 2
    assert found["b"][1] >= 10


def test_lost_target_ends_the_ping(start):
    command = start("-i", "0.01", "local")
    read_answers(command, 3)
    (agent,) = agents_of(command)
    os.kill(agent, signal.SIGKILL)
    output = command.stdout.read()
    assert command.wait() == 4
    assert summaries(output)["local"][1] >= 3


def test_answers_that_come_late(start):
    """A stopped agent does not answer in time; when it goes on, it answers what comes then."""
    command = start("-i", "0.05", "-W", "0.2", "local")
    read_answers(command, 1)
    (agent,) = agents_of(command)
    os.kill(agent, signal.SIGSTOP)
    for line in command.stdout:
        if b"no answer in time" in line:
            break
    os.kill(agent, signal.SIGCONT)
    read_answers(command, 3)
    command.send_signal(signal.SIGINT)
    output = command.stdout.read()
    assert command.wait() == 1
    calls, answers, loss, _ = summaries(output)["local"]
    assert answers < calls and 0 < loss < 100


def test_reader_that_goes_away(mitogen):
    script = '"$0" ping -i 0.01 local | head -n 3; echo "${PIPESTATUS[@]}"'
    result = subprocess.run(["bash", "-c", script, mitogen], capture_output=True, timeout=60)
    assert result.stdout.splitlines()[-1] == b"141 0"
    assert result.stderr == b""


def test_output_that_cannot_be_written(mitogen):
    with open("/dev/full", "wb") as full:
        command = [mitogen, "ping", "-i", "0.01", "local"]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert result.returncode == 1
    assert b"cannot write to standard output: No space left on device\n" in result.stderr


def test_killed_ping_takes_everything_down(start):
    command = start("local/local")
    read_answers(command, 1)
    (agent,) = agents_of(command)
    command.kill()
    wait_until(lambda: not is_running(agent), "the end of the agent")


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        ([], ["no target", "mitogen ping local"]),
        (["-c"], ["--count needs a value"]),
        (["local", "-c"], ["--count needs a value"]),
        *(
            (["-c", value, "local"], [f"--count '{value}'", "a whole number from 1"])
            for value in ("0", "-1", "x", "1.5", "", "1e3", "9" * 400)
        ),
        (["-qcx", "local"], ["--count 'x'"]),
        (["-i", "0", "local"], ["--interval '0'", "give 0.001 to 1000000"]),
        (["-i", "0.0001", "local"], ["--interval '0.0001'", "give 0.001 to 1000000"]),
        (["-i", "x", "local"], ["--interval 'x'", "no number of seconds"]),
        (["--timeout=-1", "local"], ["--timeout '-1'", "no number of seconds"]),
        (["-W2000000", "local"], ["--timeout '2000000'", "give 0.001 to 1000000 seconds"]),
        (["--cuont=1", "local"], ["did you mean --count?"]),
        (["--quiet=1", "local"], ["--quiet takes no value"]),
        (["-x", "local"], ["no option -x"]),
        (["-c1", "local", "locla:x"], ["target 'locla:x': hop 1", "did you mean 'local'?"]),
    ],
)
def test_mistakes(run, arguments, texts):
    result = run("ping", *arguments)
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.startswith(b"mitogen ping: ")
    assert result.stderr.count(b"\n") == 1
    for text in texts:
        assert text in result.stderr.decode()


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_stopped_agent_does_not_outlive_the_command(start, depth):
    """Whichever it is: who is above it ends it before it ends itself. That nothing is left is checked
    after each test."""
    command = start("-i", "0.01", "local/local/local")
    command.stdout.readline()
    pid = command.pid
    for _ in range(depth + 1):
        (pid,) = child_pids(pid)
    os.kill(pid, signal.SIGSTOP)
    command.send_signal(signal.SIGINT)
    command.communicate()
    wait_until(lambda: not is_running(pid), "the end of the stopped agent")
