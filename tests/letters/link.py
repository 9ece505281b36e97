# SPDX-License-Identifier: Apache-2.0
"""A simulated link between two houses: it drops, doubles, delays and reorders, as its seed says."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from datetime import timedelta

from letters.correspondents import NOW, THREAD, Correspondents
from proofhouse.attest import Signer
from proofhouse.letters import Letter, Outcome, Thread, acknowledge, open_letter


@dataclass(frozen=True)
class Weather:
    """How bad the link is: chances from 0 to 1, delay in ticks."""

    drop: float
    double: float
    most_delay: int


@dataclass
class Link:
    """Carries bytes from one house to another, in its own time."""

    weather: Weather
    chance: random.Random
    now: int = 0
    carried: int = 0
    _queue: list[tuple[int, int, str, bytes]] = field(default_factory=list)

    def send(self, recipient: str, data: bytes) -> None:
        copies = 2 if self.chance.random() < self.weather.double else 1
        for _ in range(copies):
            if self.chance.random() >= self.weather.drop:
                arrival = self.now + self.chance.randint(1, self.weather.most_delay)
                self.carried += 1
                heapq.heappush(self._queue, (arrival, self.carried, recipient, data))

    def tick(self) -> list[tuple[str, bytes]]:
        self.now += 1
        arrived = []
        while self._queue and self._queue[0][0] <= self.now:
            _, _, recipient, data = heapq.heappop(self._queue)
            arrived.append((recipient, data))
        return arrived


class House:
    """One side: writes letters, answers what arrives, sends again what is not acknowledged."""

    def __init__(self, name: str, other: str, signer: Signer, houses: Correspondents, link: Link) -> None:
        self.name = name
        self.other = other
        self.signer = signer
        self.houses = houses
        self.link = link
        self.thread = Thread(THREAD, (name, other))
        self.letters: dict[str, Letter] = {}
        self.effects: list[str] = []

    def write(self, in_reply_to: str | None) -> None:
        letter = self.houses.letter(
            "checkpoint",
            sender=self.name,
            recipient=self.other,
            signer=self.signer,
            sequence=self.thread.next_sequence(self.name),
            in_reply_to=in_reply_to,
            now=NOW + timedelta(seconds=self.link.now),
        )
        self.letters[letter.id] = letter
        self.thread.apply(letter)
        self.link.send(self.other, letter.data)

    def send_again(self) -> None:
        for letter_id in self.thread.outstanding(self.name):
            self.link.send(self.other, self.letters[letter_id].data)

    def receive(self, data: bytes) -> None:
        now = NOW + timedelta(seconds=self.link.now)
        letter = open_letter(data, self.houses.introductions, self.name, now=now)
        applied = self.thread.apply(letter)
        self.effects += [each.id for each in applied.letters if each.spec.sequenced]
        if letter.spec.sequenced:
            answer = acknowledge(letter, self.signer, now, thread=self.thread, outcome=applied.outcome)
            self.link.send(letter.sender, answer.data)

    def last_received(self) -> str | None:
        return self.effects[-1] if self.effects else None


def correspond(
    houses: Correspondents, letters_each: int, weather: Weather, seed: int, most_ticks: int
) -> tuple[House, House]:
    """Let two houses write to each other until each letter is acknowledged."""
    chance = random.Random(seed)
    link = Link(weather, chance)
    lab = House("lab", "office", houses.lab, houses, link)
    office = House("office", "lab", houses.office, houses, link)
    sides = {"lab": lab, "office": office}
    for tick in range(most_ticks):
        for side in sides.values():
            if side.thread.next_sequence(side.name) <= letters_each:
                side.write(side.last_received() if chance.random() < 0.5 else None)
            elif tick % (2 * weather.most_delay) == 0:
                side.send_again()
        for recipient, data in link.tick():
            sides[recipient].receive(data)
        if all(
            side.thread.next_sequence(side.name) > letters_each and not side.thread.outstanding(side.name)
            for side in sides.values()
        ):
            return lab, office
    raise AssertionError(f"not done after {most_ticks} ticks")


__all__ = ["House", "Link", "Outcome", "Weather", "correspond"]
