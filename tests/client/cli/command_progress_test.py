#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `backprop train` says while it trains: one line on a terminal, some fifty elsewhere."""

import re

from command_fixture import ServedTest, idx, main
from terminal import Screen, Terminal

MANY = 3000
LEARNT = ("--layers", "3:softmax", "--learning-rate", "0.05")


class ProgressTest(ServedTest):
    def setUp(self) -> None:
        super().setUp()
        # A few samples, so that 3,000 epochs take a second.
        pixels = idx((9, 2, 2), bytes(255 * (i // 4 % 3 == i % 4) for i in range(36)))
        labels = idx((9,), bytes(i % 3 for i in range(9)))
        self.few = ("--images", self.file("few.images", pixels), "--labels", self.file("few.labels", labels))
        self.test = ("--test-images", self.few[1], "--test-labels", self.few[3])

    def screen(self, columns: int, *arguments: str, **streams: bool) -> tuple[list[str], str]:
        """The screen's lines after a command that must succeed, and what it wrote to no terminal."""
        status, shown, piped = Terminal(columns).run(self.command(*arguments), **streams)
        self.assertEqual(status, 0, shown + piped)
        screen = Screen(columns)
        screen.show(shown)
        # A line that wraps can't be taken back.
        for text in re.findall(r"\r([^\r\n]*)\x1b\[K", shown):
            self.assertLess(len(text), columns, text)
        return screen.lines, piped

    def epochs(self, lines: list[str]) -> list[int]:
        told = [re.match(r"epoch +(\d+)", line) for line in lines]
        return [int(match[1]) for match in told if match]

    def test_a_terminal_shows_one_line_whose_last_state_stays(self) -> None:
        lines, _ = self.screen(80, "train", *self.few, *self.test, *LEARNT, "--epochs", str(MANY))
        self.assertEqual(self.epochs(lines), [MANY])
        (last,) = (line for line in lines if line.startswith("epoch"))
        self.assertRegex(last, r"^epoch 3000/3000   error 0\.\d{6}   test accuracy 1\.0000   [\d,]+ samples/s$")
        self.assertEqual([line for line in lines if "[" in line], [], "a bar was left behind")
        self.assertIn("replica:       identical", "\n".join(lines))

    def test_a_narrow_terminal_shows_what_fits(self) -> None:
        lines, _ = self.screen(36, "train", *self.few, *self.test, *LEARNT, "--epochs", str(MANY))
        (last,) = (line for line in lines if line.startswith("epoch"))
        self.assertRegex(last, r"^epoch 3000/3000   error 0\.\d{6}$")

    def test_elsewhere_there_are_some_fifty_lines_and_the_last(self) -> None:
        said = self.succeeds("train", *self.few, *LEARNT, "--epochs", str(MANY)).splitlines()
        epochs = self.epochs(said)
        self.assertTrue(25 <= len(epochs) <= 60, epochs)
        self.assertEqual((epochs[0], epochs[-1]), (1, MANY))
        self.assertIn(f"epoch    1/{MANY}   error", said[2])

    def test_programs_read_every_epoch(self) -> None:
        told = self.objects("train", *self.few, *LEARNT, "--epochs", "200")
        self.assertEqual([entry["epoch"] for entry in told if entry["event"] == "epoch"], [*range(1, 201)])

    def test_where_the_error_decides_no_line_says_of_how_many(self) -> None:
        arguments = ("train", *self.few, *LEARNT, "--until-error", "0.2")
        said = self.succeeds(*arguments).splitlines()
        self.assertIn("training on 9 samples until the error is 0.2, 1,000 epochs at most", said)
        epochs = self.epochs(said)
        self.assertTrue(10 < len(epochs) <= 60, epochs)
        lines = [line for line in said if line.startswith("epoch")]
        errors = [float(re.search(r"error ([\d.]+)", line)[1]) for line in lines]
        self.assertLessEqual(errors[-1], 0.2)
        self.assertGreater(min(errors[:-1]), 0.2)
        for line in lines:
            self.assertRegex(line, r"^epoch \d+   error ")
        shown, _ = self.screen(80, *arguments)
        self.assertEqual(self.epochs(shown), [epochs[-1]])
        self.assertNotIn("/1000", "\n".join(shown))

    def test_an_error_that_stays_too_large_ends_at_the_bound_and_says_so(self) -> None:
        said = self.succeeds("train", *self.few, *LEARNT, "--until-error", "0", "--epochs", "60")
        self.assertEqual(self.epochs(said.splitlines())[-1], 60)
        self.assertIn("note: the error did not fall to 0 in 60 epochs: raise --epochs", said)

    def test_a_log_has_its_lines_while_the_terminal_has_a_bar(self) -> None:
        lines, log = self.screen(80, "train", *self.few, *LEARNT, "--epochs", str(MANY), stdout=False)
        self.assertTrue(25 <= len(self.epochs(log.splitlines())) <= 60)
        self.assertEqual(lines, [""], "something was left on the terminal")
        self.assertNotIn("\x1b", log)
        self.assertNotIn("\r", log)

    def test_a_terminal_that_cannot_go_back_gets_lines(self) -> None:
        command = self.command("train", *self.few, *LEARNT, "--epochs", str(MANY))
        status, shown, _ = Terminal(80).run(command, term="dumb")
        self.assertEqual(status, 0, shown)
        self.assertNotIn("\x1b", shown)
        self.assertTrue(25 <= len(self.epochs(shown.splitlines())) <= 60)


if __name__ == "__main__":
    main()
