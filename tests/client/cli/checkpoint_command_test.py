#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command keeps moments of a session, and takes it back to them, on a real server with a store."""

import tempfile

from command_fixture import ServedTest, main


class CheckpointTest(ServedTest):
    """Sessions on a server that has a data directory."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.data_dir = tempfile.TemporaryDirectory()
        cls.server_arguments = (f"--data-dir={cls.data_dir.name}",)
        super().setUpClass()

    @classmethod
    def tearDownClass(cls) -> None:
        super().tearDownClass()
        cls.data_dir.cleanup()

    def train(self, session: str) -> None:
        self.succeeds("train", "--session", session, *self.csv_data, "--epochs", "1")

    def errors(self, session: str) -> dict:
        (evaluated,) = self.objects("evaluate", session, *self.csv_data)
        # A fork counts its own steps.
        evaluated.pop("first_step")
        evaluated.pop("last_step")
        return evaluated

    def new_session(self) -> str:
        return self.keep(*self.csv_data, "--layers", "8:tanh,3:softmax", "--epochs", "2")

    def names(self, session: str) -> list[str]:
        return [each["name"] for each in self.objects("checkpoint", "list", session)]

    def test_a_session_goes_back_to_what_it_was(self) -> None:
        session = self.new_session()
        self.assertEqual("two-epochs is of step 600\n", self.succeeds("checkpoint", "create", session, "two-epochs"))
        before = self.errors(session)
        self.train(session)
        after = self.errors(session)
        self.assertNotEqual(before, after)
        fork = self.made("fork", session, "--from-checkpoint", "two-epochs")
        self.assertEqual("at step 600 again, in epoch 2\n", self.succeeds("rewind", session, "two-epochs"))
        self.assertIn("keeps no history", self.fails(1, "rewind", session, "--step", "5"))
        self.assertIn("--step", self.fails(2, "rewind", session))
        for same in (self.errors(session), self.errors(fork)):
            self.assertEqual(same, before)
        self.train(session)
        self.assertEqual(self.errors(session), after)
        (back,) = self.objects("rewind", session, "two-epochs")
        self.assertEqual((back["step"], back["epoch"]), ("600", "3"))

    def test_what_is_kept_is_listed_changed_and_deleted(self) -> None:
        session = self.new_session()
        self.succeeds("checkpoint", "create", session, "b", "--expire-after", "3600")
        (made,) = self.objects("checkpoint", "create", session, "a", "--pin")
        self.assertEqual((made["name"], made["pinned"]), ("a", True))
        self.assertEqual(self.names(session), ["a", "b"])
        head, first, second = self.succeeds("checkpoint", "list", session).splitlines()
        self.assertEqual(head.split(), ["CHECKPOINT", "STEP", "CREATED", "(UTC)", "EXPIRES", "(UTC)", "PINNED",
                                        "BYTES"])
        self.assertRegex(first, r"^a +600 +\d{4}-\d\d-\d\d \d\d:\d\d +never +yes +[\d,]+$")
        self.assertRegex(second, r"^b +600 +\S+ \S+ +\d{4}-\d\d-\d\d \d\d:\d\d +no +[\d,]+$")
        self.assertIn("is pinned", self.fails(1, "checkpoint", "delete", session, "a"))
        self.succeeds("checkpoint", "update", session, "a", "--unpin", "--expire-after", "60")
        (changed,) = self.objects("checkpoint", "update", session, "b", "--pin", "--for-good")
        self.assertEqual((changed["pinned"], "expire_time" in changed), (True, False))
        self.assertEqual(self.objects("checkpoint", "delete", session, "a"),
                         [{"event": "deleted", "session_id": session, "checkpoint": "a"}])
        self.assertEqual(self.names(session), ["b"])

    def test_what_cannot_be_is_said(self) -> None:
        session = self.new_session()
        self.succeeds("checkpoint", "create", session, "a")
        self.assertIn("say what to change", self.fails(2, "checkpoint", "update", session, "a"))
        self.assertIn("--unpin", self.fails(2, "checkpoint", "update", session, "a", "--pin", "--unpin"))
        self.assertIn("--for-good", self.fails(2, "checkpoint", "update", session, "a", "--for-good",
                                               "--expire-after", "9"))
        self.assertIn("--expire-after", self.fails(2, "checkpoint", "create", session, "b", "--expire-after", "0"))
        self.assertIn('has no checkpoint "b"', self.fails(1, "rewind", session, "b"))
        self.assertIn('has no checkpoint "b"', self.fails(1, "session", "fork", session, "--from-checkpoint", "b"))
        self.train(session)
        self.assertIn('has a checkpoint "a" at step 600', self.fails(1, "checkpoint", "create", session, "a"))


if __name__ == "__main__":
    main()
