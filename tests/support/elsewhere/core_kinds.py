"""Check objects of Kubernetes' own kinds by kubernetes-validate: texts by name in, a line for each wrong one out."""

import json
import sys

import kubernetes_validate
import yaml

given = json.load(sys.stdin)
found = {}
for name, text in given["texts"].items():
    try:
        kubernetes_validate.validate(yaml.safe_load(text), given["version"], strict=True)
    except kubernetes_validate.ValidationError as error:
        found[name] = " ".join(str(error).split())[:300]
json.dump(found, sys.stdout)
