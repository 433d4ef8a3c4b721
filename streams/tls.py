# SPDX-License-Identifier: Apache-2.0
"""TLS of clients: contexts from the settings, and what to say where a connection fails on it."""

import ssl

from schemas.errors import FatalError
from streams.door_settings import ClientTls


class _ClosingSocket(ssl.SSLSocket):
    """Closes itself where the handshake fails: the MQTT library forgets it then, and tries again and again."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise  # not over yet: a socket that does not block
        except OSError:
            self.close()
            raise


def client_context(tls: ClientTls, section: str) -> ssl.SSLContext:
    """A context that checks the server's certificate and name.

    Parameters
    ----------
    tls : ClientTls
    section : str
        Of `drukte.toml`, for messages.

    Raises
    ------
    FatalError
        A file is missing or holds no PEM.
    """
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
        if tls.certificate_file is not None:
            context.load_cert_chain(tls.certificate_file, tls.key_file)
    except (OSError, ssl.SSLError) as error:
        raise FatalError(
            f"drukte.toml: {section}: its certificate files cannot be used "
            f"({error.strerror or type(error).__name__}); give PEM files that this account may read"
        ) from None
    context.sslsocket_class = _ClosingSocket
    return context


def failure(error: BaseException, trust: str) -> str:
    """What kept a connection from being made, in words for a log; nothing of an address.

    Parameters
    ----------
    error : BaseException
        Of whichever library; what caused it is looked through.
    trust : str
        What says whom to trust, such as `gateway.mqtt.tls.ca_file`.

    Returns
    -------
    str
        Where TLS is to blame what is wrong and what to do, else the kind of error.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not accepted ({cause.verify_message}); {trust} has to name a file with the "
                "authority that signed it, and the address the host that it was made for"
            )
        if isinstance(cause, ssl.SSLError):
            return f"TLS fails ({cause.reason or type(cause).__name__}); does it speak TLS there? See {trust}"
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
