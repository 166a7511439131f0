"""Ask a server as SONIC's relatives do, by Triton's own client over HTTP: arrays in a file in, arrays in a file out."""

import json
import sys
from typing import Any

import numpy as np
from tritonclient import http
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

wanted = json.load(sys.stdin)
given: dict[str, np.ndarray] = dict(np.load(sys.argv[1]))
found: dict[str, Any] = {}
name, version = wanted["model"], wanted["version"]
client = http.InferenceServerClient(wanted["host"])
told = {
    "live": client.is_server_live(),
    "ready": client.is_server_ready(),
    "model ready": client.is_model_ready(name, version),
    "server": client.get_server_metadata(),
    "metadata": client.get_model_metadata(name, version),
}


def ask(model: str, binary: bool, outputs: list[str]) -> Any:
    inputs = []
    for key, values in given.items():
        one = http.InferInput(key, list(values.shape), np_to_triton_dtype(values.dtype))
        one.set_data_from_numpy(values, binary_data=binary)
        inputs.append(one)
    asked = [http.InferRequestedOutput(key, binary_data=binary) for key in outputs]
    return client.infer(model, inputs, model_version=version, outputs=asked or None, request_id="job-7")


for how, binary in (("bytes", True), ("json", False)):
    answer = ask(name, binary, ["logits", "outside"])
    assert answer.get_response()["id"] == "job-7"
    found[f"{how}/logits"] = answer.as_numpy("logits")
    told["outside"] = [one.decode() if isinstance(one, bytes) else one for one in answer.as_numpy("outside")]
    found[f"{how}/relevance"] = ask(f"{name}_explained", binary, ["relevance"]).as_numpy("relevance")
everything = ask(name, True, [])
assert np.array_equal(everything.as_numpy("logits"), found["bytes/logits"])
try:
    client.get_model_metadata("nobody")
except InferenceServerException as error:
    told["refused"] = str(error)
np.savez(sys.argv[2], **found)
json.dump(told, sys.stdout)
