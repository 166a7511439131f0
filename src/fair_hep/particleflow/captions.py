"""What the metrics of an evaluation are, what its figures and those of the study show, and what is told in a line."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["CAPTIONS", "HEADLINE", "MEASURES"]

#: By name; those of the network begin with the name of the model.
MEASURES: Mapping[str, str] = {
    "rules_*": "of rule-based particle flow on the same events",
    "*_mean_f1": "mean F1 of the classes that enough elements have: efficiency and purity at once",
    "*_efficiency_*": "share of a class's elements that get the class",
    "*_fake_rate_*": "share of those that get a class without being it",
    "*_efficiency_at_equal_fake_rate_*": "efficiency at the fake rate of the rules",
    "*_bias*, *_resolution*, *_core*": (
        "mean, standard deviation and width of the core of the differences between found and generated, relative for "
        "momenta and cut at ±10, for particles on whose class both flows agree"
    ),
    "*_jet_*": "jets clustered from all particles, matched to generated ones",
    "*_met_*": "missing transverse momentum, found minus generated, in GeV",
}
#: By file name without suffix.
CAPTIONS: Mapping[str, str] = {
    "confusion": "Class found against true class, shares by true class, for the network and for the rules",
    "efficiencies": "Efficiency and fake rate against pT, energy and pseudorapidity, for the network and for the rules",
    "responses": "Relative difference of found and generated momenta, for the network and for the rules",
    "multiplicities": "Number of particles found in an event against the number generated",
    "events": "Missing transverse momentum and jets, for the network and for the rules",
    "rmap_*": "R-map of a class's logit: share of |R| by feature, of the element and of the others",
    "rmaps_*": "R-maps of a component of the momentum, or of its correction where a network corrects, by class",
    "r_scores": "R-scores of the true class's logit: each feature's signed share of the absolute relevance, by class",
    "relevant_elements": "Number of elements that carry most of the relevance of the true class's logit, by class",
    "removal": "Logit while the elements that it sees are removed or inserted by falling relevance, for every rule set",
    "event_*": "One event: all elements, and the share of relevance that they have for one of them",
}
#: Quantity and class of what is told in a line each, both sides, also in bins of eta; a model may ask for others.
HEADLINE: Mapping[tuple[str, str], str] = {
    ("efficiency_at_equal_fake_rate", "neutral_hadron"): "neutral hadrons: efficiency at the rules' fake rate",
    ("efficiency", "neutral_hadron"): "neutral hadrons: efficiency",
    ("fake_rate", "neutral_hadron"): "neutral hadrons: fake rate",
    ("pt_resolution", "charged_hadron"): "charged hadrons: resolution of pT",
    ("energy_resolution", "neutral_hadron"): "neutral hadrons: resolution of E",
    ("jet_pt_resolution", ""): "jets: resolution of pT",
    ("jet_efficiency", ""): "jets: share found",
    ("met_resolution_gev", ""): "missing transverse momentum: resolution in GeV",
}
