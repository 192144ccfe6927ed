"""Ask as Vertex AI's SDK writes requests: `python vertex_client.py URL ROUTE < columns.json`.

The SDK turns instances into protobuf values, in which every number is a double.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import requests
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Value


def body_of(instances: list[Any], **more: Any) -> str:
    return json_format.MessageToJson(
        json_format.ParseDict({"instances": instances, **more}, Value())
    )


def asked(url: str, instances: list[Any], **more: Any) -> Any:
    response = requests.post(
        url,
        data=body_of(instances, **more),
        headers={"Content-Type": "application/json"},
        timeout=30,
    )
    return {"status": response.status_code, "body": response.json()}


def main() -> None:
    url = sys.argv[1] + sys.argv[2]
    columns = json.load(sys.stdin)
    lists = [list(row) for row in zip(*columns.values(), strict=True)]
    objects = [dict(zip(columns, row, strict=True)) for row in lists]
    told = {
        "health": requests.get(url.removesuffix(":predict"), timeout=10).status_code,
        "objects": asked(url, objects),
        "lists": asked(url, lists, parameters={"confidence": 0.5}),
        "one is bad": asked(url, [objects[0], {**objects[1], "hour": 7.5}]),
        "none": asked(url, []),
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
