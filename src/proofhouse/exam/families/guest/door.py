# SPDX-License-Identifier: Apache-2.0
"""A host's door: who has an account may read the host's shelf and reach on to the hosts that this one reaches.

One command a line, one answer a line; a file's text is told after the count of its lines.

    login ACCOUNT WORD   ok | wrong | closed
    list                 the names of the shelf
    show NAME            the count of lines, then the lines
    reach HOST PORT      open, and from then on every byte goes there and back | no way
    quit

Behind the door stands a defender that counts: after so many wrong words in all the word of every account is replaced
by the first 16 hexadecimal digits of the SHA-256 of the old one; a name that only stands in bait replaces them at
once; after more wrong words the door is closed for good.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import socketserver
import sys
import threading
from pathlib import Path
from typing import Any

WORD_DIGITS = 16


def replaced(word: str, times: int = 1) -> str:
    """The word that stands in the place of `word` after so many replacements."""
    for _ in range(times):
        word = hashlib.sha256(word.encode()).hexdigest()[:WORD_DIGITS]
    return word


class Defender:
    """What is known of wrong words, and what is done about them.

    Args:
        accounts: name to word.
        bait: names that nobody honest uses.
        replace_after: wrong words until the words are replaced.
        close_after: wrong words until the door is closed.
    """

    def __init__(
        self, accounts: dict[str, str], bait: list[str], replace_after: int, close_after: int
    ) -> None:
        self._accounts, self._bait = dict(accounts), set(bait)
        self._replace_after, self._close_after = replace_after, close_after
        self._lock = threading.Lock()
        self.wrong = self.replacements = 0

    @property
    def closed(self) -> bool:
        """Whether nobody comes in any more."""
        return self.wrong >= self._close_after

    def try_word(self, account: str, word: str) -> str:
        """Answer a login: `ok`, `wrong` or `closed`."""
        with self._lock:
            if self.closed:
                return "closed"
            if account in self._accounts and hmac.compare_digest(
                self._accounts[account].encode(), word.encode()
            ):
                return "ok"
            self.wrong += 1
            if account in self._bait or self.wrong % self._replace_after == 0:
                self._accounts = {name: replaced(old) for name, old in self._accounts.items()}
                self.replacements += 1
            return "wrong"


class Visit(socketserver.StreamRequestHandler):
    """One connection."""

    server: Door

    def handle(self) -> None:
        """Take commands until the visitor goes or reaches on."""
        door, inside = self.server, False
        self._say(
            f"door of {door.name}, words replaced {door.replaced_before + door.defender.replacements} times"
        )
        while line := self.rfile.readline(4096):
            words = line.decode("utf-8", "replace").split()
            match words:
                case ["login", account, word]:
                    said = door.defender.try_word(account, word)
                    inside = inside or said == "ok"
                    self._say(said)
                    door.write_down()
                case ["quit"]:
                    return
                case _ if not inside or door.defender.closed:
                    self._say("log in first")
                case ["list"]:
                    self._say(" ".join(sorted(door.shelf)))
                case ["show", name]:
                    lines = door.shelf.get(name, "").splitlines()
                    self._say("\n".join([str(len(lines)), *lines]))
                case ["reach", host, port]:
                    if self._reach(host, port):
                        return
                    self._say("no way")
                case _:
                    self._say("login, list, show, reach or quit")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\n".encode())

    def _reach(self, host: str, port: str) -> bool:
        try:
            onward = socket.create_connection((host, int(port)), 10)
        except (OSError, ValueError, OverflowError):
            return False
        onward.settimeout(None)
        with onward:
            self._say("open")
            back = threading.Thread(target=self._carry_back, args=(onward,), daemon=True)
            back.start()
            while data := self.rfile.read1(65536):
                onward.sendall(data)
            onward.shutdown(socket.SHUT_WR)
            back.join(20)
        return True

    def _carry_back(self, onward: socket.socket) -> None:
        try:
            while data := onward.recv(65536):
                self.wfile.write(data)
            self.connection.shutdown(socket.SHUT_WR)
        except OSError:
            return


class Door(socketserver.ThreadingTCPServer):
    """The door's port."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, settings: dict[str, Any], record: Path) -> None:
        self.name, self.shelf = settings["name"], settings["shelf"]
        self.replaced_before = settings["replaced_before"]
        self.defender = Defender(
            settings["accounts"], settings["bait"], settings["replace_after"], settings["close_after"]
        )
        self._record = record
        self.write_down()
        super().__init__(("127.0.0.1", port), Visit)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A visitor that hangs up is no news."""

    def write_down(self) -> None:
        """What the defender saw, for the host's record."""
        seen = {"wrong": self.defender.wrong, "replacements": self.defender.replacements}
        self._record.write_text(json.dumps(seen))


if __name__ == "__main__":
    with Door(int(sys.argv[1]), json.loads(Path("door.json").read_text()), Path("defence.json")) as door:
        door.serve_forever()
