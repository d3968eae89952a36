"""A SQLCipher file in clear, page by page, for looking whether anything erased is left in it."""

from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC


def decrypted_pages(path: Path, key: bytes) -> bytes:
    """Every page of a SQLCipher 4 file in clear, free ones too: 4,096 bytes, of which the last 80 are IV and HMAC."""
    data = path.read_bytes()
    clear = b""
    for start in range(0, len(data), 4096):
        page = data[start : start + 4096]
        cipher = Cipher(AES(key), CBC(page[-80:-64])).decryptor()
        clear += cipher.update(page[0 if start else 16 : -80]) + cipher.finalize()
    return clear
