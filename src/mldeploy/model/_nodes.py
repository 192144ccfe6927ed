"""The tree of nodes in a skops file: bounded when read, and in one form when written."""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from mldeploy._record import canonical_json
from mldeploy.errors import SerializationError, UntrustedTypesError
from mldeploy.model._archive import refuse, without_padding

Tree = dict[str, Any]

MAX_NODES = 250_000
_MAX_OF_LOADER = {"ObjectNode": 50_000, "FunctionNode": 5_000, "NdArrayNode": 100_000}
_MAX_DEPTH = 300
_OLDEST_PROTOCOL = 1
_NULL = {
    "__class__": "str",
    "__module__": "builtins",
    "__loader__": "JsonNode",
    "content": "null",
    "is_json": True,
}
_NAMED = ("FunctionNode", "TypeNode", "ObjectNode")


def parse_schema(content: bytes, *, max_nodes: int = MAX_NODES) -> Tree:
    """Read a schema whose size is bounded before it is parsed.

    Raises
    ------
    IntegrityError
        If it is no JSON object, is nested too deeply, has too many nodes, or an unknown protocol.
    """
    if content.count(b"{") + content.count(b"[") > 2 * max_nodes:
        raise refuse(f"its schema has more than {max_nodes} nodes")
    try:
        schema = json.loads(content)
        depth = _depth(schema)
    except (ValueError, RecursionError) as error:
        raise refuse(f"its schema is no JSON: {error}") from error
    if depth > _MAX_DEPTH:
        raise refuse(f"its schema is nested {depth} deep")
    if not isinstance(schema, dict):
        raise refuse("its schema is no object")
    protocol = schema.get("protocol")
    if isinstance(protocol, bool) or not isinstance(protocol, int):
        raise refuse(f"its schema has protocol {str(protocol)[:40]!r}")
    if protocol < _OLDEST_PROTOCOL:
        raise refuse(f"its schema has protocol {protocol}, which is no longer read")
    return schema


def nodes_of(tree: object) -> Iterator[Tree]:
    """Yield every dict of a tree, parents first."""
    waiting = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def drop_identities(tree: Tree) -> bool:
    """Forget which nodes were one object in memory; return whether any said so.

    Every occurrence is stored in full, so nothing is lost. What goes is the memory address, which
    differs from run to run, and a file's way of letting a few nodes stand for millions.
    """
    found = False
    for node in nodes_of(tree):
        if "__id__" in node and not isinstance(node["__id__"], dict):
            del node["__id__"]
            found = True
    return found


def require_few(tree: Tree, *, max_nodes: int = MAX_NODES) -> None:
    """Refuse a tree whose nodes would take more memory than a model may.

    Raises
    ------
    IntegrityError
        Saying which kind of node there are too many of.
    """
    counts = Counter(
        str(node.get("__loader__")) for node in nodes_of(tree) if "__loader__" in node
    )
    if (total := sum(counts.values())) > max_nodes:
        raise refuse(f"its schema has {total} nodes of {max_nodes} allowed")
    for loader, limit in _MAX_OF_LOADER.items():
        if counts[loader] > limit:
            raise refuse(f"its schema has {counts[loader]} of at most {limit} {loader}s")


def refuse_calls(tree: Tree, functions: frozenset[str]) -> None:
    """Refuse a file that would call a function while it is loaded: naming one is all it may do.

    Raises
    ------
    UntrustedTypesError
        Naming the functions.
    """
    called = {
        name
        for node in nodes_of(tree)
        if node.get("__loader__") not in (None, "FunctionNode", "TypeNode")
        and (name := f"{node.get('__module__')}.{node.get('__class__')}") in functions
    }
    if called:
        raise UntrustedTypesError(f"{name} (called, not named)" for name in called)


def one_form(tree: Tree, members: dict[str, bytes]) -> dict[str, bytes]:
    """Return the archive's members named by content, their tree with sets in order."""
    drop_identities(tree)
    kept: dict[str, bytes] = {}
    for node in nodes_of(tree):
        if "__loader__" in node and isinstance(name := node.get("file"), str):
            content = without_padding(members[name]) if name.endswith(".npy") else members[name]
            suffix = name.rpartition(".")[2]
            node["file"] = f"{hashlib.sha256(content).hexdigest()[:32]}.{suffix}"
            kept[node["file"]] = content
    for node in nodes_of(tree):
        if node.get("__loader__") == "SetNode":
            node["content"].sort(key=canonical_json)
        elif _has_empty_namespace(node):
            node["content"]["namespace"] = dict(_NULL)
    kept["schema.json"] = json.dumps(tree, separators=(",", ":")).encode()
    return kept


def require_importable(tree: Tree) -> None:
    """Refuse what another process could not find again: lambdas, local and interactive code.

    Raises
    ------
    SerializationError
        Naming the function or class, and what to do.
    """
    for node in nodes_of(tree):
        if node.get("__loader__") not in _NAMED:
            continue
        module, name = node["__module__"], node["__class__"]
        if module == "__main__" or not _is_importable(module, name):
            where = "a script or notebook" if module == "__main__" else module
            raise SerializationError(
                f"the estimator uses {name} of {where}, which another process could not import; "
                "define it by name in a module of a package that is installed where the model "
                "serves (a lambda has no name)"
            )


def _has_empty_namespace(node: Tree) -> bool:
    if node.get("__loader__") != "PartialNode":
        return False
    return bool(node["content"]["namespace"].get("content") == {})


def _is_importable(module: str, name: str) -> bool:
    try:
        found = sys.modules.get(module) or importlib.import_module(module)
    except ImportError:
        return False
    return hasattr(found, name)


def _depth(tree: object) -> int:
    deepest = 0
    waiting: list[tuple[object, int]] = [(tree, 1)]
    while waiting:
        item, depth = waiting.pop()
        deepest = max(deepest, depth)
        inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        waiting.extend((child, depth + 1) for child in inner)
    return deepest
