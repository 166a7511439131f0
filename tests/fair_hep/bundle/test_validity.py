"""What a model says of inputs that it wasn't made for: by derived quantities, and by what no example can be."""

from __future__ import annotations

import numpy as np
import pytest

from fair_hep.bundle import Signature, TensorSpec
from fair_hep.bundle.derived import Elements, derivable, derived_values
from fair_hep.bundle.domain import Quantity, jet_quantities, trained
from fair_hep.bundle.inputs import pad
from fair_hep.bundle.validity import Judge
from fair_hep.models.specs import class_logits, particle_set

SPEC = particle_set()
QUANTITIES = jet_quantities()


def _momenta(pt: np.ndarray, eta: np.ndarray, phi: np.ndarray, mass: float = 0.0) -> np.ndarray:
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    return np.stack([np.sqrt(px**2 + py**2 + pz**2 + mass**2), px, py, pz], -1)


def _jets(count: int, seed: int, low: float = 550.0, high: float = 650.0) -> list[np.ndarray]:
    """Return jets with a flat pT, |eta| below 2, 20 to 60 constituents within 0.5 of the axis."""
    draw = np.random.default_rng(seed)
    jets = []
    for _ in range(count):
        size = draw.integers(20, 60)
        shares = draw.dirichlet(np.full(size, 0.6)) * draw.uniform(low, high)
        around, angle = draw.uniform(0, 0.5, size), draw.uniform(-np.pi, np.pi, size)
        eta = draw.uniform(-2, 2) + around * np.cos(angle)
        jets.append(_momenta(shares, eta, draw.uniform(-np.pi, np.pi) + around * np.sin(angle)))
    return jets


def _signature(jets: list[np.ndarray] | None) -> Signature:
    known = []
    if jets is not None:
        elements = Elements(SPEC, pad(SPEC, jets))
        known = [trained(quantity, derived_values(quantity, elements)) for quantity in QUANTITIES]
    outputs = [class_logits(("QCD", "top"))]
    about = {"model": "test", "title": "Test", "summary": "Test", "version": "1"}
    return Signature(**about, inputs=[SPEC], outputs=outputs, opset=20, domain=known)


SIGNATURE = _signature(_jets(1000, 1))


def _judged(jets: list[np.ndarray], signature: Signature = SIGNATURE) -> Judge:
    judge = Judge(signature)
    for number, jet in enumerate(jets):
        judge.add({"particles": pad(SPEC, [jet])}, [number])
    return judge


def test_quantities_are_what_a_plain_loop_gives() -> None:
    jets = [*_jets(5, 2), np.zeros((0, 4))]
    values = {quantity.value or quantity.of: quantity for quantity in QUANTITIES}
    found = {name: derived_values(quantity, Elements(SPEC, pad(SPEC, jets))) for name, quantity in values.items()}
    for number, jet in enumerate(jets[:5]):
        e, px, py, pz = np.float32(jet).astype(float).sum(0)
        pt, eta, phi = np.hypot(px, py), np.arcsinh(pz / np.hypot(px, py)), np.arctan2(py, px)
        assert found["pt"][number] == pytest.approx(pt)
        assert found["abs_eta"][number] == pytest.approx(abs(eta))
        assert found["mass"][number] == pytest.approx(np.sqrt(e**2 - px**2 - py**2 - pz**2))
        assert found["length"][number] == len(jet)
        rapidity = np.log((e + pz) / (e - pz)) / 2
        each = [
            np.hypot(
                np.log((one[0] + one[3]) / (one[0] - one[3])) / 2 - rapidity,
                np.angle(np.exp(1j * (np.arctan2(one[2], one[1]) - phi))),
            )
            for one in jet
        ]
        assert found["reach"][number] == pytest.approx(max(each), rel=1e-4)
    assert all(values[5] == 0 for values in found.values())


def test_other_jets_of_the_same_kind_lie_inside() -> None:
    """About a tenth of one in a thousand lies beyond each of the ends."""
    judge = _judged(_jets(1000, 3))
    assert judge.bad <= 5
    assert judge.seen == 1000


def test_jets_of_200_to_500_gev_are_named_one_and_all() -> None:
    judge = _judged(_jets(86, 4, 200.0, 500.0))
    assert judge.line.startswith("86 of 86 jets outside of what the model knows: jet pT from ")
    assert "trained on 5" in judge.line
    assert "(jets 0, 1, 2, 3, 4 and 81 more)" in judge.line
    assert "\n" not in judge.line
    assert judge.of(0)[0].startswith("jet pT ")
    assert len(judge.outside) == 86


JET = _jets(1, 5)[0]
EAST = _momenta(np.full(20, 30.0), np.linspace(0.9, 1.1, 20), np.linspace(0.3, 0.5, 20))


@pytest.mark.parametrize(
    ("jet", "words"),
    [
        (JET * [0.5, 1, 1, 1], r"E below \|p\|, which no particle has"),
        (EAST[:, [1, 2, 3, 0]], r"columns in another order \(number 4 is an energy\), expected E, px, py, pz"),
        (EAST[:, [1, 0, 2, 3]], r"columns in another order \(number 2 is an energy\), expected E, px, py, pz"),
        (
            np.stack([np.full(20, 30.0), np.linspace(0.9, 1.1, 20), np.linspace(3, 3.14, 20), np.full(20, 0.14)], -1),
            "columns that look like pt, eta, phi and m or E, expected E, px, py, pz",
        ),
        (
            np.stack([np.full(20, 3.0), np.linspace(-2, -1.8, 20), np.linspace(0, 0.2, 20), np.full(20, 10.5)], -1),
            "columns that look like pt, eta, phi and m or E, expected E, px, py, pz",
        ),
        (np.zeros((0, 4)), "no constituents, there is nothing to judge by"),
        (np.zeros((3, 4)), "no constituents, there is nothing to judge by"),
        (JET * 1000, r"particles: values from .* expected -14000 to 14000 \(unit GeV\): another unit\?"),
    ],
)
@pytest.mark.parametrize("signature", [SIGNATURE, _signature(None)], ids=["trained", "of a model with no domain"])
def test_what_no_jet_can_be_is_said_before_where_it_lies(
    jet: np.ndarray, words: str, signature: Signature, recwarn: pytest.WarningsRecorder
) -> None:
    import re

    judge = _judged([JET, jet, JET], signature)
    assert re.search(words, judge.line)
    assert judge.bad == 1
    assert list(judge.outside) == [1]
    assert len(judge.of(1)) == 1
    assert not recwarn.list


@pytest.mark.parametrize("apart", [1.5, np.pi])
def test_two_jets_given_as_one_are_seen(apart: float) -> None:
    """Two jets of 300 GeV have the right pT together, unless they are back to back; their reach tells."""
    one = _jets(1, 6, 300, 300)[0]
    turn = np.array([[np.cos(apart), -np.sin(apart)], [np.sin(apart), np.cos(apart)]])
    other = one.copy()
    other[:, 1:3] = one[:, 1:3] @ turn.T
    (found,) = _judged([np.concatenate([one, other])]).outside.values()
    assert any(text.startswith("largest Delta R from the jet axis") for text in found)


def test_what_numbers_cannot_tell_is_not_said() -> None:
    """A jet with px and py interchanged is a jet in another direction."""
    assert _judged([jet[:, [0, 2, 1, 3]] for jet in _jets(20, 7)]).bad == 0


def test_a_long_file_needs_one_line_and_forgets_the_rest() -> None:
    judge = Judge(SIGNATURE)
    jets = _jets(40, 8, 200, 500)
    for start in range(0, 40, 8):
        judge.add({"particles": pad(SPEC, jets[start : start + 8])}, list(range(start, start + 8)))
        assert len(judge.outside) == 8
        judge.forget()
    assert judge.line.startswith("40 of 40 jets outside")


def test_values_outside_the_ranges_are_named_by_their_column() -> None:
    def line(**update: object) -> str:
        described = {"type": (1, 2)}
        spec = TensorSpec(
            name="elements", axes=("events", "elements", "column"), dynamic=("events", "elements"),
            sizes={"column": 2}, dtype="float32", meaning="x", columns=("type", "energy"), unit="GeV",
            allowed=described, **update,
        )  # fmt: skip
        judge = Judge(SIGNATURE.model_copy(update={"inputs": [spec], "domain": []}))
        judge.add({"elements": np.array([[[1.0, 5.0], [2.0, 7.0]]])}, [0])
        return judge.line

    found = line(ranges=((0.0, 2.0), (0.0, 6.0)))
    assert "elements (energy): values from 5 to 7, expected 0 to 6 (unit GeV): another unit? (events 0)" in found
    assert line(ranges=((0.0, 2.0), (0.0, 7.0))) == ""
    assert line() == ""
    assert "elements: values from 1 to 7, expected -inf to 6 (unit GeV): another unit?" in line(range=(None, 6.0))


def test_each_element_has_values_of_its_own() -> None:
    spec = TensorSpec(
        name="elements", axes=("events", "elements", "column"), dynamic=("events", "elements"),
        sizes={"column": 2}, dtype="float32", meaning="x", columns=("type", "eta"),
    )  # fmt: skip
    quantity = Quantity(name="eta", title="eta of an element", input="elements", of="each", value="eta")
    known = trained(quantity, np.linspace(-3, 3, 100))
    judge = Judge(SIGNATURE.model_copy(update={"inputs": [spec], "domain": [known]}))
    judge.add({"elements": np.array([[[1, 0.5], [1, 2.0]], [[1, 4.5], [1, -5.0]], [[1, 4.0], [0, 0]]])}, [7, 8, 9])
    assert judge.of(7) == []
    assert judge.of(8)[0].startswith("eta of an element from -5 to 4.5, trained on -3.5")
    assert judge.of(9)[0].startswith("eta of an element 4, trained on")


def test_words_of_a_later_version_are_left_out() -> None:
    later = Quantity(name="tau21", title="tau21", input="particles", of="subjets", value="tau21")
    assert not derivable(later, SPEC)
    known = trained(later, np.array([0.1, 0.2]))
    signature = Signature.model_validate({**SIGNATURE.model_dump(), "domain": [known.model_dump()]})
    assert _judged([JET], signature).line == ""


def test_edges_come_from_the_tenth_most_extreme_and_natural_ends() -> None:
    values = np.arange(1.0, 102.0)
    assert trained(QUANTITIES[0], values).edges == (0.0, 110.0)
    assert trained(QUANTITIES[0], values + 100).edges == (92.0, 210.0)
    assert trained(QUANTITIES[3], values).edges == (1.0, 110.0)
    with pytest.raises(ValueError, match="got 0 values"):
        trained(QUANTITIES[0], np.zeros(0))
    quantiles = dict(trained(QUANTITIES[0], values).quantiles)
    assert (quantiles[0.0], quantiles[0.5], quantiles[1.0]) == (1.0, 51.0, 101.0)
