"""Ask as SageMaker's SDK writes requests: `python sagemaker_client.py URL < columns.json`."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pandas as pd
import requests
from sagemaker.core.deserializers import CSVDeserializer, JSONDeserializer
from sagemaker.core.serializers import CSVSerializer, JSONSerializer


def asked(url: str, body: Any, kind: str, deserializer: Any) -> Any:
    response = requests.post(
        f"{url}/invocations",
        data=body,
        headers={
            "Content-Type": kind,
            "Accept": ", ".join(deserializer.ACCEPT),
            "X-Amzn-SageMaker-Custom-Attributes": "trace=1",
            "X-Amzn-SageMaker-Target-Model": "late.tar.gz",
        },
        timeout=30,
    )
    if response.status_code != 200:
        return {"status": response.status_code, "body": response.text}
    return deserializer.deserialize(io.BytesIO(response.content), response.headers["Content-Type"])


def main() -> None:
    url, frame = sys.argv[1], pd.DataFrame(json.load(sys.stdin))
    rows = frame.to_numpy().tolist()
    lists, objects = CSVSerializer(), JSONSerializer()
    plain, table = JSONDeserializer(), CSVDeserializer()
    with_header = frame.to_csv(index=False)
    told = {
        "ping": requests.get(f"{url}/ping", timeout=2).status_code,
        "csv": asked(url, lists.serialize(rows), lists.CONTENT_TYPE, plain),
        "csv of a frame": asked(url, lists.serialize(frame), lists.CONTENT_TYPE, plain),
        "csv with a header": asked(url, with_header, lists.CONTENT_TYPE, plain),
        "json": asked(url, objects.serialize({"instances": rows}), objects.CONTENT_TYPE, plain),
        "csv and back": asked(url, lists.serialize(rows), lists.CONTENT_TYPE, table),
        "lines": asked(url, json.dumps({"features": rows[0]}), "application/jsonlines", plain),
        "short": asked(url, lists.serialize([row[1:] for row in rows]), "text/csv", plain),
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
