"""One folder that holds rows, content-addressed artifacts, and a hash-chained ledger."""

from ._artifacts import Artifacts, Manifest, ManifestEntry
from ._ledger import Ledger
from ._records import Damage, Event, Head, JsonValue, RowRef
from ._schema import tables
from ._store import Store, Transaction

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
