# SPDX-License-Identifier: Apache-2.0
"""An authority of the tests' own, made when it is needed, and certificates that it signs; with openssl."""

import subprocess
from pathlib import Path

from streams.door_settings import ClientTls, ServerTls

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """A certificate that signs others; nobody but the tests trusts it.

    Parameters
    ----------
    folder : Path
        An empty folder for its files.
    name : str
    """

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._name = name
        self._certificate = folder / f"{name}.pem"
        self._key = folder / f"{name}.key"
        _openssl("req", "-x509", *_CURVE, "-days", "2", "-subj", f"/CN={name}",
                 "-addext", "keyUsage=critical,keyCertSign", "-keyout", self._key, "-out", self._certificate)

    @property
    def trusted(self) -> ClientTls:
        """What a client has to be told to trust it."""
        return ClientTls(ca_file=str(self._certificate))

    def sign(self, name: str, host: str = "IP:127.0.0.1") -> ServerTls:
        """A certificate for a host (`IP:...` or `DNS:...`) and its key."""
        made, key, request = (self._folder / f"{name}.{kind}" for kind in ("pem", "key", "csr"))
        extension = self._folder / f"{name}.ext"
        extension.write_text(f"subjectAltName={host}\n")
        _openssl("req", *_CURVE, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self._certificate, "-CAkey", self._key, "-days", "2",
                 "-extfile", extension, "-out", made)
        return ServerTls(certificate_file=str(made), key_file=str(key))


def _openssl(*command: str | Path) -> None:
    subprocess.run(["openssl", *command], check=True, capture_output=True)
