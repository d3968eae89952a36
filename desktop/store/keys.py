"""Keys: made, derived, wrapped. Never kept here, never logged.

Passphrase: Argon2id (RFC 9106). Wrapping: AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce in front.
Recovery code: 20 random bytes and 5 of their SHA-256, in base32 (RFC 4648), as 8 groups of 5 letters.
"""

import base64
import hashlib
import hmac
import os
import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from desktop.errors import UserError

KEY_BYTES = 32
SALT_BYTES = 16
NONCE_BYTES = 12
RECOVERY_SECRET, RECOVERY_CHECK = 20, 5

LEAST_MEMORY_KIB = 64 * 1024
MOST_MEMORY_KIB = 1024 * 1024
PASSES = 3
# Letters that base32 does not have, as people write them for those it has.
_MISREAD = str.maketrans("0189", "OIBG")


@dataclass(frozen=True)
class Cost:
    """How hard Argon2id makes a guess: memory in KiB, passes over it, lanes side by side."""

    memory_kib: int = LEAST_MEMORY_KIB
    passes: int = PASSES
    lanes: int = 2


def new_key() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(KEY_BYTES)


def key_check(key: bytes) -> str:
    """A value that tells a right key from a wrong one and nothing else about it."""
    return hmac.new(key, b"quietroom key check 1", hashlib.sha256).hexdigest()


def choose_cost(clock: Callable[[], float], seconds: float = 0.5) -> Cost:
    """The largest memory (a power of two times the least) whose derivation stays within `seconds` here."""
    cost = Cost()
    while cost.memory_kib < MOST_MEMORY_KIB:
        began = clock()
        derive("a trial", bytes(SALT_BYTES), cost)
        if (clock() - began) * 2 > seconds:
            break
        cost = Cost(cost.memory_kib * 2)
    return cost


def derive(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    """The key that a passphrase stands for. The passphrase is normalised (NFKC), as keyboards differ."""
    words = unicodedata.normalize("NFKC", passphrase).encode("utf-8", "surrogatepass")
    argon2 = Argon2id(
        salt=salt, length=KEY_BYTES, iterations=cost.passes, lanes=cost.lanes, memory_cost=cost.memory_kib
    )
    return argon2.derive(words)


def wrap(wrapping: bytes, key: bytes, purpose: bytes) -> bytes:
    """`key` sealed under `wrapping`, bound to `purpose`: nonce, ciphertext, tag (60 bytes)."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(wrapping).encrypt(nonce, key, purpose)


def unwrap(wrapping: bytes, sealed: bytes, purpose: bytes) -> bytes | None:
    """The sealed key, or None if `wrapping` is not the one it was sealed under."""
    try:
        return AESGCM(wrapping).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose)
    except InvalidTag:
        return None


def new_recovery_code() -> str:
    """A code to be written down: 160 random bits, 8 groups of 5 letters and digits."""
    secret = secrets.token_bytes(RECOVERY_SECRET)
    letters = base64.b32encode(secret + _recovery_check(secret)).decode("ascii")
    return "-".join(letters[start : start + 5] for start in range(0, len(letters), 5))


def recovery_key(code: str) -> bytes:
    """The wrapping key of a recovery code, however it is spaced or cased. Raises UserError("recovery_mistyped")."""
    letters = "".join(letter for letter in code.upper() if letter.isalnum()).translate(_MISREAD)
    try:
        raw = base64.b32decode(letters)
    except ValueError as error:
        raise UserError("recovery_mistyped") from error
    secret, check = raw[:RECOVERY_SECRET], raw[RECOVERY_SECRET:]
    if check != _recovery_check(secret):
        raise UserError("recovery_mistyped")
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"quietroom recovery 1").derive(secret)


def _recovery_check(secret: bytes) -> bytes:
    return hashlib.sha256(b"quietroom recovery 1" + secret).digest()[:RECOVERY_CHECK]
