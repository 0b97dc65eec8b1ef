# SPDX-License-Identifier: Apache-2.0
"""A terminal to run a command in: what its screen shows, line by line."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import tempfile
import termios

TOKENS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\r\n]|[^\x1b\r\n]")


class Screen:
    """Understands what the command uses: CR, LF, and erasing to the end of the line."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.lines = [""]
        self.column = 0

    def show(self, text: str) -> None:
        for token in TOKENS.findall(text):
            if token == "\r":
                self.column = 0
            elif token == "\n":
                self.lines.append("")
            elif token == "\x1b[K":
                self.lines[-1] = self.lines[-1][:self.column]
            elif token.startswith("\x1b"):
                raise AssertionError(f"the command used {token!r}")
            else:
                self.put(token)

    def put(self, character: str) -> None:
        if self.column == self.columns:
            self.lines.append("")
            self.column = 0
        line = self.lines[-1].ljust(self.column)
        self.lines[-1] = line[:self.column] + character + line[self.column + 1:]
        self.column += 1


class Terminal:
    """A pseudo-terminal of this width; `ours` is its user's end, `theirs` the program's."""

    def __init__(self, columns: int) -> None:
        self.ours, self.theirs = pty.openpty()
        self.columns = columns
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def run(self, command: list[str], *, stdout: bool = True, stderr: bool = True,
            term: str = "xterm", timeout: float = 60) -> tuple[int, str, str]:
        """Runs a command; gives its exit code, what came to the terminal, and what its
        streams that are no terminal got."""
        with tempfile.TemporaryFile() as elsewhere:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=os.environ | {"TERM": term},
                                       stdout=self.theirs if stdout else elsewhere,
                                       stderr=self.theirs if stderr else elsewhere)
            os.close(self.theirs)
            shown = b""
            try:
                while part := os.read(self.ours, 1 << 16):
                    shown += part
            except OSError:  # the program has closed its end
                pass
            os.close(self.ours)
            process.wait(timeout=timeout)
            elsewhere.seek(0)
            return process.returncode, shown.decode(), elsewhere.read().decode()
