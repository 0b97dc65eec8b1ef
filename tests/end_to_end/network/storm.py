# SPDX-License-Identifier: Apache-2.0
"""Faults of one client's network, one after the other, in an order and of lengths that a seed decides."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable

from server_under_test.demand import demand

from network.proxy import FAIR, WAYS, Connection, Cut, Proxy, Weather

LEAST_SAMPLES = 20
"""Applied between two faults, else a fault meets no load."""
PATIENCE_SECONDS = 30
"""Less than the server takes to find a silent client gone (40 s): whoever goes on sooner has taken its session over."""
SLACK_SECONDS = 10


class Storm:
    """The faults of one proxy.

    Args:
        proxy: between the client and the server.
        choice: draws them.
        offset: the session's next_offset, asked of the server itself.
        client_sleeps: SIGSTOP and, so many seconds later, SIGCONT of the client.
        silence: seconds after which its client finds a silent connection gone;
            None: it takes too long, and the connection is reset before.
        is_over: whether the client is done.

    """

    def __init__(
        self,
        proxy: Proxy,
        choice: random.Random,
        offset: Callable[[], int],
        client_sleeps: Callable[[float], None],
        silence: float | None,
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        self._proxy = proxy
        self._choice = choice
        self._offset = offset
        self._client_sleeps = client_sleeps
        self._silence = silence
        self._is_over = is_over
        self.met: Counter[str] = Counter()
        """How often each fault met a connection with load on it."""
        self.breaks = 0
        """How many of them ended it."""
        self.longest_unnoticed = 0.0
        """Seconds that a half-open connection was taken for a good one."""
        self._kinds: dict[str, Callable[[], bool]] = {
            "delay": lambda: self._blow(Weather(delay=self._choice.uniform(0.01, 0.1))),
            "trickle": self._trickle,
            "trickle, then a cut": lambda: self._trickle() and self._cut(Cut.RST),
            "cut by FIN": lambda: self._cut(Cut.FIN),
            "cut by RST": lambda: self._cut(Cut.RST),
            "cut within a message": self._cut_within,
            "cut, and refused": self._refuse,
            "half open, nothing comes": lambda: self._half_open({"down"}),
            "half open, nothing goes": lambda: self._half_open({"up"}),
            "half open, and so are new ones": lambda: self._half_open(set(WAYS), new=True),
            "client stopped": self._stop_client,
        }

    @property
    def kinds(self) -> set[str]:
        """Those that there are."""
        return set(self._kinds)

    def run(self, rounds: int) -> None:
        """Each fault so many times, or until the client is done."""
        for _ in range(rounds):
            kinds = list(self._kinds)
            self._choice.shuffle(kinds)
            for kind in kinds:
                self._await_load(kind)
                if self._is_over():
                    return
                time.sleep(self._choice.uniform(0, 0.1))
                if self._kinds[kind]():
                    self.met[kind] += 1
        self._await_load("the last")

    def _await_load(self, kind: str) -> None:
        due = self._offset() + LEAST_SAMPLES
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._offset() < due and not self._is_over():
            demand(time.monotonic() < deadline, f"before {kind}: nothing is trained, after {dict(self.met)}")
            time.sleep(0.02)

    def _connection(self) -> Connection | None:
        """The one that carries the stream; None where none is forwarded before long, the client being done."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and not self._is_over():
            carrying = [each for each in self._proxy.connections() if each.forwarded["down"] > 0]
            if carrying:
                return max(carrying, key=lambda each: each.forwarded["up"])
            time.sleep(0.01)
        return None

    def _blow(self, weather: Weather) -> bool:
        for way in self._choice.choice([("up",), ("down",), WAYS]):
            self._proxy.weather[way] = weather
        time.sleep(self._choice.uniform(0.2, 0.8))
        self._proxy.weather.update(dict.fromkeys(WAYS, FAIR))
        return True

    def _trickle(self) -> bool:
        return self._blow(Weather(piece=self._choice.randint(1, 9), pause=self._choice.uniform(0.0005, 0.005)))

    def _cut(self, cut: Cut) -> bool:
        connection = self._connection()
        if connection is None:
            return False
        connection.cut(cut)
        self.breaks += 1
        return True

    def _cut_within(self) -> bool:
        connection = self._connection()
        if connection is None:
            return False
        # A watcher says next to nothing.
        ways = [way for way in WAYS if 10 * connection.forwarded[way] > connection.forwarded["down"]]
        connection.cut_way = self._choice.choice(ways)
        connection.cut_after = self._choice.randint(1, 400)
        is_cut = connection.over.wait(PATIENCE_SECONDS)
        self.breaks += is_cut
        return is_cut

    def _refuse(self) -> bool:
        met = self._cut(Cut.RST)
        self._proxy.refuse(self._choice.uniform(0.1, 0.8))
        return met

    def _half_open(self, ways: set[str], *, new: bool = False) -> bool:
        connection = self._connection()
        if connection is None:
            return False
        self._proxy.swallow_new(new)
        connection.swallowed |= ways
        since = time.monotonic()
        if self._silence is None:
            time.sleep(self._choice.uniform(0.5, 2))
            connection.cut(Cut.RST)
        else:
            noticed = connection.left.wait(self._silence + SLACK_SECONDS)
            demand(noticed, f"a half-open connection was not noticed in {self._silence + SLACK_SECONDS} s")
            self.longest_unnoticed = max(self.longest_unnoticed, time.monotonic() - since)
        time.sleep(self._choice.uniform(0, 0.5) if new else 0)
        self._proxy.swallow_new(False)
        self.breaks += 1
        return True

    def _stop_client(self) -> bool:
        self._client_sleeps(self._choice.uniform(0.2, 1.5))
        return True
