"""A network that was trained and explained, on other jets of the same selection, as a table in Markdown.

Usage, in a project's folder: ``python benchmarks/other_jets.py configs/full.yaml "Vincia=data/simulate-...-vincia"``.
A folder is one that the verb `data` named for `data.source=simulate`; `explain` must have run with the configuration.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fair_hep.bundle.strict import validate
from fair_hep.data.store import Store
from fair_hep.jets.other_jets import on_other_jets, others_table
from fair_hep.jets.study import JetOptions
from fair_hep.models.explaining import rules_of
from fair_hep.models.recipe import recipe
from fair_hep.project.data import store_folder
from fair_hep.project.train import load_network
from fair_hep.provenance.configuration import load_config
from fair_hep.provenance.project import load_project
from fair_hep.study.case import Case
from fair_hep.study.work import Work


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path, help="configuration of the run")
    parser.add_argument("others", nargs="+", metavar="NAME=FOLDER", help="stores of other jets")
    parser.add_argument("--jets", type=int, default=300, help="jets of each to explain, at most")
    given = parser.parse_args()
    project, config = load_project(), load_config(given.config, [])
    model, network = recipe(project), load_network(project, config)
    rules = rules_of(model, config.explain)
    options = validate(JetOptions, rules.options, "explain.options")
    dataset = model.dataset(Store(store_folder(project, config) / "test"), **config.data.options)
    case = Case(model, network, config, options, rules.target, project.run(config.name, "explain"))
    work = Work(model, network, dataset, [], rules.target, rules)
    others = {name: Path(folder) for name, folder in (text.split("=", 1) for text in given.others)}
    table = others_table(on_other_jets(case, work, others, given.jets))
    print(f"{table.title}\n")
    for row in (table.head, ("---",) * len(table.head), *table.rows):
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
