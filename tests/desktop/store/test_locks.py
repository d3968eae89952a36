"""The locks on a vault: every way in, every wrong way, and files that were tampered with."""

import json
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from desktop.errors import UserError
from desktop.store import attempts
from desktop.store.database import ByKey, ByPassphrase, Vault
from desktop.store.keys import Cost, choose_cost, derive, new_key, new_recovery_code, recovery_key, unwrap, wrap
from desktop.store.locks import COPY, FILE, Locks

KEY_FILE = "key"

QUICK = Cost(64 * 1024, 3, 2)


def code(function: object, *arguments: object) -> str:
    assert callable(function)
    with pytest.raises(UserError) as raised:
        function(*arguments)
    return raised.value.code


def test_the_argon2id_of_rfc_9106_and_the_aes_gcm_of_nist() -> None:
    argon2 = Argon2id(
        salt=bytes([2] * 16),
        length=32,
        iterations=3,
        lanes=4,
        memory_cost=32,
        ad=bytes([4] * 12),
        secret=bytes([3] * 8),
    )
    expected = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
    assert argon2.derive(bytes([1] * 32)).hex() == expected
    # NIST's GCM test case 15: 256-bit key, no associated data.
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
    nonce = bytes.fromhex("cafebabefacedbaddecaf888")
    text = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
        "b16aedf5aa0de657ba637b391aafd255"
    )
    assert AESGCM(key).encrypt(nonce, text, None).hex().endswith("b094dac5d93471bdec1a502270e3cc6c")


def test_wrapping_is_bound_to_key_and_purpose() -> None:
    outer, inner = new_key(), new_key()
    sealed = wrap(outer, inner, b"a")
    assert len(sealed) == 60
    assert unwrap(outer, sealed, b"a") == inner
    assert unwrap(outer, sealed, b"b") is None
    assert unwrap(new_key(), sealed, b"a") is None
    for position in range(len(sealed)):
        assert unwrap(outer, sealed[:position] + bytes([sealed[position] ^ 1]) + sealed[position + 1 :], b"a") is None


def test_a_passphrase_is_the_same_on_every_keyboard_and_costs_what_was_promised() -> None:
    assert derive("schön", b"s" * 16, QUICK) == derive("scho\u0308n", b"s" * 16, QUICK)
    assert derive("schön", b"s" * 16, QUICK) != derive("schon", b"s" * 16, QUICK)
    ticks = iter(range(0, 1000, 10))
    assert choose_cost(lambda: float(next(ticks))) == Cost(64 * 1024, 3, 2)
    quick = iter(range(1000))
    assert choose_cost(lambda: next(quick) / 1e6).memory_kib == 1024 * 1024


def test_a_recovery_code_is_read_as_people_write_it_and_a_slip_is_noticed() -> None:
    written = new_recovery_code()
    assert [len(group) for group in written.split("-")] == [5] * 8
    key = recovery_key(written)
    assert recovery_key(written.lower().replace("-", " ")) == key
    assert recovery_key(written.replace("O", "0").replace("I", "1")) == key
    for position in range(0, len(written), 3):
        if written[position] == "-":
            continue
        other = "A" if written[position] != "A" else "C"
        slipped = written[:position] + other + written[position + 1 :]
        assert code(recovery_key, slipped) == "recovery_mistyped"
    assert code(recovery_key, "") == "recovery_mistyped"
    assert code(recovery_key, written[:-1]) == "recovery_mistyped"


def test_every_lock_opens_the_same_vault(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path)
    locks, written = vault.locks.with_passphrase(vault.key, "a quiet word", QUICK).with_recovery(vault.key)
    locks.save(tmp_path)
    vault.close()
    read = Locks.read(tmp_path)
    assert read
    assert set(read.locks) == {"file", "passphrase", "recovery"}
    assert read.open_by_file(tmp_path) == vault.key
    assert read.open_by_passphrase("a quiet word") == vault.key
    assert read.open_by_recovery(written) == vault.key
    assert code(read.open_by_passphrase, "another word") == "passphrase_wrong"
    assert code(read.open_by_recovery, new_recovery_code()) == "recovery_wrong"
    Vault.open(tmp_path, ByKey(vault.key)).close()
    assert code(Vault.open, tmp_path, ByKey(new_key())) == "key_wrong"


def test_without_its_key_file_only_the_passphrase_opens(tmp_path: Path) -> None:
    Vault.open(tmp_path, ByPassphrase("a quiet word", QUICK)).close()
    assert not (tmp_path / KEY_FILE).exists()
    assert code(Vault.open, tmp_path) == "passphrase_needed"
    assert code(Vault.open, tmp_path, ByPassphrase("no", QUICK)) == "passphrase_wrong"
    Vault.open(tmp_path, ByPassphrase("a quiet word", QUICK)).close()


def test_the_data_key_lies_nowhere_in_clear(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path)
    for path in tmp_path.iterdir():
        content = path.read_bytes() if path.is_file() else b""
        assert vault.key not in content
        assert vault.key.hex().encode() not in content.lower()
    vault.close()


def test_a_damaged_keys_file_is_read_from_its_copy_and_both_damaged_are_told(tmp_path: Path) -> None:
    Vault.open(tmp_path).close()
    whole = (tmp_path / FILE).read_bytes()
    for position in range(0, len(whole), 5):
        (tmp_path / FILE).write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        Vault.open(tmp_path).close()
    for damage in (b"", b"{}", b"[]", whole[:-30], b"\xff" * 50):
        (tmp_path / FILE).write_bytes(damage)
        Vault.open(tmp_path).close()
        assert (tmp_path / FILE).read_bytes() == whole
        for name in (FILE, COPY):
            (tmp_path / name).write_bytes(damage)
        assert code(Vault.open, tmp_path) == "key_damaged"
        (tmp_path / COPY).write_bytes(whole)


def test_locks_of_another_vault_do_not_open_this_one(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    Vault.open(one).close()
    Vault.open(other).close()
    shutil.copy(other / KEY_FILE, one / KEY_FILE)
    assert code(Vault.open, one) == "key_wrong"


def test_the_first_days_vault_opens_as_it_is(tmp_path: Path) -> None:
    from desktop.store.keys import key_check

    vault = Vault.open(tmp_path)
    key = vault.key
    vault.close()
    (tmp_path / COPY).unlink()
    (tmp_path / FILE).write_text(json.dumps({"format": 1, "check": key_check(key)}))
    (tmp_path / KEY_FILE).write_bytes(key)
    again = Vault.open(tmp_path)
    assert again.key == key
    locks, written = again.locks.with_recovery(key)
    locks.save(tmp_path)
    again.close()
    read = Locks.read(tmp_path)
    assert read
    assert read.open_by_recovery(written) == key
    assert read.open_by_file(tmp_path) == key


def test_wrong_guesses_wait_longer_and_longer_up_to_a_minute(tmp_path: Path) -> None:
    waits = []
    for number in range(12):
        waits.append(attempts.wait_s(tmp_path, 1000.0 + number))
        attempts.count_failure(tmp_path, 1000.0 + number)
    assert waits[:3] == [0.0, 0.0, 0.0]
    assert waits == sorted(waits)
    assert attempts.wait_s(tmp_path, 1011.0) == 60.0
    assert attempts.wait_s(tmp_path, 5.0) == 60.0
    assert attempts.wait_s(tmp_path, 1071.5) == 0.0
    attempts.forget(tmp_path)
    assert attempts.wait_s(tmp_path, 1011.0) == 0.0
