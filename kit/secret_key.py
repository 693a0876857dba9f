"""The secret key: all that the operator keeps outside of the database. It opens the root key there, and logs in.

Nothing that lasts derives from it (docs/decisions/0024), so that another one can take its place.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from kit.errors import Conflict
from kit.secrets import Keyring, Realm
from kit.settings import Settings, SettingsError, secret

FILE = "secret.key"
ID_BYTES = 8


class KeyFileTaken(Conflict):
    code = "key_file_taken"
    title = "Key file already exists"
    description = "The file for the new secret key already exists."
    remedy = "Give --new-key the path of a file that does not exist, or remove the file if its key was never in use."


@dataclass(frozen=True)
class SecretKey:
    """32 random bytes; `realm` says whether they are a sandbox's."""

    value: bytes
    realm: Realm = "live"

    def __repr__(self) -> str:
        return f"SecretKey({self.key_id})"

    @property
    def key_id(self) -> str:
        """By which it is known where anybody may read: 16 digits that tell nothing of the key itself."""
        return self._keys.fingerprint(purpose="key id", value="")[:ID_BYTES].hex()

    @property
    def hex(self) -> str:
        """As settings and files have it: 64 hexadecimal digits."""
        return self.value.hex()

    def wrap(self, root: bytes, *, programme_id: UUID) -> bytes:
        """`root` sealed under this key, for this programme and realm only."""
        return self._keys.seal(root, purpose="root key", bound_to=self._place(programme_id))

    def unwrap(self, wrapped: bytes, *, programme_id: UUID) -> bytes:
        """The root key in `wrapped`; raises SealBroken."""
        return self._keys.unseal(wrapped, purpose="root key", bound_to=self._place(programme_id))

    def login(self, role: str) -> tuple[str, str]:
        """Name and password of the database login for `role` that is made for this key."""
        return login_name(role, self.key_id), self._keys.fingerprint(purpose="database password", value=role).hex()

    def login_of_before(self, role: str) -> str:
        """What the login for `role` was called when logins were named after the key itself."""
        return f"{role}_{self._keys.fingerprint(purpose='database login', value=role).hex()[:12]}"

    def of_sandbox(self) -> str:
        """The secret key, in hexadecimal, of the sandbox beside the coalition whose key this is."""
        return self._keys.fingerprint(purpose="sandbox", value="secret key").hex()

    def _place(self, programme_id: UUID) -> bytes:
        return f"{self.realm} {programme_id} {self.key_id}".encode()

    @property
    def _keys(self) -> Keyring:
        return Keyring(self.value, self.realm)


def login_name(role: str, key_id: str) -> str:
    """The name of the login for `role` that is made for the key `key_id`."""
    return f"{role}_{key_id}"


def of(chosen: Settings) -> SecretKey:
    """The secret key of `chosen`: COALITION_SECRET_KEY, otherwise that of a file made on first use.

    Raises SettingsError where the file holds no key.
    """
    realm: Realm = "test" if chosen.is_sandbox else "live"
    if chosen.secret_key is not None:
        return SecretKey(bytes.fromhex(chosen.secret_key), realm)
    path = chosen.data_dir / FILE
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path, taken_is_fine=True)
    return SecretKey(read(path), realm)


def pinned(chosen: Settings) -> Settings:
    """`chosen` with the key in it: who is handed these settings has this key, whatever becomes of the file."""
    return replace(chosen, secret_key=of(chosen).hex)


def read(path: Path) -> bytes:
    """The key in the file; raises SettingsError where there is none in it."""
    return parse(path.read_text("utf-8", errors="replace"), str(path))


def parse(text: str, source: str) -> bytes:
    """The key in `text`, which came from `source`; raises SettingsError."""
    try:
        return bytes.fromhex(secret(text.strip()))
    except ValueError as error:
        raise SettingsError(f"{source}: expected {error}; its content is something else, or was cut off") from None


def make(path: Path, value: bytes | None = None, *, taken_is_fine: bool = False) -> None:
    """Write a key, a new one unless it is given, to the new file `path`, for its owner's eyes; raises KeyFileTaken.

    Two processes that start together agree on one key: whoever comes second leaves the file as it is.
    """
    draft = _draft(path, value or secrets.token_bytes(32))
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        if not taken_is_fine:
            raise KeyFileTaken(f"{path} already exists; we did not change it") from None
    finally:
        draft.unlink()
    _keep(path.parent)


def put_in_place(path: Path, new: SecretKey, *, former: SecretKey) -> Path:
    """Let the file `path` hold `new` from one moment to the next; where the file of the `former` key is now."""
    kept = path.with_name(f"{path.name}.{former.key_id}")
    make(kept, former.value, taken_is_fine=True)
    draft, before = _draft(path, new.value), path.stat()
    for file in (draft, kept):
        os.chown(file, before.st_uid, before.st_gid)  # root may do this for the user who runs the coalition
    draft.replace(path)
    _keep(path.parent)
    return kept


def _draft(path: Path, value: bytes) -> Path:
    # Written beside and moved into place: nobody ever reads half a key, nor one that a lost power takes back.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(value.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return draft


def _keep(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
