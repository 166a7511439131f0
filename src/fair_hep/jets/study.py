"""The study of edges between a jet's constituents, measured for the trained network and for untrained ones.

After Mokhtar, Kansal and Duarte, arXiv:2211.09912: does a graph network look at edges between the prongs of a jet?
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from ..bundle.symbols import formula
from ..data.toptag import ORIGINS
from ..models.contract import Model
from ..pages.document import Table
from ..pages.measured import measured
from ..study.case import Case, Study
from ..study.options import StudyOptions
from ..study.relevances import ELEMENTS, Column, Relevances, read_relevances
from ..study.share_figure import Panel
from ..study.work import Work
from .figures import draw_edge_graph, draw_fractions, draw_scores, draw_spectra
from .grooming import Z_CUT, find_prongs
from .momenta import four_momenta
from .nsubjettiness import tau
from .other_jets import on_other_jets, others_table
from .shown import RULE, choose_shown, softest_share
from .stability import stability, stability_table
from .subjets import NONE, find_subjets, jet_by_jet
from .tables import EdgeTables
from .truth import judged, of_decay
from .truth_tables import baselines, picking_table

if TYPE_CHECKING:
    from torch import Tensor

    from ..study.trust import Truth

__all__ = ["JetOptions", "JetStudy"]


#: What edges may join, in words.
_SIDES = {
    "subjets": "C/A subjets",
    "prongs": "groomed prongs",
    "quarks": "quarks of the decay (QCD: sides of a splitting)",
}


class JetOptions(StudyOptions):
    """What the study does besides explaining: ``explain.options`` of the configuration."""

    controls: int = Field(10, ge=0, description="untrained networks to compare with")
    top_edges: int = Field(15, ge=1, description="most relevant edges of a jet to look at, at most")
    stability: int = Field(100, ge=0, description="explained jets to explain again with changed constituents; 0: none")
    others: dict[str, Path] = Field(
        {},
        description="other jets to score and explain with the same network, such as those of another shower or "
        "detector: folders of stores that `data` made, by what is said of them",
    )
    other_jets: int = Field(300, ge=2, description="jets of each of them to explain, at most")
    heavy_edges: int = Field(5, ge=1, description="most relevant edges whose Delta R and mass are measured")


class JetStudy(Study):
    """Edges and subjets of jets, for any network with edges whose first input are the constituents' momenta."""

    options = JetOptions
    examples, elements = "jets", "constituents"
    layout: Mapping[str, Column] = {
        "example/axis": Column("[examples, 4] four-momentum of the jet: E, px, py, pz in GeV"),
        "example/tau21": Column("N-subjettiness tau_2 / tau_1 (beta 1, axes of exclusive kT); NaN: tau_1 is 0"),
        "example/tau32": Column("N-subjettiness tau_3 / tau_2, likewise"),
        "element/angles": Column(
            "[elements, 2] delta eta (times the sign of the jet's eta) and delta phi to the axis", ELEMENTS
        ),
        "element/subjet": Column(
            "[elements] exclusive Cambridge/Aachen subjet by falling pT: 0, 1, 2; -1: there are none", ELEMENTS, NONE
        ),
        "element/prong": Column(
            f"[elements] prong of a recursive soft drop (z > {Z_CUT}) by falling pT: 0, 1, 2; -1: groomed away",
            ELEMENTS,
            NONE,
        ),
        "element/origin": Column(
            "[elements] where it comes from, as the generator knows: "
            + ", ".join(f"{code} {name}" for name, code in ORIGINS.items()),
            ELEMENTS,
        ),
    }
    carried: Mapping[str, str] = {"element/origin": "origin"}
    #: Columns of the first input.
    momenta: Sequence[str] = ("E", "px", "py", "pz")
    #: What a place with edges is called.
    place = "EdgeConv block"

    def columns(self, inputs: Mapping[str, Tensor], values: Sequence[Tensor]) -> Mapping[str, np.ndarray]:
        """Return axis, angles and subjets; ``axis`` is the sum of the constituents unless it is an input."""
        import torch

        from ..nets.kinematics import from_axis

        momenta = four_momenta(next(iter(inputs.values())).numpy(), self.momenta)
        particles = torch.from_numpy(momenta)
        one, two, three = (tau(momenta, number) for number in (1, 2, 3))
        axis = inputs["axis"] if "axis" in inputs else particles.sum(1)
        seen = from_axis(particles, axis)
        angles = torch.stack([seen.delta_eta, seen.delta_phi], -1)
        return {
            "example/axis": axis.numpy(),
            "example/tau21": _ratio(two, one),
            "example/tau32": _ratio(three, two),
            "element/angles": torch.where(seen.mask[..., None], angles, 0.0).numpy(),
            "element/subjet": jet_by_jet(find_subjets, momenta.astype(np.float64)),
            "element/prong": jet_by_jet(find_prongs, momenta.astype(np.float64)),
        }

    def summary(self, case: Case) -> EdgeTables:
        """Return tables of edges and subjets."""
        model, options = case.model, case.options
        return EdgeTables(
            case.classes,
            self.momenta,
            model.features.columns,
            len(model.edges(case.network)),
            top_edges=options.top_edges,
            heavy_edges=options.heavy_edges,
        )

    def truth(self, batch: Mapping[str, Tensor]) -> Truth | None:
        """Return which constituents come from a quark of the top's decay, and the orders to compare with."""
        import torch

        from ..nets.kinematics import from_axis
        from ..study.trust import Truth

        if "origin" not in batch:
            return None
        momenta = four_momenta(next(iter(batch.values())).numpy(), self.momenta)
        seen, origin = from_axis(torch.from_numpy(momenta)), batch["origin"].numpy()
        angles = torch.stack([seen.delta_eta, seen.delta_phi], -1).numpy()
        return Truth(of_decay(origin), judged(origin, seen.mask.numpy()), baselines(momenta, angles))

    def further(self, case: Case, work: Work) -> dict[str, Any]:
        """Measure what stays if constituents change, or the jets."""
        count, others = case.options.stability, case.options.others
        found = {"stability": stability(case, work, self.momenta, count=count)} if count else {}
        if others:
            found["others"] = on_other_jets(case, work, others, case.options.other_jets)
        return found

    def tables(self, case: Case, found: Mapping[str, Any]) -> Iterator[Table]:
        """Give how well the decay is picked, and what changes if the jets do."""
        if found.get("picking", {}).get("jets"):
            yield picking_table(found["picking"], self.place)
        if "stability" in found:
            yield stability_table(found["stability"])
        if "others" in found:
            yield others_table(found["others"])

    def panels(self, model: Model) -> Sequence[Panel]:
        """Return features, ranks and subjets."""
        return (*super().panels(model), ("subjet", r"Subjet by falling $p_T$", ("1st", "2nd", "3rd")))

    def draw(self, case: Case, found: Mapping[str, Any], path: Path) -> None:
        """Draw some jets of each class with their edges, and what the edges of all are like."""
        self._draw_jets(case, path)
        classes = case.classes
        untrained = found.get("untrained")
        kinds = {"trained": found, **({"untrained": untrained} if untrained else {})}
        draw_fractions(
            {kind: one["fractions"] for kind, one in kinds.items()},
            case.figure("edges_between_prongs"),
            classes,
            self.place,
        )
        draw_spectra(kinds, case.figure("edge_spectra"), classes)
        names = [formula(name) for name in case.model.features.columns]
        draw_scores(found["r_scores"], case.figure("r_scores"), names, classes)

    def _draw_jets(self, case: Case, path: Path) -> None:
        """Draw the jets that `shown` chooses."""

        def shares() -> Iterator[tuple[Relevances, np.ndarray]]:
            for part in read_relevances(path):
                yield part, softest_share(part, four_momenta(part["element/input"], self.momenta))

        for jet in choose_shown(shares(), len(case.classes), case.config.explain.figures):
            kind = case.classes[int(jet["example/label"])]
            name = case.figure(f"edges_{kind}_{int(jet['example/index'])}")
            about = f"{kind} jet", case.rules.composite, case.explained, case.classes[-1]
            draw_edge_graph(jet, four_momenta(jet["element/input"], self.momenta), name, about, self.place)

    def captions(self, case: Case, found: Mapping[str, Any]) -> Mapping[str, str]:
        """Return how many jets pass the rule by which they are drawn first."""
        pronged, counts = found["examples"]["three_subjets"], found["examples"]
        return {
            f"edges_{name}_*": f"{pronged[name]} of {counts[name]} explained {name} jets have {RULE}"
            for name in case.classes
        }

    def lines(self, case: Case, found: Mapping[str, Any]) -> Iterator[str]:
        """Give how many of the most relevant edges join two subjets, and how well their length tells classes apart."""
        yield from super().lines(case, found)
        pronged, counts = found["examples"]["three_subjets"], found["examples"]
        passed = " and ".join(f"{pronged[name]} of {counts[name]} {name} jets" for name in reversed(case.classes))
        yield f"{passed} have {RULE}: jets are drawn from these first"
        if "picking" not in found:
            yield "the data don't say where constituents come from: nothing is measured against quarks of the decay"
        else:
            yield _picking_line(found["picking"])
        lost = sum(found["examples"]["not_declustered"].values())
        yield f"{lost} jets not declustered into three subjets"
        untrained = found.get("untrained", {})
        for sides in found["fractions"]:
            for kind, one in (("trained", found), ("untrained", untrained)):
                if one and (line := _joined(one["fractions"][sides][-1], case.classes)):
                    yield f"{kind}: {line} {_SIDES[sides]}"
        area = found["areas"]["delta_r"][-1]
        if area["auc"] is not None:
            yield (
                f"Delta R of the most relevant edges as a discriminator: AUC {measured(area['auc'], area['error'])}"
                + _control(untrained)
            )


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Divide, with NaN where the denominator is 0."""
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)


def _joined(row: Mapping[str, Any], classes: Sequence[str]) -> str:
    """Say which share of the five most relevant edges joins two sides; nothing where that isn't known."""
    at = min(5, len(row[classes[0]]["mean"])) - 1
    if at < 0 or any(row[name]["mean"][at] is None for name in classes):
        return ""
    shown = (f"{measured(row[name]['mean'][at], row[name]['error'][at])} ({name})" for name in reversed(classes))
    return f"{', '.join(shown)} of the {at + 1} most relevant edges (last block) join two"


def _picking_line(picking: Mapping[str, Any]) -> str:
    """Say how well constituents of the decay are picked, beside what needs no network."""
    if not picking["jets"]:
        return "no explained jet has a decay with constituents of known and of no origin: nothing to pick"
    shown = ", ".join(f"{name} {measured(row['mean'], row['error'])}" for name, row in picking["elements"].items())
    return f"constituents of the top's decay picked (area under precision-recall, {picking['jets']} jets): {shown}"


def _control(untrained: Mapping[str, Any]) -> str:
    area = untrained["areas"]["delta_r"][-1] if untrained else {"auc": None}
    return "" if area["auc"] is None else f", untrained {measured(area['auc'], area['error'])}"
