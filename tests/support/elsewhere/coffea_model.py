"""Ask a model for the jets of NanoAOD files in coffea: eager, virtual, and by a task graph on two processes of Dask."""

import gc
import json
import os
import pickle
import sys
import warnings
from typing import Any

import awkward as ak
import dask
import dask_awkward as dak
import numpy as np
from coffea.nanoevents import NanoAODSchema, NanoEventsFactory
from coffea.processor import accumulate
from dask.distributed import Client, LocalCluster

from fair_hep.analysis import ArrayModel, count, per_file
from fair_hep.analysis.partitions import files_of

warnings.simplefilter("ignore")
NanoAODSchema.warn_missing_crossrefs = False


def sessions() -> dict[str, Any]:
    """Say which process this is, and which sessions it has opened, by their threads."""
    import onnxruntime

    found = [one for one in gc.get_objects() if isinstance(one, onnxruntime.InferenceSession)]
    return {"pid": os.getpid(), "threads": [one.get_session_options().intra_op_num_threads for one in found]}


def flat(found: Any) -> np.ndarray:
    """Return the columns of records, one after the other."""
    return np.stack([ak.to_numpy(ak.flatten(found[name], axis=None)) for name in found.fields], -1)


def keep(kept: dict[str, np.ndarray], name: str, scores: Any, why: Any) -> None:
    """Keep the numbers of one way."""
    kept |= {f"{name}/logits": flat(scores.logits), f"{name}/relevance": flat(why.relevance)}
    kept[f"{name}/jets"] = ak.to_numpy(ak.num(scores))


def main(given: dict[str, Any], output: str) -> dict[str, Any]:
    """Ask in every way; numbers go into a file."""
    kept: dict[str, np.ndarray] = {}
    told: dict[str, Any] = {}
    model = ArrayModel(given["bundle"], threads=2)
    sent = pickle.dumps(model)
    for mode in ("eager", "virtual"):
        counts = []
        for file in given["files"]:
            events = NanoEventsFactory.from_root({file: "Events"}, schemaclass=NanoAODSchema, mode=mode).events()
            scores, why = (verb(events, columns="nanoaod") for verb in (model.predict, model.explain))
            keep(kept, f"{mode}/{file}", scores, why)
            counts.append({"outside": count(scores, file)})
            told[f"{mode}/read"] = ak.to_layout(events.MET.pt).is_any_materialized
        told[mode] = accumulate(counts)["outside"]
    told["here"] = sessions()
    told["size"] = [len(sent), len(pickle.dumps(model))]
    half = {"object_path": "Events", "steps": [[0, 20], [20, 40]]}
    with LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=None) as cluster, Client(cluster) as client:
        events = NanoEventsFactory.from_root(
            dict.fromkeys(given["files"], half), schemaclass=NanoAODSchema, mode="dask"
        ).events()
        scores, why = (verb(events, columns="nanoaod") for verb in (model.predict, model.explain))
        told["columns"] = sorted(set().union(*dak.necessary_columns(scores).values()))
        told["files"] = [files_of(scores), files_of(scores.partitions[[1, 0]])]
        done = dask.compute(scores, why, count(why))
        keep(kept, "dask", *done[:2])
        told["dask"] = per_file(done[2])
        told["type"] = str(done[0].type.content) == str(scores._meta.type.content)
        told["there"] = list(client.run(sessions).values())
        jets = model.elements(events, columns="nanoaod")
        try:
            model.predict(ak.with_field(jets, jets.E * np.nan, "E")).compute()
        except Exception as error:  # whatever arrives is looked at
            told["refused"] = [type(error).__name__, str(error)]
    np.savez(output, allow_pickle=False, **kept)
    return told


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin), sys.argv[1]), sys.stdout)
