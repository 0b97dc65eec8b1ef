#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command trains, predicts, evaluates and looks after sessions, on a real server."""

import json
import os
import pathlib
import pty
import re
import signal
import subprocess
import threading
import time

import numpy
from command_fixture import CLASSES, PATIENCE_SECONDS, PIXELS, SPECIES, ServedTest, idx, images, main, table

QUICK = ("--layers", "8:tanh,3:softmax", "--learning-rate", "0.1", "--epochs", "5")


class TrainTest(ServedTest):
    def test_people_read_how_well_it_goes_epoch_by_epoch(self) -> None:
        said = self.succeeds("train", *self.idx_data, "--test-images", self.images, "--test-labels", self.labels,
                             *QUICK, "--require-accuracy", "0.9")
        self.assertIn("4-8:tanh-3:softmax, 67 weights", said)
        epochs = re.findall(r"^epoch (\d)/5   error \d\.\d+   test accuracy [01]\.\d+   [\d,]+ samples/s$", said, re.M)
        self.assertEqual(epochs, ["1", "2", "3", "4", "5"])
        self.assertRegex(said, r"(?m)^test accuracy: (0\.9\d*|1\.0*) \(300 samples\)$")
        self.assertRegex(said, r"(?m)^steps: +1,500$")
        self.assertRegex(said, r"(?m)^samples/s: +[\d,]+$")
        self.assertRegex(said, r"(?m)^deltas: .* received; dense deltas would have been 402\.0 kB \(1/\d+\)$")
        self.assertRegex(said, r"(?m)^replica: +identical \(digest [0-9a-f]{16}\)$")
        self.assertEqual(self.sessions(), [])

    def test_programs_read_objects(self) -> None:
        session, *epochs, done = self.objects("train", *self.csv_data, "--test-csv", self.csv, "--standardise", *QUICK)
        self.assertEqual(session["event"], "session")
        self.assertEqual(session["classes"], list(SPECIES))
        self.assertEqual([epoch["epoch"] for epoch in epochs], [1, 2, 3, 4, 5])
        self.assertLess(epochs[-1]["error"], epochs[0]["error"])
        self.assertGreater(done["test_accuracy"], 0.9)
        self.assertEqual(done["test_error"], done["test_plain_error"])
        self.assertEqual((done["steps"], done["samples"], done["replica"]), (1500, 1500, "identical"))
        self.assertEqual(done["digest"], done["server_digest"])
        self.assertLess(done["delta_bytes"], done["dense_delta_bytes"])

    def test_every_optimiser_keeps_the_replica_identical(self) -> None:
        for flags in (("--momentum", "0.9", "--nesterov"), ("--l2", "1e-4", "--clip-value", "1"),
                      ("--optimiser", "adagrad", "--l1", "1e-4"), ("--optimiser", "rmsprop", "--rho", "0.9"),
                      ("--optimiser", "adam", "--clip-norm", "1"), ("--optimiser", "adamw", "--schedule", "cosine"),
                      ("--optimiser", "adam", "--batch-size", "5"), ("--delta-form", "factored", "--momentum", "0.5"),
                      ("--optimiser", "adam", "--delta-form", "dense")):
            with self.subTest(flags=flags):
                done = self.objects("train", *self.idx_data, "--layers", "8:leaky-relu=0.2:dropout=0.2,8:gelu,3:softmax",
                                    "--standardise", "60", "--epochs", "2", *flags)[-1]
                self.assertEqual((done["replica"], done["samples"]), ("identical", 600))

    def test_every_schedule_and_loss_is_taken(self) -> None:
        for flags in (("--schedule", "step", "--schedule-steps", "100"), ("--schedule", "polynomial"),
                      ("--schedule", "exponential", "--schedule-factor", "0.99"),
                      ("--schedule", "inverse-time", "--schedule-rate", "0.1"),
                      ("--schedule", "cosine", "--schedule-steps", "50", "--schedule-restarts"),
                      ("--schedule", "plateau", "--schedule-steps", "50", "--schedule-patience", "0"),
                      ("--warmup-steps", "20"),
                      ("--layers", "3:sigmoid", "--loss", "binary-cross-entropy", "--class-weights", "1,2,1"),
                      ("--layers", "3", "--loss", "huber", "--huber-delta", "0.5"),
                      ("--layers", "3", "--loss", "mean-squared-error"),
                      ("--layers", "3", "--loss", "mean-absolute-error"),
                      ("--layers", "3", "--loss", "poisson"),
                      ("--layers", "3:softmax", "--label-smoothing", "0.1", "--initialiser", "normal",
                       "--initialiser-value", "0.1")):
            with self.subTest(flags=flags):
                self.assertEqual(self.objects("train", *self.idx_data, *flags)[-1]["replica"], "identical")

    def test_without_a_replica_no_deltas_travel(self) -> None:
        done = self.objects("train", *self.idx_data, "--no-replica")[-1]
        self.assertEqual((done["replica"], done["delta_bytes"], done["steps"]), ("not kept", 0, 300))

    def test_data_comes_from_standard_input_too(self) -> None:
        pixels = images(300)[0]
        for arguments, stdin in ((("--images", "-", "--labels", self.labels), pixels),
                                 (("--csv", "-", "--target", "-1"), table(300).encode())):
            self.assertEqual(self.objects("train", *arguments, stdin=stdin)[-1]["samples"], 300)

    def test_batches_carry_left_over_samples_on(self) -> None:
        done = self.objects("train", *self.idx_data, "--batch-size", "7", "--epochs", "2")[-1]
        self.assertEqual((done["steps"], done["samples"], done["left_over_samples"]), (85, 595, 5))

    def test_a_number_can_be_the_target(self) -> None:
        rows = "".join(f"{x / 100},{2 * x / 100 - 1}\n" for x in range(100))
        line = self.file("line.csv", rows.encode())
        said = self.succeeds("train", "--csv", line, "--target", "1", "--regression", "--test-csv", line,
                             "--layers", "1", "--learning-rate", "0.1", "--until-error", "1e-4")
        self.assertLess(float(re.search(r"test error: +([\d.]+)", said)[1]), 1e-3)
        self.assertNotIn("accuracy", said)

    def test_training_stops_when_the_error_is_small_enough(self) -> None:
        epochs = self.objects("train", *self.idx_data, "--layers", "3:softmax", "--until-error", "0.1")[1:-1]
        self.assertLess(len(epochs), 100)
        self.assertLessEqual(epochs[-1]["error"], 0.1)
        self.assertGreater(epochs[-2]["error"], 0.1)
        said = self.succeeds("train", *self.idx_data, "--until-error", "0", "--epochs", "2")
        self.assertIn("note: the error did not fall to 0", said)

    def test_too_little_accuracy_is_a_failure(self) -> None:
        said = self.fails(1, "train", *self.idx_data, "--test-images", self.images, "--test-labels", self.labels,
                          "--learning-rate", "1e-9", "--require-accuracy", "1")
        self.assertIn("is below --require-accuracy 1.0000", said)

    def test_training_that_diverges_says_what_to_do_and_leaves_nothing(self) -> None:
        said = self.fails(1, "train", *self.csv_data, "--layers", "3", "--learning-rate", "1e30")
        self.assertIn("lower --learning-rate", said)
        self.assertIn("--standardise", said)
        self.assertEqual(self.sessions(), [])
        error = json.loads(self.run_command("--json", "train", *self.csv_data, "--layers", "3",
                                            "--learning-rate", "1e30").stdout.splitlines()[-1])
        self.assertEqual(error["reason"], "NON_FINITE_STEP")
        # A session that is there keeps its rate, whatever train is given.
        session = self.made("create", "--input-size", "2", "--layers", "3", "--learning-rate", "1e30")
        self.assertIn(f"lower the learning rate with backprop session update {session} --learning-rate",
                      self.fails(1, "train", *self.csv_data, "--session", session))


class ServerTest(ServedTest):
    def test_people_read_what_the_server_is(self) -> None:
        said = self.succeeds("server")
        self.assertLessEqual(max(map(len, said.splitlines())), 80, said)
        column = said.index(self.address)  # of all values
        rows = {line[:column].strip(): line[column:] for line in said.splitlines()}
        self.assertRegex(rows["version"], r"^\d+\.\d+\.\d+$")
        self.assertRegex(rows["started"], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$")
        self.assertRegex(rows["matrix products"], r"^OpenBLAS ")
        self.assertEqual(rows["max-message-bytes"], "16,777,216 B")
        self.assertEqual(rows["max-pending-calls"], "4,096")

    def test_programs_read_an_object(self) -> None:
        (server,) = self.objects("server")
        self.assertEqual(server["limits"]["max_sessions"], "10000")
        self.assertGreaterEqual(server["compute"]["threads"], 1)
        self.assertRegex(server["start_time"], r"^\d{4}-\d\d-\d\dT")


class SessionTest(ServedTest):
    def test_a_session_is_made_listed_described_and_deleted(self) -> None:
        session = self.succeeds("session", "create", "--input-size", "2", "--layers", "3:relu,1").strip()
        titles, line = self.succeeds("session", "list").splitlines()
        self.assertEqual(titles.split(), ["SESSION", "STEP", "DURABLE", "STATE", "MEMORY", "STORE", "CREATED", "(UTC)",
                                          "NETWORK"])
        self.assertRegex(line, rf"^{session} +0 +-  idle +52 B +-  \d{{4}}-\d\d-\d\d \d\d:\d\d  2-3:relu-1:identity$")
        (described,) = self.objects("session", "describe", session)
        self.assertEqual((described["session_id"], described["step"]), (session, "0"))
        self.assertEqual(described["layout"]["weight_count"], "13")
        self.assertEqual(self.objects("session", "describe", "--session", session), [described])
        self.assertEqual(self.objects("session", "delete", session), [{"event": "deleted", "session_id": session}])
        self.assertIn(f"'{session}'", self.fails(1, "session", "describe", session))
        self.assertIn("backprop: --session: is required", self.fails(2, "session", "describe", ""))
        self.assertEqual(self.sessions(), [])
        self.assertRegex(self.succeeds("session", "list"), r"^SESSION .*\n$")

    def test_a_session_has_a_name_that_people_change(self) -> None:
        session = self.made("create", "--input-size", "2", "--layers", "1", "--name", "Mäuse")
        self.assertRegex(self.succeeds("session", "describe", session), r"(?m)^name +Mäuse$")
        fork = self.made("fork", session)
        other = self.made("fork", session, "--name", "two owls")
        self.succeeds("session", "update", session, "--name", "")
        names = {line.split()[0]: line[len(session):].rsplit(" 0 ", 1)[0].strip()
                 for line in self.succeeds("session", "list").splitlines()[1:]}
        self.assertEqual(names, {session: "", fork: "Mäuse", other: "two owls"})
        self.assertIn("--name: has 64 bytes; must have at most 63",
                      self.fails(2, "session", "update", session, "--name", 64 * "x"))
        self.assertIn("--name: has a control character, byte 2 of 3; must have none",
                      self.fails(2, "session", "update", session, "--name", "a\nb"))

    def test_people_read_a_session_in_words(self) -> None:
        session = self.made("create", "--input-size", "2", "--layers", "3:leaky-relu=0.2,2:softmax", "--optimiser",
                            "adam", "--schedule", "cosine", "--schedule-steps", "1000", "--label-smoothing", "0.1",
                            "--batch-size", "5")
        said = self.succeeds("session", "describe", session)
        self.assertLessEqual(max(map(len, said.splitlines())), 80, said)
        self.assertNotRegex(said, r"[{}]|LOSS_|ACTIVATION_")
        for line in (f"session {session}", "network 2-3:leaky-relu=0.2-2:softmax", "weights 17, 68 B",
                     "loss cross-entropy, label smoothing 0.1", "schedule cosine, period of 1,000 steps, down to 0",
                     "optimiser adam, learning rate 0.001, beta1 0.9, beta2 0.999, epsilon 1e-08",
                     "batch size 5 samples a step", "step 0", "next offset 0", "writer none at the moment"):
            self.assertIn(line, re.sub(" {2,}", " ", said).splitlines())
        self.assertRegex(said, r"(?m)^created +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$")

    def test_what_the_server_refuses_names_the_flag(self) -> None:
        create = ("session", "create", "--input-size", "784")
        ten = (*create, "--layers", "10:softmax")
        for flag, says, arguments in (
            ("--layers", "layer 1's activation softmax is for the last layer only", (*create, "--layers", "2:softmax,2")),
            ("--layers", "layer 1's size must be at least 1", (*create, "--layers", "0:relu,2")),
            ("--layers", "layer 1's constant is for leaky-relu and elu only", (*create, "--layers", "8:relu=1,2")),
            ("--layers", "layer 1's constant is -1; must be finite and not negative",
             (*create, "--layers", "8:elu=-1,2")),
            ("--layers", "layer 1's dropout is 1; must be at least 0 and less than 1",
             (*create, "--layers", "8:relu:dropout=1,2")),
            ("--initialiser-value", "is not given; must be set for uniform and normal", (*ten, "--initialiser", "normal")),
            ("--initialiser-value", "is 0; must be set for constant: finite, not 0 (zeros is for that)",
             (*ten, "--initialiser", "constant", "--initialiser-value", "0")),
            ("--initialiser-value", "is 1; is for constant, uniform, normal and orthogonal only",
             (*ten, "--initialiser-value", "1")),
            ("--schedule-steps", "is not given; must be at least 1", (*ten, "--schedule", "step")),
            ("--schedule-steps", "is not given; must be at least 1", (*ten, "--schedule", "cosine")),
            ("--schedule-factor", "is not given; must be greater than 0", (*ten, "--schedule", "exponential")),
            ("--schedule-rate", "is not given; must be finite and greater than 0", (*ten, "--schedule", "inverse-time")),
            ("--schedule-min", "is 1; must be at least 0 and at most --learning-rate",
             (*ten, "--schedule", "polynomial", "--schedule-steps", "9", "--schedule-min", "1")),
            ("--label-smoothing", "is for cross-entropy only",
             (*create, "--layers", "1", "--loss", "huber", "--label-smoothing", "0.1")),
            ("--label-smoothing", "is 1; must be at least 0 and less than 1", (*ten, "--label-smoothing", "1")),
            ("--label-smoothing", "is a setting of the loss cross-entropy; this loss is huber",
             (*create, "--layers", "1", "--loss", "huber", "--label-smoothing", "0")),
            ("--class-weights", "is a setting of the loss cross-entropy or binary-cross-entropy; this loss is huber",
             (*create, "--layers", "1", "--loss", "huber", "--class-weights", "none")),
            ("--layers", "layer 1's activation must be softmax (outputs are probabilities) or identity (outputs are "
             "logits) under cross-entropy", (*create, "--layers", "2:sigmoid", "--loss", "cross-entropy")),
            ("--layers (not given)", "layer 2's activation softmax needs cross-entropy as the loss: set --loss",
             ("train", *self.idx_data, "--loss", "huber")),
            ("--layers", "with layer 1 the network has more than", (*create, "--layers", "4000000000")),
            ("--scale", "'0' is not a number other than 0", (*ten, "--scale", "0")),
            ("--class-weights", "are for cross-entropy and binary cross-entropy only",
             (*create, "--layers", "1", "--class-weights", "1")),
            ("--class-weights", "holds 2 numbers; must hold one for each of the 10 outputs",
             (*ten, "--class-weights", "1,2")),
            ("--class-weights", "number 2 is -1; must be finite and not negative",
             (*create, "--layers", "2:softmax", "--class-weights", "1,-1")),
            ("--huber-delta", "is -1; must be finite and greater than 0",
             (*create, "--layers", "1", "--loss", "huber", "--huber-delta=-1")),
            ("--standardise", "is 1; must be at least 2 and a multiple of --batch-size 1", (*ten, "--standardise", "1")),
            ("--standardise", "is 10; must be at least 2 and a multiple of --batch-size 4",
             (*ten, "--standardise", "10", "--batch-size", "4")),
            ("--momentum", "is 1; must be at least 0 and less than 1", (*ten, "--momentum", "1")),
            ("--epsilon", "is 1e-30; must be", (*ten, "--optimiser", "adam", "--epsilon", "1e-30")),
            ("--l2", "is -1; must be", (*ten, "--l2=-1")),
            ("--clip-norm", "is -1; must be", (*ten, "--clip-norm=-1")),
            ("--learning-rate", "is -1; must be", (*ten, "--learning-rate=-1")),
            ("--schedule-steps", "is not given; must be at least 1",
             ("train", *self.idx_data, "--schedule", "cosine", "--until-error", "0.1")),
        ):
            with self.subTest(arguments=arguments):
                said = self.fails(2, *arguments)
                self.assertIn(f"backprop: {flag}: {says}", said)
                self.assertIn("--help.", said)

    def test_all_that_is_wrong_is_told(self) -> None:
        # The server's details end with the 16th; its message goes on.
        said = self.fails(2, "session", "create", "--input-size", "784", "--layers", ",".join("0" * 18))
        for layer in range(1, 19):
            self.assertIn(f"--layers: layer {layer}'s size must be at least 1", said)
        self.assertNotIn("spec.", said)

    def test_a_kept_session_goes_on(self) -> None:
        session = self.keep(*self.idx_data, *QUICK)
        said = self.succeeds("train", "--session", session, *self.idx_data)
        self.assertIn("at step 1,500", said)
        self.assertIn("identical", said)
        self.assertIn(f"go on with --session {session}", said)
        self.assertIn("--csv", self.fails(1, "train", "--session", session, *self.csv_data))

    def test_predictions_are_a_line_a_row(self) -> None:
        session = self.keep(*self.idx_data, *QUICK)
        pixels = images(300)[0]
        lines = self.succeeds("predict", session, "--images", "-", stdin=pixels).splitlines()
        right = sum(line.startswith(f"{i % CLASSES}\t") for i, line in enumerate(lines))
        self.assertEqual(len(lines), 300)
        self.assertGreater(right, 270)
        rows = self.objects("predict", session, "--images", self.images)
        self.assertEqual([row["row"] for row in rows], list(range(300)))
        self.assertAlmostEqual(sum(rows[7]["outputs"]), 1, places=5)
        self.assertEqual(rows[7]["class"], max(range(CLASSES), key=rows[7]["outputs"].__getitem__))

    def test_evaluation_agrees_with_training(self) -> None:
        session = self.keep(*self.idx_data, *QUICK)
        (result,) = self.objects("evaluate", session, *self.idx_data)
        self.assertEqual((result["samples"], result["last_step"]), (300, 1500))
        self.assertGreater(result["accuracy"], 0.9)
        said = self.succeeds("evaluate", session, *self.idx_data)
        self.assertIn(f"accuracy: {result['accuracy']:.4f}\n", said)
        wide = self.file("wide", idx((1, 3, 3), bytes(9)))
        self.assertIn(f"--images {wide} has 9 inputs a sample, the session takes {PIXELS}",
                      self.fails(1, "predict", session, "--images", wide))

    def test_an_evaluation_tells_the_sessions_error_and_the_plain_one(self) -> None:
        plain = self.keep(*self.idx_data, *QUICK)
        (result,) = self.objects("evaluate", plain, *self.idx_data)
        self.assertEqual(result["error"], result["plain_error"])
        self.assertIn(f"error:    {result['error']:.6f}\n", self.succeeds("evaluate", plain, *self.idx_data))
        session = self.keep(*self.idx_data, *QUICK, "--label-smoothing", "0.2", "--class-weights", "0.5,2,1")
        (result,) = self.objects("evaluate", session, *self.idx_data)
        self.assertGreater(result["error"], result["plain_error"] + 0.1)
        self.assertIn(f"error:    {result['error']:.6f} ({result['plain_error']:.6f} without label smoothing and "
                      "class weights)\n", self.succeeds("evaluate", session, *self.idx_data))

    def test_new_rows_are_standardised_and_named_as_the_training_data(self) -> None:
        session = self.keep(*self.csv_data, "--standardise", *QUICK)
        (result,) = self.objects("evaluate", session, *self.csv_data)
        self.assertGreater(result["accuracy"], 0.9)
        # Rows to be predicted come without their species.
        rows = self.objects("predict", session, "--csv", "-", "--target", "species", "--classes", ",".join(SPECIES),
                            stdin=table(6, target=False).encode())
        self.assertEqual([row["class_name"] for row in rows], [*SPECIES, *SPECIES])
        one = self.file("one.csv", b"height,weight,species\n1,5000,owl\n")
        self.assertIn("backprop: --classes: the data names 1 classes, the network has 3",
                      self.fails(2, "evaluate", session, "--csv", one, "--target", "species"))

    def test_weights_are_what_the_replica_holds(self) -> None:
        *_, done = self.objects("train", "--keep-session", *self.idx_data, *QUICK)
        session = self.deleted_later(done["session_id"])
        npy, raw = str(self.folder / "w.npy"), str(self.folder / "w.f32")
        (saved,) = self.objects("weights", "download", session, "--output", npy)
        self.assertEqual((saved["weights"], saved["step"], saved["digest"]), (67, 1500, done["digest"]))
        self.assertIn("67 weights of step 1,500", self.succeeds("weights", "download", session, "--output", raw))
        piped, _ = self.piped("weights", "download", session)
        weights = numpy.load(npy)
        self.assertEqual((weights.dtype, weights.shape), (numpy.dtype("<f4"), (67,)))
        self.assertEqual(weights.tobytes(), piped)
        self.assertEqual(numpy.fromfile(raw, "<f4").tobytes(), piped)
        self.assertIn("--output: cannot write /nowhere/w",
                      self.fails(1, "weights", "download", session, "--output", "/nowhere/w"))

    def test_json_and_bytes_on_standard_output_do_not_mix(self) -> None:
        session = self.keep(*self.idx_data, *QUICK)
        path = str(self.folder / "file")
        for command in (["weights", "download"], ["export", "--force"]):
            with self.subTest(command=command):
                (saved,) = self.objects(*command, session, "--output", path)
                piped, said = self.piped("--json", *command, session)
                self.assertEqual(piped, pathlib.Path(path).read_bytes())
                self.assertEqual(json.loads(said), {**saved, "output": "-"})

    def test_training_writes_the_weights_that_its_replica_holds(self) -> None:
        file = self.file("w.npy", b"")
        *_, saved, done = self.objects("train", *self.idx_data, *QUICK, "--keep-session", "--output", file)
        self.deleted_later(done["session_id"])
        self.assertEqual((saved["event"], saved["step"], saved["digest"]), ("saved", 1500, done["server_digest"]))
        theirs = self.file("theirs.npy", b"")
        self.succeeds("weights", "download", done["session_id"], "--output", theirs)
        self.assertEqual(numpy.load(file).tobytes(), numpy.load(theirs).tobytes())
        self.assertIn("--output: cannot write /nowhere/w",
                      self.fails(1, "train", *self.idx_data, "--output", "/nowhere/w"))


class LiveSessionTest(ServedTest):
    """Sessions that are changed, forked and watched."""

    def test_an_update_says_what_changed_and_from_which_step(self) -> None:
        session = self.keep(*self.idx_data, *QUICK, "--optimiser", "adam")
        said = self.succeeds("session", "update", session, "--learning-rate", "0.25", "--beta1", "0.5",
                             "--schedule", "cosine", "--schedule-steps", "100")
        self.assertEqual(said, "from step 1,501 on: adam, learning rate 0.25, cosine schedule\n"
                               "changed: --learning-rate, --beta1, --schedule, --schedule-steps\n")
        (updated,) = self.objects("session", "update", session, "--schedule", "constant")
        self.assertEqual((updated["first_step"], updated["changed"]), (1501, ["optimiser.schedule"]))
        (described,) = self.objects("session", "describe", session)
        self.assertEqual(described["learning_rate"], 0.25)
        self.assertNotIn("cosine", json.dumps(described))
        self.assertIn("identical", self.succeeds("train", "--session", session, *self.idx_data))

    def test_what_an_update_cannot_do_is_named(self) -> None:
        session = self.keep(*self.idx_data, *QUICK)
        self.assertIn("backprop: --beta1: is a setting of adam and lion; this optimiser is sgd",
                      self.fails(2, "session", "update", session, "--beta1", "0.5"))
        self.assertIn("say what to change", self.fails(2, "session", "update", session))
        # The session's own number is at fault, beside the one that was typed.
        self.succeeds("session", "update", session, "--schedule", "cosine", "--schedule-steps", "9",
                      "--schedule-min", "0.05")
        self.assertIn("backprop: --schedule-min (not given): is 0.05; must be at least 0 and at most --learning-rate",
                      self.fails(2, "session", "update", session, "--learning-rate", "0.01"))
        self.assertIn("backprop: --momentum: can't go from 0 to 0.5",
                      self.fails(2, "session", "update", session, "--momentum", "0.5"))

    def test_a_fork_goes_its_own_way_from_its_origins_weights(self) -> None:
        session = self.keep(*self.csv_data, "--standardise", *QUICK)
        for flags in ((), ("--optimiser", "adam", "--learning-rate", "0.01"), ("--learning-rate", "0.001")):
            with self.subTest(flags=flags):
                fork = self.made("fork", session, *flags)
                (described,) = self.objects("session", "describe", fork)
                self.assertEqual((described["forked_from"], described["step"]), (session, "0"))
                (theirs,), (ours,) = (self.objects("evaluate", s, *self.csv_data) for s in (session, fork))
                self.assertEqual(theirs["error"], ours["error"])
                said = self.succeeds("train", "--session", fork, *self.csv_data)
                self.assertIn("identical", said)
                self.assertIn("adam, learning rate 0.01" if "adam" in flags else "sgd", said)
        (origin,) = self.objects("evaluate", session, *self.csv_data)
        self.assertEqual(origin["last_step"], 1500)
        self.assertIn("leave --with-state out", self.fails(2, "session", "fork", session, "--with-state", "--optimiser", "adam"))

    def watch(self, session: str, *arguments: str) -> subprocess.Popen:
        """Starts to watch and returns once the server knows of it."""
        watcher = subprocess.Popen(self.command("--json", "watch", session, "--interval", "0.1", *arguments),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(watcher.stderr.close)
        self.addCleanup(watcher.stdout.close)
        self.addCleanup(watcher.kill)
        self.assertEqual(json.loads(watcher.stdout.readline())["event"], "watching")
        return watcher

    def seen(self, watcher: subprocess.Popen, status: int = 0) -> tuple[list[dict], dict]:
        *lines, done = map(json.loads, watcher.stdout.read().splitlines())
        complained = watcher.stderr.read()
        self.assertEqual((watcher.wait(timeout=PATIENCE_SECONDS), complained), (status, ""))
        return lines, done

    def test_a_watcher_follows_what_others_train(self) -> None:
        for flags in ((), ("--optimiser", "adam", "--batch-size", "3", "--standardise")):
            with self.subTest(flags=flags):
                session = self.keep(*self.csv_data, *QUICK, "--digest-every", "100", *flags)
                begin = 500 if flags else 1500
                watcher = self.watch(session, "--until-step", str(3 * begin))
                for _ in range(2):
                    self.succeeds("train", "--session", session, *self.csv_data, "--epochs", "5")
                lines, done = self.seen(watcher)
                self.assertEqual((done["reason"], done["step"]), ("step reached", 3 * begin))
                # It may have begun at a later anchor than the first.
                self.assertEqual(done["steps"], sum(line["steps"] for line in lines))
                self.assertGreater(done["digests"], 0)
                self.assertGreater(done["bytes"], 0)

    def test_a_watch_ends_with_the_session_and_with_the_server(self) -> None:
        session = self.keep(*self.idx_data, *QUICK)
        watcher = self.watch(session)
        # Once it has seen a step, it watches.
        self.succeeds("train", "--session", session, *self.idx_data)
        self.succeeds("session", "delete", session)
        self.assertEqual(self.seen(watcher)[1]["reason"], "session deleted")
        watcher = self.watch(self.keep(*self.idx_data, *QUICK))
        time.sleep(0.5)
        self.tearDownClass()
        self.addCleanup(self.start_server)
        self.assertEqual(self.seen(watcher)[1]["reason"], "server shut down")

    def test_an_interrupt_ends_a_watch_without_failure(self) -> None:
        watcher = self.watch(self.keep(*self.idx_data, *QUICK))
        watcher.send_signal(signal.SIGINT)
        self.assertEqual(self.seen(watcher)[1]["reason"], "interrupted")

    def test_a_watch_of_what_is_past_says_that_it_compared_nothing(self) -> None:
        said = self.succeeds("watch", self.keep(*self.idx_data, *QUICK), "--until-step", "5")
        self.assertRegex(said, r"\nstep reached at step 1,500: followed 0 steps in \d+ B, without a digest to compare\n$")

    def test_a_session_that_is_not_there_cannot_be_watched(self) -> None:
        self.assertIn("'nobody'", self.fails(1, "watch", "nobody"))


class InterruptionTest(ServedTest):
    ENDLESS = ("--epochs", "1000000", "--keep-session")

    def start(self, *arguments: str) -> subprocess.Popen:
        """Starts endless training and returns once its first epoch is over."""
        process = subprocess.Popen(self.command("train", *self.idx_data, *arguments), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        for line in process.stdout:
            if line.startswith("epoch "):
                return process
        self.fail(process.stderr.read())

    def end(self, process: subprocess.Popen) -> tuple[int, str, str]:
        said, complained = process.stdout.read(), process.stderr.read()
        return process.wait(timeout=PATIENCE_SECONDS), said, complained

    def test_an_interrupt_ends_training_in_good_order(self) -> None:
        process = self.start(*self.ENDLESS)
        process.send_signal(signal.SIGINT)
        status, said, complained = self.end(process)
        self.assertEqual(status, 1)
        self.assertRegex(complained, r"^backprop: interrupted after [\d,]+ steps\n$")
        self.assertIn("replica:       identical", said)
        session = re.search(r"go on with --session (\S+)", said)[1]
        # The stream was closed, so the session is free for the next writer.
        self.succeeds("train", "--session", session, *self.idx_data)
        self.succeeds("session", "delete", session)

    def test_a_session_has_one_writer_and_cannot_be_deleted_under_it(self) -> None:
        process = self.start(*self.ENDLESS)
        (session,) = self.sessions()
        self.assertRegex(self.succeeds("session", "list"), rf"{session} +[\d,]+ +-  training  ")
        self.assertIn("a client trains it now", self.succeeds("session", "describe", session))
        self.assertIn(session, self.fails(1, "train", "--session", session, *self.idx_data))
        self.fails(1, "session", "delete", session)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.end(process)[0], 1)
        self.succeeds("session", "delete", session)

    def lose_server(self, end: signal.Signals, *arguments: str) -> tuple[str, str]:
        """What endless training says, and complains of, when the server goes away; there is a new one then."""
        process = self.start(*self.ENDLESS, *arguments)
        self.addCleanup(self.start_server)
        self.addCleanup(self.tearDownClass)
        self.server.send_signal(end)
        status, said, complained = self.end(process)
        self.assertEqual(status, 1)
        self.assertNotIn("go on", said + complained, "there is no session to go on with")
        return said, complained

    def test_a_server_that_shuts_down_takes_its_sessions_with_it_and_the_command_says_so(self) -> None:
        _, complained = self.lose_server(signal.SIGTERM)
        self.assertRegex(complained, rf"^backprop: the server at {self.address} has shut down after [\d,]+ steps, and "
                                     r"its sessions are gone with it unless it keeps them \(--data-dir\): "
                                     r"then take it up with --session s-[0-9a-f]{16}\. With --output FILE, [^\n]*\n$")

    def test_weights_outlive_the_server_where_they_are_wanted(self) -> None:
        file = self.file("w.npy", b"")
        said, complained = self.lose_server(signal.SIGTERM, "--output", file)
        step = int(re.search(r"weights: +those of step ([\d,]+) are in (.*)\n", said)[1].replace(",", ""))
        self.assertIn(f"after {step:,} steps", complained)
        self.assertIn(f"The weights of the last step are in {file}", complained)
        self.assertTrue(numpy.isfinite(numpy.load(file)).all())
        # The last epoch's line is there, however many were left out.
        last = int((re.findall(r"(?m)^epoch +(\d+)/", said) or ["1"])[-1])
        self.assertLessEqual(step - last * 300, 300)

    def test_a_server_that_dies_is_a_failure(self) -> None:
        _, complained = self.lose_server(signal.SIGKILL, "--reconnect-for", "0")
        self.assertRegex(complained, rf"^backprop: the connection to the server at {self.address} broke after ")
        self.assertIn("If the server has ended, its sessions are gone with it unless it keeps them", complained)
        self.assertIn("Is backpropd running at", complained)

    def progress_of(self, terminal: str) -> str:
        """What standard error, a terminal of this kind, shows in the first second of training."""
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        process = subprocess.Popen(self.command("train", *self.idx_data, "--epochs", "1000000"), stderr=theirs,
                                   stdout=subprocess.DEVNULL, env=os.environ | {"TERM": terminal})
        self.addCleanup(process.kill)
        os.close(theirs)
        threading.Timer(1, process.send_signal, [signal.SIGINT]).start()
        shown = b""
        try:
            while part := os.read(ours, 1 << 16):
                shown += part
        except OSError:  # the terminal has no other end any more
            pass
        self.assertEqual(process.wait(timeout=PATIENCE_SECONDS), 1)
        return shown.decode()

    def test_a_terminal_sees_a_bar_and_a_dumb_one_does_not(self) -> None:
        bars = re.findall(r"\repoch +\d+/1000000 \[#*\.*\] +\d+ %  error", self.progress_of("xterm"))
        self.assertTrue(0 < len(bars) < 20, bars)
        self.assertRegex(self.progress_of("dumb"), r"^backprop: interrupted after [\d,]+ steps\s+$")


if __name__ == "__main__":
    main()
