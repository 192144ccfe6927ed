from ._artifacts import Artifacts
from ._ledger import Ledger
from ._manifest import Manifest, ManifestEntry
from ._records import Damage, Event, Head, JsonValue, RowRef
from ._schema import tables
from ._store import Store
from ._transaction import Transaction

__all__ = [
    "Artifacts",
    "Damage",
    "Event",
    "Head",
    "JsonValue",
    "Ledger",
    "Manifest",
    "ManifestEntry",
    "RowRef",
    "Store",
    "Transaction",
    "tables",
]
