"""The listener with a certificate of its own."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import os
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.integration.envoy.engines import engines
from tests.integration.envoy.front import config, front_door

BEGAN = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate of 127.0.0.1 and its key."""
    folder.mkdir(exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "front door")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
    )
    made = made.not_valid_before(BEGAN).not_valid_after(BEGAN + dt.timedelta(days=36500)).add_extension(address, critical=False)
    certificate, private = folder / "tls.crt", folder / "tls.key"
    private.with_suffix(".new").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate.with_suffix(".new2").write_bytes(made.sign(key, SHA256()).public_bytes(Encoding.PEM))
    os.replace(private.with_suffix(".new"), private)
    os.replace(certificate.with_suffix(".new2"), certificate)
    return certificate, private


async def test_the_front_door_speaks_tls_and_takes_a_new_certificate(tmp_path: Path) -> None:
    certificate, private = write_certificate(tmp_path / "tls")
    trust = ssl.create_default_context(cafile=str(certificate))
    async with engines("a") as (engine,):
        async with front_door(tmp_path, config(engine), trust=trust, certificate=certificate, private_key=private) as front:
            assert (await front.chat()).status_code == 200
            place = ("127.0.0.1", front.door.port)
            before = await asyncio.to_thread(ssl.get_server_certificate, place)
            write_certificate(tmp_path / "tls")
            async with asyncio.timeout(90):
                while await asyncio.to_thread(ssl.get_server_certificate, place) == before:
                    await asyncio.sleep(0.1)
