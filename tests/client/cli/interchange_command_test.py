#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command writes sessions as safetensors files and makes sessions of such, on a real server.

What reads and writes them here beside the command is the format's own Python
package. Needs the Python that client_python_test makes.
"""

import json
import pathlib

import numpy as np
from backpropd import TrainingClient
from backpropd.v1.network_pb2 import SessionSpec
from command_fixture import ServedTest, main
from google.protobuf import json_format
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

LAYERS = "5:tanh,3:softmax"
SHAPES = {"layers.0.weight": (5, 2), "layers.0.bias": (5,), "layers.1.weight": (3, 5), "layers.1.bias": (3,)}
# What a session's next steps hang on: state, its age, the schedule's place, dropout's counter, what
# standardisation has learnt.
KINDS = {
    "plain": (),
    "momentum": ("--momentum", "0.9", "--l2", "1e-4", "--schedule", "step", "--schedule-steps", "400"),
    "nesterov": ("--momentum", "0.9", "--nesterov", "--schedule", "plateau", "--schedule-steps", "70"),
    "adagrad": ("--optimiser", "adagrad", "--clip-norm", "0.5"),
    "rmsprop": ("--optimiser", "rmsprop", "--schedule", "cosine", "--schedule-steps", "500", "--schedule-restarts"),
    "adam": ("--optimiser", "adamw", "--schedule", "exponential", "--schedule-factor", "0.999",
             "--warmup-steps", "800"),
    "lion": ("--optimiser", "lion", "--layers", "5:tanh:dropout=0.3,3:softmax", "--batch-size", "3"),
    "learning": ("--optimiser", "adam", "--standardise", "900"),  # is in the midst of it
}


class InterchangeTest(ServedTest):
    """Sessions that leave as files, and come by them."""

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def trained(self, *flags: str) -> str:
        """The id of a session that has seen 600 samples."""
        layers = () if "--layers" in flags else ("--layers", LAYERS)
        session = self.made("create", "--input-size", "2", "--learning-rate", "0.01", *layers, *flags)
        self.train(session, 600)
        return session

    def train(self, session: str, samples: int) -> None:
        """Not by the command, whose epochs begin when standardisation is learnt."""
        noise = np.random.default_rng(samples)
        with TrainingClient(self.address) as client:
            x = noise.normal(size=(samples, 2)).astype(np.float32)
            client.get(session).train(x, noise.integers(3, size=samples))

    def exported(self, session: str, *flags: str, name: str = "s.safetensors") -> str:
        self.succeeds("export", session, self.path(name), *flags)
        return self.path(name)

    def imported(self, *arguments: str, stdin: bytes = b"") -> str:
        return self.deleted_later(self.succeeds("import", *arguments, stdin=stdin).strip())

    def spec_of(self, session: str) -> dict:
        return self.objects("session", "describe", session)[0]["spec"]

    def weights_of(self, session: str) -> np.ndarray:
        self.succeeds("weights", "download", session, "--output", self.path("w.npy"))
        return np.load(self.path("w.npy"))

    def spec_file(self, **changes: object) -> str:
        spec = {"input_size": 2, "layers": [{"size": 5, "activation": "ACTIVATION_TANH"}, {"size": 3}],
                "optimiser": {"sgd": {}, "learning_rate": 0.1}, **changes}
        return self.file("spec.json", json.dumps(spec).encode())

    @staticmethod
    def tensors(seed: int = 1) -> dict[str, np.ndarray]:
        noise = np.random.default_rng(seed)
        return {name: noise.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}

    def refused(self, content: bytes, *flags: str) -> str:
        """Why no session is made of a file with that content."""
        before = self.sessions()
        said = self.fails(1, "import", self.file("bad.safetensors", content), *flags)
        self.assertEqual(self.sessions(), before)
        return said

    def test_with_state_another_goes_on_to_the_same_bits(self) -> None:
        for kind, flags in KINDS.items():
            with self.subTest(kind=kind):
                session = self.trained(*flags)
                file = self.exported(session, "--with-state", name=f"{kind}.safetensors")
                again = self.imported(file)
                ends = []
                for each in (session, again):
                    self.train(each, 900)
                    end = self.path("end.safetensors")
                    (told,) = self.objects("export", each, end, "--with-state", "--force")
                    with safe_open(end, "np") as read:
                        numbers = {name: read.get_tensor(name).tobytes() for name in read.keys()}
                        anchor = read.metadata()["backprop.anchor"]
                    ends.append((told["step"], told["next_offset"], told["digest"], anchor, numbers))
                self.assertEqual(ends[0], ends[1])
                self.assertEqual(ends[0][1], 1500)

    def test_what_is_exported_is_exported_again_to_the_same_bytes(self) -> None:
        first = self.exported(self.trained(*KINDS["momentum"]), "--with-state")
        second = self.exported(self.imported(first), "--with-state", name="again.safetensors")
        # A session that began with given weights has no initialiser.
        with safe_open(first, "np") as one, safe_open(second, "np") as two:
            specs = [json.loads(each.metadata()["backprop.spec"]) for each in (one, two)]
            self.assertEqual(one.metadata()["backprop.anchor"], two.metadata()["backprop.anchor"])
        specs[0].pop("initialiser")
        self.assertEqual(specs[0], specs[1])
        third = self.exported(self.imported(second), "--with-state", name="third.safetensors")
        self.assertEqual(pathlib.Path(second).read_bytes(), pathlib.Path(third).read_bytes())

    def test_from_weights_alone_another_begins_at_step_0(self) -> None:
        session = self.trained("--standardise", "300", "--momentum", "0.9")
        file = self.exported(session)
        self.assertEqual(set(load_file(file)), set(SHAPES))
        (made,) = self.objects("import", file)
        again = self.deleted_later(made["session_id"])
        self.assertEqual((made["step"], made["next_offset"]), ("0", "0"))
        self.assertEqual(self.weights_of(session).tobytes(), self.weights_of(again).tobytes())
        errors = [self.objects("evaluate", each, *self.csv_data)[0]["error"] for each in (session, again)]
        self.assertEqual(errors[0], errors[1])

    def test_the_formats_own_reader_sees_the_weights_as_pytorch_has_them(self) -> None:
        session = self.trained(*KINDS["adam"])
        file = self.exported(session, "--with-state")
        tensors = load_file(file)
        flat = self.weights_of(session)
        for name, shape in SHAPES.items():
            self.assertEqual(tensors[name].tobytes(), flat[: tensors[name].size].tobytes(), name)
            self.assertEqual(tensors[name].shape, shape)
            flat = flat[tensors[name].size :]
        self.assertEqual(set(tensors), {prefix + name for name in SHAPES
                                        for prefix in ("", "optimiser.exp_avg.", "optimiser.exp_avg_sq.")})
        with safe_open(file, "np") as read:
            metadata = read.metadata()
        self.assertEqual(metadata["format"], "pt")
        self.assertEqual(metadata["backprop.step"], "600")
        expected_spec = json_format.ParseDict(self.spec_of(session), SessionSpec())
        expected_spec.ClearField("durability")
        self.assertEqual(json_format.Parse(metadata["backprop.spec"], SessionSpec()), expected_spec)
        # As torch.nn.Linear computes: x W^T + b.
        hidden = np.tanh(np.array([[1.0, 0.5]], np.float32) @ tensors["layers.0.weight"].T + tensors["layers.0.bias"])
        scores = hidden @ tensors["layers.1.weight"].T + tensors["layers.1.bias"]
        expected = np.exp(scores) / np.exp(scores).sum()
        (told,) = self.objects("predict", session, "--csv", self.file("x.csv", b"height,weight\n1.0,0.5\n"))
        np.testing.assert_allclose(told["outputs"], expected[0], rtol=1e-5)

    def test_a_file_that_another_tool_wrote_is_imported(self) -> None:
        file = self.path("theirs.safetensors")
        tensors = self.tensors()
        save_file(tensors, file)
        said = self.fails(1, "import", file)
        self.assertIn(f"{file}: the metadata has no backprop.spec", said)
        self.assertIn("--spec FILE", said)
        spec = self.spec_file()
        session = self.imported(file, "--spec", spec, "--name", "theirs")
        flat = np.concatenate([tensors[name].ravel() for name in SHAPES])
        self.assertEqual(self.weights_of(session).tobytes(), flat.tobytes())
        self.assertEqual(self.spec_of(session)["display_name"], "theirs")
        # The spec may stand in the metadata as well.
        save_file(tensors, file, metadata={"backprop.spec": pathlib.Path(spec).read_text()})
        session = self.imported("-", "--durability", "memory", stdin=pathlib.Path(file).read_bytes())
        self.assertEqual(self.weights_of(session).tobytes(), flat.tobytes())
        self.assertEqual(self.spec_of(session)["durability"]["mode"], "DURABILITY_MODE_MEMORY")

    def test_one_that_fits_no_spec_is_refused_with_what_does_not_fit(self) -> None:
        file = pathlib.Path(self.path("theirs.safetensors"))

        def after(change: str, tensor: np.ndarray | None) -> str:
            tensors = self.tensors()
            tensors.pop(change, None)
            if tensor is not None:
                tensors[change] = tensor
            save_file(tensors, file)
            return self.refused(file.read_bytes(), "--spec", self.spec_file())

        self.assertIn('"layers.0.weight" is of shape [2, 5]; the spec\'s layers make it [5, 2]',
                      after("layers.0.weight", np.zeros((2, 5), np.float32)))
        self.assertIn('"layers.1.bias", of shape [3] by the spec, is missing', after("layers.1.bias", None))
        self.assertIn('"layers.2.bias" is none that', after("layers.2.bias", np.zeros(3, np.float32)))
        self.assertIn('"layers.0.bias" is of dtype "F64"; only F32', after("layers.0.bias", np.zeros(5)))
        bad = np.zeros((5, 2), np.float32)
        bad[3, 1] = np.nan
        self.assertIn('number [3, 1] of tensor "layers.0.weight" is nan', after("layers.0.weight", bad))
        bad[3, 1] = 3e36
        self.assertIn("initial.weights", after("layers.0.weight", bad))

    def test_a_file_that_was_damaged_is_refused(self) -> None:
        session = self.trained(*KINDS["momentum"])
        whole = pathlib.Path(self.exported(session, "--with-state")).read_bytes()
        self.assertIn("cut off: 1 bytes are missing", self.refused(whole[:-1]))
        self.assertIn("cut off: 5 bytes are missing", self.refused(whole[:3]))
        self.assertIn("1 bytes follow", self.refused(whole + b"x"))
        for old, new in ((b'learning_rate\\":0.01', b'learning_rate\\":0.02'),
                         (b'"backprop.step":"6', b'"backprop.step":"7')):
            self.assertEqual(whole.count(old), 1)
            self.assertIn("backprop.checksum is", self.refused(whole.replace(old, new)))
        flipped = bytearray(whole)
        flipped[-7] ^= 16
        self.assertIn("backprop.checksum is", self.refused(bytes(flipped)))
        self.assertIn("no safetensors file", self.refused(b"\x93NUMPY" + bytes(100)))
        self.assertIn("cannot open", self.fails(1, "import", self.path("nothing")))

    def test_a_file_that_is_there_is_written_over_only_by_force(self) -> None:
        session = self.trained()
        file = pathlib.Path(self.file("there", b"precious"))
        self.assertIn(f"{file} is there already: --force", self.fails(2, "export", session, str(file)))
        self.assertEqual(file.read_bytes(), b"precious")
        self.assertIn("there is no session", self.fails(1, "export", "nobody", str(file), "--force"))
        self.assertEqual(file.read_bytes(), b"precious")
        (told,) = self.objects("export", session, str(file), "--force")
        self.assertEqual((told["step"], told["weights"], told["state"]), (600, 33, 0))
        self.assertEqual(sorted(each.name for each in self.folder.iterdir()),
                         ["animals.csv", "images.gz", "labels", "there"])
        self.assertIn("cannot write", self.fails(1, "export", session, "/nowhere/s"))
        piped, said = self.piped("export", session)
        self.assertEqual(piped, file.read_bytes())
        self.assertRegex(said, r"^33 weights of step 600, digest [0-9a-f]{16}\n$")


if __name__ == "__main__":
    main()
