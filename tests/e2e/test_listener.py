"""M23: processes that join a router by its unix socket (tests/programs/joins.c), and some that would:
who vanishes, hangs or talks rubbish at any point harms nobody, and nothing is left of it."""

import os
import re
import signal
import socket
import struct
import subprocess
import tempfile

import pytest

HEADER = struct.Struct(">2sBBIIIIII")
CBOR, DEAD = 1, 3
SHUTDOWN, CONFIG, JOIN = 106, 112, 114
NOBODY = 65534


@pytest.mark.parametrize(
    "name",
    [
        "joins_and_calls",
        "many_at_once",
        "joins_itself",
        "joins_in_threads",
        "acts_with_authority",
        "unidirectional",
        "runs_programs_and_ends_contexts",
        "one_is_killed",
        "router_closes",
        "router_dies",
        "one_is_sent_away",
        "bad_places",
        "old_sockets",
        "default_places",
        "usage",
    ],
)
def test_m23_join(scenario, monkeypatch, name):
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert scenario("joins", name) == ""


def test_m23_authority_ends_with_who_has_joined(scenario):
    log = scenario("joins", "children_have_their_own_authority")
    assert log == "[local.1] context 1002 may not send to handle 101: refused\n"


def test_m23_below_the_master(scenario):
    """Who joins a child has the child's authority, and its IDs come from the master."""
    log = scenario("joins", "joins_a_child")
    assert len(re.findall(r"context \d+ may not send to handle 101: refused\n", log)) == 4


def test_m23_as_many_as_may(scenario):
    assert "2 processes have joined already, as many as may" in scenario("joins", "too_many")


class Server:
    """A program whose router listens."""

    def __init__(self, program, directory, **environment):
        self.process = subprocess.Popen(
            [program, "serve", directory],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        self.path = self.process.stdout.readline().strip()
        assert self.path

    def connect(self):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(60)
        sock.connect(self.path)
        return sock

    def descriptors(self):
        """How many it has. A call of its router has gone there and back."""
        self.process.stdin.write("count\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def end(self):
        """What it has logged."""
        _, log = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, log
        return log


@pytest.fixture
def serve(program, directories):
    """serve(**environment): a running Server."""
    servers = []

    def start(**environment):
        server = Server(program("joins"), tempfile.mkdtemp(dir=directories), **environment)
        servers.append(server)
        return server

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.process.kill()
        server.process.communicate()


def frame(kind, handle, payload, flags=0):
    return HEADER.pack(b"MI", kind, flags, 0, 0, 0, handle, 0, len(payload)) + payload


def text(string):
    return bytes([0x78, len(string)]) + string if len(string) > 23 else bytes([0x60 + len(string)]) + string


def request(version=b"\x01", name=b""):
    return frame(CBOR, JOIN, b"\x82" + version + text(name))


def receive(sock, size):
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def receive_frame(sock):
    """Its kind, destination, handle and payload."""
    magic, kind, _, dst, _, _, handle, _, size = HEADER.unpack(receive(sock, HEADER.size))
    assert magic == b"MI"
    return kind, dst, handle, receive(sock, size)


def join(server, name=b""):
    """A process that has joined, as its socket, and its ID."""
    sock = server.connect()
    sock.sendall(request(name=name))
    kind, dst, handle, _ = receive_frame(sock)
    assert (kind, handle) == (CBOR, CONFIG)
    return sock, dst


def await_descriptors(server, count):
    """Until so many are open; who is too late for that fails by the time limit of tests."""
    while server.descriptors() != count:
        pass


def test_m23_another_program(serve, scenario):
    server = serve()
    for _ in range(3):
        assert scenario("joins", "joins_another_program", OTHER=server.path) == ""
    assert server.end() == ""


def test_m23_one_that_is_stopped(serve, scenario):
    """Who has joined is told nothing by a router that stands still, and is told of its end."""
    server = serve()
    sock, _ = join(server)
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        with server.connect() as waiting:  # the kernel connects; nobody answers
            waiting.sendall(request())
            waiting.setblocking(False)
            with pytest.raises(BlockingIOError):
                waiting.recv(1)
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    assert server.end() == ""
    kind, _, handle, _ = receive_frame(sock)
    assert (kind, handle) == (DEAD, SHUTDOWN)
    with sock, pytest.raises((EOFError, ConnectionResetError)):
        receive(sock, 1)


def test_m23_one_that_vanishes_at_any_byte(serve):
    server = serve()
    whole = request(name=b"vanishes")
    before = server.descriptors()
    for size in range(len(whole) + 1):
        with server.connect() as sock:
            sock.sendall(whole[:size])
    await_descriptors(server, before)
    sock, first = join(server)
    sock.close()
    sock, second = join(server)
    assert second > first > 1
    sock.close()
    await_descriptors(server, before)
    assert server.end() == ""


def test_m23_one_that_joins_byte_by_byte(serve):
    server = serve()
    with server.connect() as sock:
        for byte in request(name=b"slow"):
            sock.sendall(bytes([byte]))
        kind, _, handle, payload = receive_frame(sock)
    assert (kind, handle) == (CBOR, CONFIG)
    assert text(b"slow") in payload


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"GET / HTTP/1.1\r\n", b"this is no request to join a router"),
        (frame(CBOR, CONFIG, b"\x82\x01\x60"), b"this is no request"),
        (frame(DEAD, JOIN, b"\x82\x01\x60"), b"this is no request"),
        (frame(CBOR, JOIN, b"\x82\x01\x60", flags=2), b"this is no request"),
        (frame(CBOR, JOIN, b"\x82\x01"), b"this is no request"),
        (frame(CBOR, JOIN, b"\x81\x01"), b"this is no request"),
        (frame(CBOR, JOIN, b"\x82\x01\x61\xff"), b"this is no request"),
        (frame(CBOR, JOIN, b"\x82\x01\x61\0"), b"this is no request"),
        (frame(CBOR, JOIN, bytes(300)), b"this is no request"),
        (request(name=b"x" * 201), b"this is no request"),
        (request() + b"more", b"this is no request"),
        (request(name=b"a/b"), b"a context's name"),
        (request(version=b"\x02"), b"it speaks version 2"),
        (frame(CBOR, JOIN, b"\x83\x18\x63\x01\x02"), b"it speaks version 99"),
    ],
)
def test_m23_one_that_talks_rubbish(serve, sent, reason):
    server = serve()
    before = server.descriptors()
    with server.connect() as sock:
        sock.sendall(sent)
        kind, _, handle, payload = receive_frame(sock)
        assert (kind, handle) == (DEAD, JOIN)
        assert reason in payload
        with pytest.raises((EOFError, ConnectionResetError)):
            receive(sock, 1)
    await_descriptors(server, before)
    assert "may not join" in server.end()


def test_m23_one_that_hangs(serve):
    """It is given up; meanwhile others join."""
    server = serve(TIMEOUT_MS="1000")
    before = server.descriptors()
    with server.connect() as hanging:
        hanging.sendall(request()[:10])
        sock, _ = join(server)
        sock.close()
        kind, _, handle, payload = receive_frame(hanging)
    assert (kind, handle) == (DEAD, JOIN)
    assert b"it has not said in time who it is" in payload
    await_descriptors(server, before)


def test_m23_many_that_hang(serve):
    """More than may be in the middle of it: the rest waits until they are given up."""
    server = serve(TIMEOUT_MS="1000")
    before = server.descriptors()
    hanging = [server.connect() for _ in range(100)]
    assert server.descriptors() <= before + 64
    sock, _ = join(server)
    for one in (sock, *hanging):
        one.close()
    await_descriptors(server, before)
    server.end()


def test_m23_one_that_reads_nothing(serve):
    """What waits for it does not keep the router from closing."""
    server = serve()
    sock, _ = join(server)
    with sock:
        server.end()


@pytest.mark.parametrize("source", [0, 1, 999999])
def test_m23_one_that_speaks_in_a_foreign_name(serve, source):
    server = serve()
    before = server.descriptors()
    sock, own = join(server)
    with sock:
        sock.sendall(HEADER.pack(b"MI", CBOR, 0, 1, source, source, 101, 5, 1) + b"\xf6")
        with pytest.raises((EOFError, ConnectionResetError)):
            while True:
                receive(sock, 1)
    await_descriptors(server, before)
    assert f"claimed to be context {source} acting for {source}" in server.end()
    assert own > 1


def test_m23_the_authority_is_lent_not_claimed(serve):
    """Who has joined asks in its own name; to claim the router's is to speak in a foreign name."""
    server = serve()
    sock, own = join(server)
    with sock:
        sock.sendall(HEADER.pack(b"MI", CBOR, 0, 1, own, 0, 101, 5, 1) + b"\xf6")
        with pytest.raises((EOFError, ConnectionResetError)):
            while True:
                receive(sock, 1)
    assert f"claimed to be context {own} acting for 0" in server.end()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_m23_another_user_is_refused(serve, scenario, monkeypatch):
    """By the router; and by who would join, who tells a router of another user nothing."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    server = serve(AS_USER=str(NOBODY))
    with server.connect() as sock:  # whatever it would say
        kind, _, handle, payload = receive_frame(sock)
    assert (kind, handle) == (DEAD, JOIN)
    assert f"it is of user 0, and the router of user {NOBODY}".encode() in payload
    scenario("joins", "is_refused", OTHER=server.path)
    assert "it is of user 0" in server.end()
