"""A process that answers with a compiled model loads neither pandas nor scikit-learn."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mldeploy.model import Model
from mldeploy.model.compiling._tables import TableCompiler

ROWS = pl.DataFrame(
    {
        "wind": [3.0, 5.0, None, 9.0, 2.0, 8.0] * 9,
        "origin": ["JFK", "LGA", "JFK", "EWR", "LGA", "Zürich"] * 9,
        "y": ["no", "yes", "no", "yes", "no", "yes"] * 9,
    }
)
PROBE = """
import json, sys
from pathlib import Path
from mldeploy.model.compiled._model import CompiledModel
from mldeploy.model import Signature

place = Path(sys.argv[1])
files = {name: (place / name).read_bytes() for name in ("compiled.json", "compiled.npz")}
signature = Signature.model_validate_json((place / "signature.json").read_bytes())
compiled = CompiledModel.from_files(files, signature=signature, digest=sys.argv[2])
row = compiled.score_row((None, "JFK"))
import polars as pl
frame = compiled.score_frame(pl.DataFrame({"wind": [1.5], "origin": ["BOS"]}))
heavy = {"pandas", "sklearn", "scipy", "skops", "onnx", "skl2onnx"} & set(sys.modules)
print(json.dumps([row, frame[0].tolist(), sorted(heavy)]))
"""


@pytest.mark.parametrize(
    "last", [LogisticRegression(), HistGradientBoostingClassifier(max_iter=3)]
)
def test_a_process_that_answers_loads_no_heavy_library(
    last: object, fit: Callable[..., Model], tmp_path: Path
) -> None:
    encoding = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["wind"]),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["origin"]),
    )
    model = fit(make_pipeline(encoding, last), ROWS)
    for name, content in TableCompiler().compile(model).to_files().items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "signature.json").write_text(model.signature.model_dump_json())

    run = subprocess.run(
        [sys.executable, "-c", PROBE, str(tmp_path), model.digest],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    (label, score), labels, heavy = json.loads(run.stdout)
    assert heavy == []
    given = pl.DataFrame({"wind": [None, 1.5], "origin": ["JFK", "BOS"]})
    assert [label, *labels] == model.predict(given).tolist()
    assert score == pytest.approx(model.score(given)[0], abs=1e-9)
