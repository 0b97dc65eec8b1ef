#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whatever is wrong with what was typed, the command says which flag it is,
and what to do; and its exit code says whose fault it was."""

import gzip
import json
import re

from command_fixture import CommandTest, idx, images, main


class UsageTest(CommandTest):
    """Exit code 2: the command line asks for what cannot be."""

    def refused(self, *arguments: str) -> str:
        return self.fails(2, *arguments)

    def commands(self, *within: str) -> list[list[str]]:
        """All commands there are, as they are typed; the first is none."""
        listed = re.search("say what to do: (.*)", self.run_command(*within).stderr)
        inner = listed[1].split(", ") if listed else []
        return [[*within], *(command for name in inner for command in self.commands(*within, name))]

    def test_help_and_version_are_no_failures(self) -> None:
        for command in self.commands():
            said = self.succeeds(*command, "--help")
            self.assertIn(" ".join(["Usage: backprop", *command]), said)
            self.assertLessEqual(max(map(len, said.splitlines())), 80, said)
            # Groups stand apart, and nothing is listed twice.
            self.assertNotRegex(said, r"(?m)^.+\n(Usage|Positionals|Options|Subcommands):")
            options = re.findall(r"(?m)^  (--[a-z0-9-]+)", said)
            self.assertEqual(len(options), len(set(options)), options)
            self.assertNotRegex(said, r"(?m)^  (SESSION|--session) ID REQUIRED")
        self.assertRegex(self.succeeds("--version"), r"^backprop \d+\.\d+\.\d+\n$")

    def test_help_says_what_a_flag_is_without_its_number_where_that_can_be(self) -> None:
        self.assertIn("--standardise COUNT=all ", self.succeeds("train", "--help"))
        for command in (["bench"], ["session", "create"]):
            said = " ".join(self.succeeds(*command, "--help").split())
            self.assertRegex(said, "--standardise COUNT Bring each input [^-;]* before training --min-deviation")

    def test_no_command_lists_those_there_are(self) -> None:
        self.assertIn("train, predict, evaluate, session, checkpoint, rewind, watch, weights, export, import", self.refused())
        self.assertIn("create, update, fork, list, describe, delete", self.refused("session"))
        self.assertIn("download", self.refused("weights"))

    def test_a_fork_from_a_checkpoint_has_its_settings(self) -> None:
        for flag, value in (("--learning-rate", "0.1"), ("--optimiser", "adam"), ("--name", "owl")):
            with self.subTest(flag=flag):
                said = self.refused("session", "fork", "x", "--from-checkpoint", "a", flag, value)
                self.assertIn(f"--from-checkpoint: the fork has the checkpoint's settings: leave {flag} out, ", said)

    def test_what_is_not_known_is_named_with_where_to_look(self) -> None:
        self.assertIn("backprop: trian:", self.refused("trian"))
        said = self.refused("train", "--imges", self.images)
        self.assertIn("--imges: backprop train does not know this", said)
        self.assertIn("See backprop train --help.", said)

    def test_a_slip_is_told_with_what_may_have_been_meant(self) -> None:
        for meant, *typed in (("train", "trian"), ("list", "session", "lst"), ("--optimiser", "train", "--optimizer=adam"),
                              ("--json", "session", "list", "--jsn"), ("--layers", "train", "--layer", "3")):
            with self.subTest(typed=typed):
                self.assertIn(f" does not know this; did you mean {meant}?\n", self.refused(*typed))
        self.assertIn(" does not know this\n", self.refused("train", "--lr", "1"))

    def test_every_command_tells_where_the_options_of_all_are(self) -> None:
        for command in self.commands()[1:]:
            said = self.succeeds(*command, "--help")
            self.assertIn("such as --address and --json: backprop --help\n", said)
            self.assertNotIn("These options", said)

    def test_what_is_wrong_is_told_in_the_terms_of_the_command(self) -> None:
        for says, *arguments in (
            ("--session is required: the session's id, which backprop session list shows", "watch"),
            ("--images: name the data: --images or --csv\n", "predict", "s"),
            ("--images: name the data: --images with --labels, or --csv with --target", "evaluate", "s"),
            ("--learning-rate: '0,1' is not a number\n", "train", *self.idx_data, "--learning-rate", "0,1"),
            ("--learning-rate: '0' is not a number other than 0", "train", *self.idx_data, "--learning-rate", "0"),
            ("adam, lion, adamw\n", "train", *self.idx_data, "--optimiser", "Adam"),
        ):
            with self.subTest(arguments=arguments):
                self.assertIn(says, self.refused(*arguments))

    def test_numbers_that_are_none_are_named(self) -> None:
        for flag, value in (("--epochs", "0"), ("--epochs", "-1"), ("--epochs", "2x"), ("--batch-size", "0"),
                            ("--batch-size", "4294967296"), ("--learning-rate", "fast"), ("--learning-rate", "0"),
                            ("--learning-rate", "nan"), ("--seed", "-1"), ("--samples-per-message", "0"),
                            ("--require-accuracy", "85")):
            with self.subTest(flag=flag, value=value):
                test = ("--test-images", self.images, "--test-labels", self.labels)
                self.assertIn(f"backprop: {flag}: ", self.refused("train", *self.idx_data, *test, flag, value))

    def test_what_is_missing_or_too_much_is_named(self) -> None:
        data = self.idx_data
        for flag, arguments in (
            ("--images", ["train"]),
            ("--labels", ["train", "--images", self.images]),
            ("--labels", ["train", "--labels", self.labels]),
            ("--target", ["train", "--csv", self.csv]),
            ("--csv", ["train", *data, "--csv", self.csv]),
            ("--test-labels", ["train", *data, "--test-images", self.images]),
            ("--test-csv -", ["train", "--csv", "-", "--target", "y", "--test-csv", "-"]),
            ("--labels", ["train", "--images", "-", "--labels", "-"]),
            ("--standardise", ["session", "create", "--input-size", "4", "--layers", "2", "--standardise"]),
            ("--optimiser", ["train", *data, "--session", "s", "--optimiser", "adam"]),
            ("--standardise", ["train", *data, "--session", "s", "--standardise"]),
            ("--require-accuracy", ["train", *data, "--require-accuracy", "0.9"]),
            ("--require-accuracy", ["train", *self.csv_data, "--regression", "--test-csv", self.csv,
                                    "--require-accuracy", "0.9"]),
            ("--learning-rate", ["train", *data, "--session", "s", "--learning-rate", "1"]),
            ("--layers", ["train", *data, "--layers", "2:softmax"]),
            ("--layers", ["session", "create", "--input-size", "4"]),
            ("--input-size", ["session", "create", "--layers", "2"]),
            ("--session", ["session", "describe"]),
            ("--output", ["weights", "download", "s"]),
            ("--output", ["train", *data, "--output", "w", "--no-replica"]),
            ("--output", ["train", *data, "--output", "-"]),
            ("--address", ["--address", "localhost", "session", "list"]),
        ):
            with self.subTest(arguments=arguments):
                self.assertRegex(self.refused(*arguments), rf"backprop: {flag}(: | is required)")

    def test_a_flag_without_its_value_and_one_too_many_are_named(self) -> None:
        self.assertIn("--until-error: needs a value behind it: ERROR",
                      self.refused("train", *self.idx_data, "--until-error"))
        self.assertIn("--epochs: is given more than once",
                      self.refused("train", *self.idx_data, "--epochs", "1", "--epochs", "2"))

    def test_an_unknown_column_lists_those_there_are(self) -> None:
        said = self.refused("train", "--csv", self.csv, "--target", "spices")
        self.assertIn("--target: ", said)
        self.assertIn("height, weight, species", said)


class DataTest(CommandTest):
    """Exit code 1: the command line is right, the data is not."""

    def refused(self, *arguments: str, stdin: bytes = b"") -> str:
        return self.fails(1, *arguments, stdin=stdin)

    def test_a_file_that_cannot_be_read_is_named(self) -> None:
        self.assertIn("--images: cannot open /nowhere: No such file",
                      self.refused("train", "--images", "/nowhere", "--labels", self.labels))
        self.assertIn("is a directory", self.refused("train", "--csv", str(self.folder), "--target", "0"))

    def test_a_file_that_is_cut_off_is_no_data(self) -> None:
        whole = gzip.compress(images(300)[0])
        cut = self.file("cut.gz", whole[: len(whole) // 2])
        self.assertIn("is the file complete?", self.refused("train", "--images", cut, "--labels", self.labels))

    def test_a_file_of_another_kind_is_no_data(self) -> None:
        self.assertIn("is not an IDX file", self.refused("train", "--images", self.csv, "--labels", self.labels))
        self.assertIn("--labels: ", self.refused("train", "--images", self.images, "--labels", self.images))

    def test_images_and_labels_of_different_number_do_not_belong_together(self) -> None:
        few = self.file("few", idx((2,), b"\0\1"))
        self.assertIn("--labels: there are 300 images but 2 labels",
                      self.refused("train", "--images", self.images, "--labels", few))

    def test_a_bad_row_names_its_line(self) -> None:
        for text, says in ((b"x,y\n1,2\n3\n", "line 3"), (b"x,y\n1,2\nabc,0\n", "line 3: 'abc' in column 'x'"),
                           (b"", "has no rows")):
            with self.subTest(text=text):
                said = self.refused("train", "--csv", "-", "--target", "y", stdin=text)
                self.assertIn("--csv: standard input", said)
                self.assertIn(says, said)
                self.assertNotIn("is named by", said)

    def test_a_column_that_is_no_input_of_predict_can_be_named(self) -> None:
        hint = "in column 'species' is not a finite number; a column that is no input is named by --target"
        self.assertIn(hint, self.refused("predict", "s", "--csv", self.csv))
        self.assertIn(hint, self.refused("predict", "s", "--csv", self.csv, "--target", "spices"))

    def test_fewer_samples_than_a_step_takes(self) -> None:
        said = self.refused("train", *self.idx_data, "--batch-size", "301")
        self.assertIn("has 300 samples, fewer than the 301 of one step", said)
        self.assertIn("--batch-size", said)

    def test_test_data_that_does_not_fit_is_named(self) -> None:
        other = self.file("other.csv", b"a,species\n1,cat\n")
        self.assertIn(f"--test-csv {other} has 1 inputs a sample, the session takes 2",
                      self.refused("train", *self.csv_data, "--test-csv", other))
        unknown = self.file("unknown.csv", b"height,weight,species\n1,1,emu\n")
        self.assertIn("line 2: 'emu' is not one of the 3 known classes",
                      self.refused("train", *self.csv_data, "--test-csv", unknown))

    def test_a_server_that_is_not_there_is_named_with_what_to_do(self) -> None:
        for arguments in (["session", "list"], ["train", *self.idx_data], ["weights", "download", "s", "--output", "-"],
                          ["predict", "s", "--images", self.images], ["evaluate", "s", *self.idx_data]):
            with self.subTest(arguments=arguments):
                self.assertIn("Is backpropd running at --address 127.0.0.1:1? Start it",
                              self.refused(*arguments))

    def test_programs_get_the_error_as_an_object(self) -> None:
        for status, arguments in ((1, ["session", "list"]), (2, ["train", "--epochs", "x"])):
            done = self.run_command("--json", *arguments)
            self.assertEqual(done.returncode, status)
            error = json.loads(done.stdout)
            self.assertEqual(error["event"], "error")
            self.assertEqual(error["code"], "UNAVAILABLE" if status == 1 else "INVALID_ARGUMENT")


if __name__ == "__main__":
    main()
