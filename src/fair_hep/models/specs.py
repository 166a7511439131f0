"""Specifications of what networks on sets of particles take and give, so that a model says only what differs."""

from __future__ import annotations

from collections.abc import Sequence

from ..bundle import TensorSpec

__all__ = ["class_label", "class_logits", "element_features", "particle_set"]

#: Names of the axes.
EXAMPLES, ELEMENTS = "jets", "constituents"


def particle_set(
    name: str = "particles",
    columns: Sequence[str] = ("E", "px", "py", "pz"),
    *,
    largest: float = 14_000.0,
    limit: int = 512,
) -> TensorSpec:
    """Specify a set of particles, one row for each, in any order, zero-padded.

    Parameters
    ----------
    name
        Name in the batch, the graph and the signature.
    columns
        Components of the four-momenta in GeV; E (or pt) is above 0 in every row that isn't padding.
    largest
        Energy of the collisions in GeV: a caller whose values lie beyond is warned, who has MeV is far above.
    limit
        Most particles that are accepted.

    Examples
    --------
    >>> from fair_hep import particle_set
    >>> particle_set(columns=("pt", "eta", "phi", "m")).unit_of("eta")
    '1'
    """
    positive = tuple(column for column in ("E", "pt") if column in columns)
    return TensorSpec(
        name=name,
        axes=(EXAMPLES, ELEMENTS, "component"),
        dynamic=(EXAMPLES, ELEMENTS),
        sizes={"component": len(columns)},
        dtype="float32",
        meaning=f"four-momenta of a jet's constituents in any order, zero-padded; one is real where {positive[0]} > 0",
        columns=tuple(columns),
        unit="GeV",
        range=(-largest, largest),
        positive=positive,
        limits={ELEMENTS: limit},
        units=dict.fromkeys({"eta", "phi"} & set(columns), "1"),
    )


def class_logits(classes: Sequence[str]) -> TensorSpec:
    """Specify one logit for each class; with two classes the first is the background, the second the signal.

    Examples
    --------
    >>> from fair_hep import class_logits
    >>> class_logits(("QCD", "top")).sizes
    {'class': 2}
    """
    return TensorSpec(
        name="logits",
        axes=(EXAMPLES, "class"),
        dynamic=(EXAMPLES,),
        sizes={"class": len(classes)},
        dtype="float32",
        meaning="unnormalised log-probabilities of the classes",
        columns=tuple(classes),
    )


def class_label(classes: Sequence[str]) -> TensorSpec:
    """Specify the label: the place of an example's class among the classes.

    Examples
    --------
    >>> from fair_hep import class_label
    >>> class_label(("QCD", "top")).meaning
    'class of the jet: 0 QCD, 1 top'
    """
    return TensorSpec(
        name="label",
        axes=(EXAMPLES,),
        dynamic=(EXAMPLES,),
        sizes={},
        dtype="int64",
        meaning="class of the jet: " + ", ".join(f"{number} {name}" for number, name in enumerate(classes)),
    )


def element_features(names: Sequence[str], ranges: Sequence[tuple[float, float]] = ()) -> TensorSpec:
    """Specify the features of every particle, where relevance lives.

    Parameters
    ----------
    names
        Names of the features in order.
    ranges
        Lowest and highest value of each, for rules of explanation that need them.

    Examples
    --------
    >>> from fair_hep import element_features
    >>> element_features(("delta_eta", "log_pt"), ((-1.0, 1.0), (-5.0, 5.0))).columns
    ('delta_eta', 'log_pt')
    """
    return TensorSpec(
        name="features",
        axes=(EXAMPLES, ELEMENTS, "feature"),
        dynamic=(EXAMPLES, ELEMENTS),
        sizes={"feature": len(names)},
        dtype="float32",
        meaning="standardised features of the constituents: where relevance lives",
        columns=tuple(names),
        ranges=tuple(ranges),
    )
