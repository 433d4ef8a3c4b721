# SPDX-License-Identifier: Apache-2.0
"""TLS contexts of clients, from the settings."""

import ssl

from schemas.errors import FatalError
from streams.door_settings import ClientTls


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
    return context
