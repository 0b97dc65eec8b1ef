#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with TLS flags and metadata is said before anybody is called, and shows no secret."""

import os
import subprocess

from command_fixture import BACKPROP, PATIENCE_SECONDS, CommandTest, main

SECRET = "s3cret"


class ConnectionUsageTest(CommandTest):
    def said(self, status: int, *arguments: str, stdin: bytes = b"", **environment: str) -> str:
        done = subprocess.run([BACKPROP, "--address", self.address, "session", "list", *arguments], input=stdin,
                              capture_output=True, timeout=PATIENCE_SECONDS, check=False,
                              env={**os.environ, **environment})
        said = done.stderr.decode()
        self.assertEqual(done.returncode, status, said)
        self.assertNotIn(SECRET, said)
        return said

    def test_metadata_that_is_none_is_named_with_where_it_stands(self) -> None:
        for pair, says in (
            (SECRET, "a pair has no '='; write KEY=VALUE"),
            (f"authorization: Bearer {SECRET}=", "a key may have letters, digits, '-', '_' and '.' only, but the one that "
                                                 "begins 'authorization' has others"),
            (f"={SECRET}", "a key is empty"),
            (f"trace-bin={SECRET}", "'trace-bin' is a key for bytes"),
            (f"grpc-timeout={SECRET}", "the key 'grpc-timeout' is one that gRPC or HTTP sets itself"),
            (f"User-Agent={SECRET}", "the key 'user-agent' is one that gRPC or HTTP sets itself"),
            (f"a={SECRET}é", "the value of 'a' may have printable ASCII only"),
        ):
            with self.subTest(pair=pair):
                self.assertIn(f"--metadata: {says}", self.said(2, "--metadata", pair))
                self.assertIn(f"BACKPROP_METADATA: {says}", self.said(2, BACKPROP_METADATA=f"good=1\n{pair}"))
                path = self.file("metadata", f"# ours\ngood=1\n{pair}\n".encode())
                self.assertIn(f"--metadata-file: {says}", self.said(2, "--metadata-file", path))
                self.assertIn(f"--metadata-file: {says}", self.said(2, "--metadata-file", "-", stdin=pair.encode()))
                self.assertIn(f"--metadata-file: {says}", self.said(2, BACKPROP_METADATA_FILE=path))

    def test_a_flag_of_metadata_takes_one_value_and_leaves_the_rest(self) -> None:
        # Exit code 1: the command line was understood, and nobody is there.
        said = self.said(1, "--metadata", "a=1", "--metadata", "a=2=3, 4")
        self.assertIn("nobody answers at that address", said)
        done = self.run_command("--metadata", "a=1", "session", "list")
        self.assertIn("nobody answers", done.stderr)

    def test_a_secret_that_was_not_quoted_is_not_shown(self) -> None:
        for flag in (["--metadata", "authorization=Bearer"], ["--metadata=authorization=Bearer"]):
            for arguments in ([*flag, SECRET], [*flag, SECRET, "--imges"]):
                with self.subTest(arguments=arguments):
                    said = self.said(2, *arguments)
                    self.assertIn("backprop: --metadata: ", said)
                    self.assertIn("quote KEY=VALUE", said)
                    # In front of the command it is not known either.
                    done = self.run_command("--json", *arguments, "session", "list")
                    self.assertEqual(done.returncode, 2)
                    self.assertIn("quote KEY=VALUE", done.stdout)
                    self.assertNotIn(SECRET, done.stdout + done.stderr)

    def test_a_token_that_leaves_the_machine_as_plain_text_is_warned_of_once(self) -> None:
        token = {"BACKPROP_METADATA": f"authorization=Bearer {SECRET}"}
        self.assertNotIn("warning", self.said(1, **token))
        # Nobody is there either, but it is no address of this machine alone.
        self.address = "0.0.0.0:1"
        self.assertNotIn("warning", self.said(1, "--tls", **token))
        self.assertEqual(self.said(1, **token).count("warning: the authorization in the metadata"), 1)

    def test_files_of_tls_are_looked_at_first(self) -> None:
        certificate = self.file("crt", b"-----BEGIN CERTIFICATE-----\n")
        for status, arguments, says in (
            (1, ["--tls-ca", "/nowhere"], "--tls-ca: cannot read /nowhere: No such file"),
            (1, ["--tls-ca", self.csv], "--tls-ca: "),
            (2, ["--tls-cert", certificate], "--tls-cert requires --tls-key"),
            (2, ["--tls-key", certificate], "--tls-key requires --tls-cert"),
            (1, ["--tls-cert", certificate, "--tls-key", certificate], "--tls-key: "),
            (1, ["--authority", "two words"], "--authority: "),
        ):
            with self.subTest(arguments=arguments):
                self.assertIn(f"backprop: {says}", self.said(status, *arguments))
        self.assertIn("--tls-ca: cannot read /nowhere", self.said(1, BACKPROP_TLS_CA="/nowhere"))

    def test_files_of_tls_may_be_pipes_which_can_be_read_once(self) -> None:
        pipes = []
        for text in (b"-----BEGIN CERTIFICATE-----\n", b"-----BEGIN CERTIFICATE-----\n", b"-----BEGIN PRIVATE KEY-----\n"):
            reading, writing = os.pipe()
            os.write(writing, text)
            os.close(writing)
            self.addCleanup(os.close, reading)
            pipes.append(reading)
        authority, certificate, key = (f"/dev/fd/{pipe}" for pipe in pipes)
        done = subprocess.run(self.command("--tls-ca", authority, "--tls-cert", certificate, "--tls-key", key, "session",
                                           "list"),
                              capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False, pass_fds=pipes)
        # They look right, which is all that is asked before the call; they are not.
        self.assertIn("backprop: TLS cannot be set up", done.stderr)

    def test_a_file_of_metadata_that_is_not_there_is_named(self) -> None:
        self.assertIn("--metadata-file: cannot open /nowhere", self.said(1, "--metadata-file", "/nowhere"))

    def test_help_names_the_flags_and_where_secrets_belong(self) -> None:
        said = self.succeeds("--help")
        for flag in ("--tls", "--tls-ca", "--tls-cert", "--tls-key", "--authority", "--metadata", "--metadata-file",
                     "BACKPROP_METADATA"):
            self.assertIn(flag, said)


if __name__ == "__main__":
    main()
