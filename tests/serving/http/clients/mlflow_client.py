"""Ask by MLflow's scoring client: `python mlflow_client.py URL < columns.json`."""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
from mlflow.models.utils import convert_input_example_to_serving_input
from mlflow.pyfunc.scoring_server.client import ScoringServerClient


def refusal_of(client: ScoringServerClient, frame: pd.DataFrame) -> str:
    try:
        client.invoke(frame)
    except Exception as error:  # the client raises nothing more special
        return str(error)
    raise AssertionError("it was not refused")


def main() -> None:
    place = urlsplit(sys.argv[1])
    client = ScoringServerClient(place.hostname, place.port)
    client.wait_server_ready(timeout=10)
    frame = pd.DataFrame(json.load(sys.stdin))
    turned = frame[frame.columns[::-1]].assign(more=1)
    told: dict[str, Any] = {
        "version": client.get_version(),
        "answers": {
            "frame": _predictions(client.invoke(frame)),
            "frame turned": _predictions(client.invoke(turned)),
            "with params": _predictions(client.invoke(frame, params={"temperature": 0.5})),
            "array": _predictions(client.invoke(frame.to_numpy(dtype=object))),
            "list": _predictions(client.invoke(frame.to_dict(orient="records"))),
            "serving input": _predictions(
                client.invoke(convert_input_example_to_serving_input(frame))
            ),
            **{
                form: _predictions(client.invoke(json.dumps({form: content})))
                for form, content in {
                    "inputs": frame.to_dict(orient="list"),
                    "instances": frame.to_numpy().tolist(),
                    "dataframe_records": frame.to_dict(orient="records"),
                }.items()
            },
        },
        "refusals": [
            refusal_of(client, frame.drop(columns="wind")),
            refusal_of(client, frame.assign(hour="noon")),
        ],
    }
    sys.stdout.write(json.dumps(told))


def _predictions(response: Any) -> list[Any]:
    return response.get_predictions()[0].tolist()


if __name__ == "__main__":
    main()
