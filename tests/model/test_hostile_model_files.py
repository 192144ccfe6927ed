"""Model files run no code, and take no memory that their size does not announce."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mldeploy.errors import IntegrityError, UntrustedTypesError
from mldeploy.model import SkopsFormat

X = np.random.default_rng(0).normal(size=(80, 2))
Y = X[:, 0] > 0
REFUSED = (IntegrityError, UntrustedTypesError)
CALL = "touch {}"


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


def archive(schema: object, **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        text = schema if isinstance(schema, bytes) else json.dumps(schema).encode()
        file.writestr("schema.json", text)
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def node(loader: str, name: str, **rest: object) -> dict[str, Any]:
    module, _, cls = name.rpartition(".")
    return {"__class__": cls, "__module__": module, "__loader__": loader, **rest}


def top(tree: dict[str, Any]) -> dict[str, Any]:
    return {**tree, "protocol": 2, "_skops_version": "0.16"}


def text(value: object) -> dict[str, Any]:
    return node("JsonNode", "builtins.str", content=json.dumps(value), is_json=True)


def listed(kind: str, *items: object) -> dict[str, Any]:
    return node(
        {"tuple": "TupleNode", "list": "ListNode"}[kind], f"builtins.{kind}", content=items
    )


def mapping(content: dict[str, Any]) -> dict[str, Any]:
    keys = listed("list", *[node("TypeNode", "builtins.str") for _ in content])
    return node("DictNode", "builtins.dict", content=content, key_types=keys)


def partial(function: dict[str, Any], *arguments: object) -> dict[str, Any]:
    parts = {"func": function, "args": listed("tuple", *arguments)}
    rest = {"kwds": mapping({}), "namespace": text(None)}
    return node("PartialNode", "functools.partial", content={**parts, **rest})


def npy(array: np.ndarray[Any, Any], *, pickled: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=pickled)
    return buffer.getvalue()


def array_node(file: str) -> dict[str, Any]:
    return node("NdArrayNode", "numpy.ndarray", type="numpy", file=file)


def lying_npy() -> bytes:
    return npy(np.zeros(1)).replace(b"(1,), }         ", b"(900000000000,),}", 1)


def joblib_file(command: str) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(Bomb(command), buffer)
    return buffer.getvalue()


def from_reduce(name: str, *arguments: object) -> dict[str, Any]:
    return top(node("ConstructorFromReduceNode", name, content=listed("tuple", *arguments)))


def with_member(name: str) -> bytes:
    return archive(top(text(1)), **{name: b"x"})


def twice() -> bytes:
    buffer = io.BytesIO(archive(top(text(1))))
    with zipfile.ZipFile(buffer, "a") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("schema.json", json.dumps(top(node("FunctionNode", "os.system"))))
    return buffer.getvalue()


def with_pickle_array(command: str) -> bytes:
    hidden = npy(np.array([Bomb(command)], dtype=object), pickled=True)
    return archive(top(array_node("a.npy")), **{"a.npy": hidden})


def sparse_with_pickle(command: str) -> bytes:
    hidden = npy(np.array([Bomb(command)], dtype=object), pickled=True)
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as file:
        file.writestr("format.npy", hidden)
    tree = node("SparseMatrixNode", "scipy.sparse._csr.csr_matrix", type="scipy", file="a.npz")
    return archive(top(tree), **{"a.npz": inner.getvalue()})


def nested_zip_bomb() -> bytes:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("data.npy", b"\0" * 60_000_000)
    tree = node("SparseMatrixNode", "scipy.sparse._csr.csr_matrix", type="scipy", file="a.npz")
    return archive(top(tree), **{"a.npz": inner.getvalue()})


def laughs() -> dict[str, Any]:
    tree: dict[str, Any] = {**listed("list"), "__id__": 1}
    for level in range(2, 60):
        again = {"__id__": level - 1}
        tree = {**listed("list", tree, again), "__id__": level}
    return top(tree)


def hidden_in_estimator(value: dict[str, Any]) -> dict[str, Any]:
    name = "sklearn.preprocessing._function_transformer.FunctionTransformer"
    return top(node("ObjectNode", name, content=mapping({"func": value, "kw_args": text(None)})))


def method() -> dict[str, Any]:
    owner = node("ObjectNode", "pathlib.Path", content=mapping({}))
    return top(node("MethodNode", "pathlib.Path", content={"func": "unlink", "obj": owner}))


def generator() -> dict[str, Any]:
    state = mapping({"bit_generator": text("seed")})
    parts = {"bit_generator": state, "seed_seq": mapping({})}
    return top(node("RandomGeneratorNode", "numpy.random._generator.Generator", content=parts))


def caller(command: str) -> dict[str, Any]:
    attributes = listed("tuple", text("system"), text(command))
    return top(node("OperatorFuncNode", "operator.methodcaller", attrs=attributes))


SYSTEM = node("FunctionNode", "os.system")
HOSTILE: dict[str, Callable[[str], bytes]] = {
    "pickle": lambda c: pickle.dumps(Bomb(c)),
    "old pickle": lambda c: pickle.dumps(Bomb(c), protocol=0),
    "joblib": joblib_file,
    "pickle behind a zip's magic": lambda c: b"PK\x03\x04" + pickle.dumps(Bomb(c)),
    "zip behind a pickle": lambda c: pickle.dumps(Bomb(c)) + archive(top(text(1))),
    "pickle as schema": lambda c: archive(pickle.dumps(Bomb(c))),
    "object array in npy": with_pickle_array,
    "object array in npz": sparse_with_pickle,
    "npz as model": lambda c: sparse_with_pickle(c)[:200],
    "no schema": lambda c: archive(b"").replace(b"schema.json", b"schemq.json"),
    "empty": lambda c: b"",
    "os.system as function": lambda c: archive(top(SYSTEM)),
    "os.system as type": lambda c: archive(top(node("TypeNode", "os.system"))),
    "os.system called": lambda c: archive(from_reduce("os.system", text(c))),
    "builtins.eval called": lambda c: archive(
        from_reduce("builtins.eval", text(f"__import__('os').system({c!r})"))
    ),
    "builtins.exec called": lambda c: archive(
        from_reduce("builtins.exec", text(f"import os; os.system({c!r})"))
    ),
    "subprocess.Popen called": lambda c: archive(
        from_reduce("subprocess.Popen", listed("list", *map(text, c.split())))
    ),
    "pickle.loads called": lambda c: archive(from_reduce("pickle.loads", text(c))),
    "joblib.load called": lambda c: archive(from_reduce("joblib.numpy_pickle.load", text(c))),
    "trusted function called": lambda c: archive(
        from_reduce("sklearn.utils.validation.check_array", text(c))
    ),
    "partial of os.system": lambda c: archive(top(partial(SYSTEM, text(c)))),
    "partial of a trusted name only": lambda c: archive(
        top({**partial(SYSTEM, text(c)), "__class__": "partial"})
    ),
    "os.system inside a transformer": lambda c: archive(hidden_in_estimator(SYSTEM)),
    "partial inside a transformer": lambda c: archive(
        hidden_in_estimator(partial(SYSTEM, text(c)))
    ),
    "os.system as a key's type": lambda c: archive(
        top({**mapping({c: text(1)}), "key_types": listed("list", SYSTEM)})
    ),
    "dict of another class": lambda c: archive(top({**mapping({}), "__class__": "eval"})),
    "list of another class": lambda c: archive(top(node("ListNode", "os.system", content=[]))),
    "set of another class": lambda c: archive(top(node("SetNode", "os.system", content=[]))),
    "array of another class": lambda c: archive(
        top({**array_node("a.npy"), "__class__": "system", "__module__": "os"}),
        **{"a.npy": npy(np.zeros(1))},
    ),
    "method of an object": lambda c: archive(method()),
    "operator.methodcaller": lambda c: archive(caller(c)),
    "operator of another module": lambda c: archive({**caller(c), "__module__": "os"}),
    "random generator by name": lambda c: archive(generator()),
    "cached node": lambda c: archive(top(node("CachedNode", "os.system", __id__=7))),
    "unknown loader": lambda c: archive(top(node("EvalNode", "os.system"))),
    "oldest protocol": lambda c: archive({**top(SYSTEM), "protocol": 0}),
    "protocol of the future": lambda c: archive({**top(text(1)), "protocol": 99}),
    "protocol true": lambda c: archive({**top(text(1)), "protocol": True}),
    "path traversal": lambda c: with_member("../../escape.npy"),
    "absolute path": lambda c: with_member("/tmp/escape.npy"),
    "other kind of member": lambda c: with_member("payload.py"),
    "file that is not there": lambda c: archive(top(array_node("b.npy"))),
    "member twice": lambda c: twice(),
    "array that promises more": lambda c: archive(
        top(array_node("a.npy")), **{"a.npy": lying_npy()}
    ),
    "zip bomb": lambda c: archive(top(array_node("a.npy")), **{"a.npy": b"\0" * 60_000_000}),
    "zip bomb in a zip": lambda c: nested_zip_bomb(),
    "schema that unpacks to much": lambda c: archive(b"[" + b"0," * 9_000_000 + b"0]"),
    "schema of a million nodes": lambda c: archive(
        top(listed("list", *[{} for _ in range(600_000)]))
    ),
    "schema nested deeply": lambda c: archive(
        b'{"protocol":2,"a":' + b"[" * 900 + b"]" * 900 + b"}"
    ),
    "schema nested beyond the stack": lambda c: archive(b"[" * 100_000 + b"]" * 100_000),
    "few nodes for millions": lambda c: archive(laughs()),
    "schema is a number": lambda c: archive(b"7"),
    "truncated": lambda c: SkopsFormat().dump(LogisticRegression().fit(X, Y))[:-40],
}  # fmt: skip


@pytest.mark.parametrize("variant", sorted(HOSTILE))
def test_hostile_file_is_refused_and_runs_nothing(variant: str, tmp_path: Path) -> None:
    witness = tmp_path / "executed"
    content = HOSTILE[variant](CALL.format(witness))

    with pytest.raises(REFUSED):
        SkopsFormat().load(content)

    assert not witness.exists()


def test_the_bomb_would_have_run_under_pickle(tmp_path: Path) -> None:
    witness = tmp_path / "executed"

    pickle.loads(pickle.dumps(Bomb(CALL.format(witness))))

    assert witness.exists()


def test_valid_model_loads_and_answers_as_before() -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)

    loaded = SkopsFormat().load(SkopsFormat().dump(model))

    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_unknown_types_are_named_and_load_once_they_are_trusted() -> None:
    content = archive(top(node("TypeNode", "collections.Counter")))

    with pytest.raises(UntrustedTypesError) as caught:
        SkopsFormat().load(content)

    assert caught.value.types == ("collections.Counter",)
    assert SkopsFormat().load(content, trusted=caught.value.types).__name__ == "Counter"


TREES = {
    "child outside": ("left", "left_child", 10_000),
    "child before its parent": ("right", "right_child", 0),
    "feature outside": ("feature_idx", "feature", 900),
}


@pytest.mark.parametrize("fault", sorted(TREES))
@pytest.mark.parametrize("boosted", [True, False])
def test_tree_that_would_read_outside_its_arrays_is_refused(fault: str, *, boosted: bool) -> None:
    boosted_field, plain_field, value = TREES[fault]
    estimator = (
        HistGradientBoostingClassifier(max_iter=2) if boosted else DecisionTreeClassifier()
    ).fit(X, Y)
    if boosted:
        estimator._predictors[0][0].nodes[boosted_field][0] = value
    else:
        state = estimator.tree_.__getstate__()
        state["nodes"][plain_field][0] = value
        estimator.tree_.__setstate__(state)

    with pytest.raises(IntegrityError):
        SkopsFormat().load(SkopsFormat().dump(estimator))


WORST = """
import json, resource, sys
from mldeploy.errors import IntegrityError, UntrustedTypesError
from mldeploy.model import SkopsFormat
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    SkopsFormat().load(sys.stdin.buffer.read())
except (IntegrityError, UntrustedTypesError):
    pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("loader", ["FunctionNode", "TypeNode", "JsonNode", "ObjectNode"])
def test_hostile_file_takes_less_than_half_a_gigabyte(loader: str) -> None:
    """As many of the costliest nodes as the limits let through; the bar is 512 MB."""
    many = {"FunctionNode": 4_900, "ObjectNode": 49_000}.get(loader, 120_000)
    one = {
        "FunctionNode": node("FunctionNode", "numpy.absolute"),
        "TypeNode": node("TypeNode", "builtins.int"),
        "JsonNode": text(1),
        "ObjectNode": node("ObjectNode", "sklearn.dummy.DummyClassifier"),
    }[loader]
    content = archive(top(listed("list", *[one] * many)))

    command = [sys.executable, "-c", WORST]
    done = subprocess.run(command, input=content, capture_output=True, check=False)

    assert int(done.stdout) < 512, done.stderr.decode()[-300:]
