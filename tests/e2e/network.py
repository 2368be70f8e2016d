"""A TCP proxy that is as slow as a long line, and networks of two machines that can be cut."""

import heapq
import itertools
import os
import selectors
import socket
import subprocess
import threading
import time

import as_root
import pytest


class Flow:
    """One direction of one connection."""

    def __init__(self, source, sink, is_up):
        self.source, self.sink, self.is_up = source, sink, is_up
        self.back = None  # the other direction
        self.level = 0  # of what was delivered last
        self.pending = b""


class SlowLine:
    """A proxy in a thread of its own: all that passes arrives so many seconds later.

    It counts round trips by what could have been caused by what, not by the time they took: what
    a server sends belongs to one more round trip than the last that had arrived there, what a
    client sends to the same one as the last that had arrived here. With a delay that is long
    against what both sides take to answer this is exact."""

    def __init__(self, address, delay):
        self.address, self.delay = address, delay
        self.bytes_up = self.bytes_down = 0
        self.latest = None  # the flow down of the connection that was made last
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        self.waker, self.woken = socket.socketpair()
        self.selector.register(self.woken, selectors.EVENT_READ, None)
        self.events = []  # (when, order, function, arguments)
        self.order = itertools.count()
        self.sockets = set()
        self.thread = threading.Thread(target=self.loop)
        self.thread.start()

    @property
    def round_trips(self):
        """Of the latest connection, up to now."""
        return self.latest.level if self.latest else 0

    def close(self):
        self.waker.close()
        for open_socket in self.sockets.copy():
            try:
                open_socket.shutdown(socket.SHUT_RDWR)  # it may be blocked in sending
            except OSError:
                pass  # it has ended by itself
        self.thread.join()
        for open_socket in (self.listener, self.woken, *self.sockets):
            open_socket.close()
        self.selector.close()

    def loop(self):
        while True:
            timeout = max(self.events[0][0] - time.monotonic(), 0) if self.events else None
            for key, _ in self.selector.select(timeout):
                if key.data is None:
                    return  # the waker was closed
                key.data()
            while self.events and self.events[0][0] <= time.monotonic():
                _, _, function, arguments = heapq.heappop(self.events)
                function(*arguments)

    def later(self, function, *arguments):
        when = time.monotonic() + self.delay
        heapq.heappush(self.events, (when, next(self.order), function, arguments))

    def accept(self):
        client, _ = self.listener.accept()
        server = socket.create_connection(self.address)
        self.connections += 1
        up, down = Flow(client, server, True), Flow(server, client, False)
        up.back, down.back = down, up
        self.latest = down
        for flow in (up, down):
            flow.source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets.add(flow.source)
            self.selector.register(
                flow.source, selectors.EVENT_READ, lambda flow=flow: self.read(flow)
            )

    def read(self, flow):
        try:
            data = flow.source.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        if not data:
            self.selector.unregister(flow.source)
        level = flow.back.level + (0 if flow.is_up else 1)
        self.later(self.deliver, flow, data, level)

    def deliver(self, flow, data, level):
        flow.level = level
        if flow.is_up:
            self.bytes_up += len(data)
        else:
            self.bytes_down += len(data)
        try:
            if data:
                flow.sink.setblocking(True)
                flow.sink.sendall(data)
            else:
                flow.sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it is closed there; the other direction tells


@pytest.fixture
def slow_line():
    """slow_line(server, delay): a SlowLine in front of a server, delay seconds each way."""
    lines = []

    def make(server, delay=0.125):
        lines.append(SlowLine((server.address, server.port), delay))
        return lines[-1]

    yield make
    for line in lines:
        line.close()


class Network:
    """Two network namespaces, near and far, with a cable between them. They live as long as two
    processes that do nothing else."""

    near_address, far_address = "192.0.2.1", "192.0.2.2"

    def __init__(self):
        self.near, self.far = Namespace(self.near_address), Namespace(self.far_address)
        self.near.run(
            *("ip", "link", "add", "cable", "type", "veth"),
            *("peer", "name", "cable", "netns", str(self.far.pid)),
        )
        for side in (self.near, self.far):
            side.run("ip", "link", "set", "lo", "up")
            side.run("ip", "address", "add", f"{side.address}/30", "dev", "cable")
            side.run("ip", "link", "set", "cable", "up")

    def cut(self):
        """Nothing comes through any more, either way."""
        self.far.run("ip", "link", "set", "cable", "down")

    def cut_one_way(self, sender):
        """What that side sends is lost without a word: it is addressed to a card that is not there.
        (A filter would need modules that not every kernel has.)"""
        receiver = self.far if sender is self.near else self.near
        sender.run(
            *("ip", "neighbour", "replace", receiver.address, "dev", "cable"),
            *("lladdr", "02:00:00:00:00:01", "nud", "permanent"),
        )

    def close(self):
        self.near.close()
        self.far.close()


class Namespace:
    def __init__(self, address):
        self.address = address
        # it tells its PID, which is not that of a sudo around it, and then waits for the end
        self.holder = subprocess.Popen(
            [*as_root.PREFIX, "unshare", "--net", "sh", "-c", "echo $$; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.pid = int(self.holder.stdout.readline())

    def enter(self):
        """What goes before a command so that root runs it in there."""
        return (*as_root.PREFIX, "nsenter", f"--net=/proc/{self.pid}/ns/net", "--")

    def command(self, *command):
        """The command line that runs this in there as ourselves."""
        if not as_root.PREFIX:
            return [*self.enter(), *command]
        return [
            *self.enter(),
            *("setpriv", "--reuid", str(os.getuid()), "--regid", str(os.getgid()), "--init-groups"),
            *("env", "-i", *(f"{name}={value}" for name, value in os.environ.items())),
            *command,
        ]

    def run(self, *command):
        return as_root.run("nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *command)

    def close(self):
        self.holder.communicate()


@pytest.fixture
def network():
    """A Network of this test's own."""
    as_root.need()
    network = Network()
    yield network
    network.close()
