# SPDX-License-Identifier: Apache-2.0
"""Certificates for a test, made by openssl as an operator makes them: nothing secret is kept in the tree."""

import pathlib
import subprocess


class Authority:
    """A certificate authority of a test, whose files lie in `folder`."""

    def __init__(self, folder: pathlib.Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.certificate = folder / f"{name}.crt"
        self._key = folder / f"{name}.key"
        self._make_key(self._key)
        self._openssl("req", "-x509", "-new", "-key", self._key, "-days", "2", "-subj", f"/CN={name} of a test",
                      "-addext", "basicConstraints=critical,CA:TRUE", "-out", self.certificate)

    def sign(self, name: str, subject_alternatives: str) -> tuple[pathlib.Path, pathlib.Path]:
        """A certificate for these names, e.g. "DNS:localhost,IP:127.0.0.1", and its key."""
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        self._make_key(key)
        extensions.write_text(f"subjectAltName={subject_alternatives}\n")
        self._openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial",
                      "-days", "2", "-extfile", extensions, "-out", certificate)
        return certificate, key

    def _make_key(self, path: pathlib.Path) -> None:
        self._openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)

    @staticmethod
    def _openssl(*arguments: str | pathlib.Path) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)
