"""Read configurations with Triton's own protobuf: texts by name in, the messages as JSON out."""

import json
import sys

from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2

found = {}
for name, text in json.load(sys.stdin).items():
    message = text_format.Parse(text, model_config_pb2.ModelConfig())
    found[name] = json_format.MessageToDict(message, preserving_proto_field_name=True)
json.dump(found, sys.stdout)
