"""Layer-wise relevance propagation as one modified backward pass over the real network.

Let ``c`` be the gradient that flows backward and ``a`` an activation: relevance is ``a * c`` at any place. Linear maps
without weights (gathers, sums, means, concatenations) carry it as autograd does; layers with weights follow a rule;
element-wise functions hand relevance on. Everything attached to the network is taken off again.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

import torch
from torch import Tensor, nn

from ..bundle.errors import ExplainError
from .attach import hold, replace, trusting, unwatched_if_constant
from .canonize import Plan, make_plan, same_output
from .checks import Target, check_module, check_output, check_values, is_plain_leaf, joined, target_weights
from .composites import Bounds, Composite, find_composite
from .escape import Record, Watch, refuse_functions_without_rules
from .ledger import Book, Groups, on_gradient
from .maps import find_affine
from .result import Explanation
from .rules import InputRule, Term, divide
from .treatments import as_it_is, find_held, find_maximum, find_treatment

__all__ = ["Explainer", "Places", "Target", "explain"]

#: Names of modules whose output's relevance is wanted; a mapping gives for each name a function of activations and
#: gradients (relevance is their product) that reduces them.
Places: TypeAlias = Sequence[str] | Mapping[str, Callable[[Tensor, Tensor], Any]]


def explain(
    module: nn.Module,
    inputs: Tensor | Sequence[Any],
    target: Target,
    *,
    composite: str | Composite = "epsilon",
    bias: Literal["absorb", "exclude"] = "absorb",
    epsilon: float = 1e-6,
    places: Places = (),
    bounds: Bounds | None = None,
    groups: int | Sequence[Tensor] | None = None,
) -> Explanation:
    """Explain one batch.

    Layer-wise relevance propagation (Bach et al., PLoS ONE 10 (2015) e0130140, doi:10.1371/journal.pone.0130140); the
    rules have their sources in `fair_hep.lrp.rules`.

    Parameters
    ----------
    module
        Network in evaluation mode, float32 or float64.
    inputs
        Arguments of ``module``; relevance lives at the first, a tensor ``[samples, ...]``.
    target
        What is explained: the number of one output, or weights of a combination: ``[outputs]`` or ``[samples,
        outputs]`` of the flattened outputs, or in the outputs' own shape. Weights ``[columns]`` of the outputs
        ``[samples, elements, columns]`` of sets are those of every element. Several outputs count as one, joined along
        the last axis.
    composite
        Which rule where: a name in `COMPOSITES`, or a composite of your own.
    bias
        ``absorb``: biases take their share of relevance, booked in the ledger; ``exclude``: they take none, for
        comparison with older codes and in float64 only (its denominators cross zero).
    epsilon
        Stabiliser of every denominator.
    places
        Names of modules whose output's relevance is wanted as well.
    bounds
        Lowest and highest value of the inputs, for composites with a z-box rule.
    groups
        Number of samples, or the sample of every node (and of every edge, …) for graphs of different sizes; by default
        the first axis of the output counts samples.

    Raises
    ------
    ExplainError
        If something can't be explained: a module without a rule, a call that escapes the rules, an output that doesn't
        exist, values that aren't finite, a network in training mode or in half precision.

    Examples
    --------
    >>> import torch
    >>> from fair_hep import explain
    >>> network = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)).eval().double()
    >>> jets = torch.rand(5, 3, dtype=torch.float64)
    >>> found = explain(network, jets, target=torch.tensor([-1.0, 1.0]), composite="epsilon-gamma")
    >>> found.relevance.shape, bool((found.error < 1e-10).all())
    (torch.Size([5, 3]), True)
    """
    arguments = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    with Explainer(
        module, composite, bias=bias, epsilon=epsilon, places=places, bounds=bounds, groups=groups
    ) as explainer:
        return explainer(*arguments, target=target)


class Explainer:
    """Explains batch after batch of one network; a context manager, see `explain` for the parameters.

    The first batch is run once more than the others: that pass is recorded, to fold batch norms, to find where each
    layer stands, and to refuse what escapes the rules.

    Examples
    --------
    >>> import torch
    >>> from fair_hep import Explainer
    >>> network = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1)).eval()
    >>> with Explainer(network, "epsilon", places=["0"]) as explainer:
    ...     found = [explainer(jets, target=0) for jets in torch.rand(10, 4, 3)]
    >>> len(found), found[0].places["0"].shape
    (10, torch.Size([4, 8]))
    """

    def __init__(
        self,
        module: nn.Module,
        composite: str | Composite = "epsilon",
        *,
        bias: Literal["absorb", "exclude"] = "absorb",
        epsilon: float = 1e-6,
        places: Places = (),
        bounds: Bounds | None = None,
        groups: int | Sequence[Tensor] | None = None,
    ) -> None:
        if bias not in ("absorb", "exclude"):
            raise ExplainError(f"bias {bias!r} is unknown; expected absorb or exclude")
        if not (epsilon == 0 or 1e-12 <= epsilon < float("inf")):
            raise ExplainError(f"epsilon {epsilon!r}: expected 0, or a number of at least 1e-12")
        if "torch_geometric" in sys.modules:
            # Its layers get their rules when somebody uses it, and only then.
            from . import pyg_rules  # noqa: F401
        self.module = module
        self.absorb = bias == "absorb"
        self.epsilon = epsilon
        self.composite = find_composite(composite).stabilised(epsilon, bounds)
        self.reductions = dict(places) if isinstance(places, Mapping) else dict.fromkeys(places, torch.mul)
        self.groups = groups
        self.names = {part: name for name, part in module.named_modules()}
        self.plan: Plan | None = None

    def __enter__(self) -> Self:
        """Check the network and take gradients off its weights."""
        # Looked up once, not in every pass: a pass over few samples takes milliseconds.
        self.treatments = {module: find_treatment(module) for module in self.names}
        self.maxima = {module: total for module in self.names if (total := find_maximum(module)) is not None}
        self.held = [(module, name) for module in self.names for name in find_held(module)]
        self.ruled = {m for m in self.names if self.treatments[m] is not None or find_affine(m, "") is not None}
        self.weights = list(self.module.named_parameters())
        check_module(self.names, self.ruled, self.reductions)
        #: Modules that own nothing and have no rule: only activations that they are given could escape in them.
        self.plain = {module for module in self.names if module not in self.ruled and is_plain_leaf(module)}
        self._stack = contextlib.ExitStack()
        for _, parameter in self.weights:
            if parameter.requires_grad:
                self._stack.callback(parameter.requires_grad_, True)
                parameter.requires_grad_(False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Put the network back as it was."""
        self._stack.close()

    def __call__(self, values: Tensor, *context: Any, target: Target, **options: Any) -> Explanation:
        """Explain one batch: relevance at ``values``, with ``context`` and ``options`` held constant."""
        check_values(values, self.weights)
        if not self.absorb and values.dtype != torch.float64:
            raise ExplainError(
                "bias 'exclude' needs float64: without biases its denominators cross zero, and single precision "
                "determines no sum; explain in float64, or let biases absorb"
            )
        with torch.inference_mode(False), torch.enable_grad():
            leaf = values.detach().clone().requires_grad_(True)
            plain = self._record(leaf, context, options) if self.plan is None else None

            def weigh(output: Tensor, samples: int) -> Tensor:
                check_output(output)
                if plain is not None:
                    same_output(plain, output.detach())
                    refuse_functions_without_rules(output)
                return target_weights(target, output, samples)

            found = self._explain(leaf, context, options, weigh)
        if not bool(torch.isfinite(found.relevance).all()):
            raise ExplainError("relevance isn't finite: raise epsilon, or explain in float64")
        return found

    def study(self, values: Tensor, *context: Any) -> Plan:
        """Find out what stands where, with one plain pass, and explain nothing."""
        check_values(values, self.weights)
        with torch.inference_mode(False), torch.enable_grad():
            self._record(values.detach().clone().requires_grad_(True), context, {})
        assert self.plan is not None
        return self.plan

    def trace(self, values: Tensor, *context: Any, weights: Tensor) -> Explanation:
        """Explain without looking at any value, for a tracer that records tensor operations (such as an export).

        Parameters
        ----------
        values, context
            As for a call. What the tracer records holds for batches of any size, but not for another network.
        weights
            Weights of what is explained, in the shape of the outputs (joined along the last axis if there are several).

        Raises
        ------
        ExplainError
            If no real batch was explained before: what stands where is read off one.
        """
        if self.plan is None:
            raise ExplainError("trace: nothing is known of the network yet: explain a real batch first")
        with torch.enable_grad():
            leaf = values.detach().clone().requires_grad_(True)
            return self._explain(leaf, context, {}, lambda output, samples: weights.reshape(samples, -1), real=False)

    # -- one pass ------------------------------------------------------------------------------------------------------
    def _record(self, leaf: Tensor, context: Sequence[Any], options: Mapping[str, Any]) -> Tensor:
        """Run the plain network once, watched; make the plan; return the plain output."""
        record = Record()
        watch = Watch(None, record)
        infinite: list[str] = []
        forwards = {module: self._recorded(module, watch, infinite) for module in self.ruled}
        with self._attached(forwards, watch):
            # A copy, so that the leaf itself is no activation that a module could change in place.
            start = leaf.clone()
            with watch:
                output = joined(self.module(start, *context, **options))
        check_output(output, infinite)
        plan = make_plan(record, self.names, id(start), absorb=self.absorb)
        if isinstance(self.composite.first, InputRule) and not plan.direct:
            raise ExplainError(
                f"composite {self.composite.name!r}: its rule for the first layer needs inputs that only linear layers "
                "read; choose a composite without one"
            )
        self.plan = plan
        plain: Tensor = output.detach()
        return plain

    def _explain(
        self,
        leaf: Tensor,
        context: Sequence[Any],
        options: Mapping[str, Any],
        weigh: Callable[[Tensor, int], Tensor],
        *,
        real: bool = True,
    ) -> Explanation:
        """Run the network with its rules attached, and one backward pass from what ``weigh`` makes of the output.

        Where values aren't ``real`` (a tracer's), nothing may depend on them.
        """
        assert self.plan is not None
        book = Book(Groups(1))
        watch = Watch(book, None, absorb=self.absorb, epsilon=self.epsilon, judges=real)
        forwards = {module: trusting(self._ruled(module, book)) for module in self.ruled}
        places: dict[str, Any] = {}
        with self._attached(forwards, watch), self._observed(places):
            start = leaf.clone()
            with watch:
                output = joined(self.module(start, *context, **options))
            samples = self._group(book, output)
            weights = weigh(output, samples)
            products = output.reshape(samples, -1) * weights
            (gradient,) = torch.autograd.grad(products.sum(), start)
        direct = isinstance(self.composite.first, InputRule)
        relevance = gradient if direct else gradient * leaf.detach()
        explained = products.detach().double().sum(1)
        missing = [name for name in self.reductions if name not in places]
        if missing:
            raise ExplainError(f"place {missing[0]!r} has no influence on what is explained")
        reduced = {name: places[name]() for name in self.reductions}
        return Explanation(relevance, output.detach(), explained, reduced, book.close(explained, relevance))

    # -- what is attached to modules -----------------------------------------------------------------------------------
    def _recorded(self, module: nn.Module, watch: Watch, infinite: list[str]) -> Callable[..., Any]:
        forward, name = as_it_is(module, Book(Groups(1))), self.names[module]

        def recorded(*inputs: Any, **options: Any) -> Any:
            assert watch.record is not None
            with torch._C.DisableTorchFunction():
                result = forward(*inputs, **options)
                if isinstance(result, Tensor) and not bool(torch.isfinite(result).all()):
                    infinite.append(name)
            watch.record.add(name, module, (inputs, options), result, True)
            return result

        return recorded

    def _ruled(self, module: nn.Module, book: Book) -> Callable[..., Any]:
        """Return the forward pass that follows the module's rule."""
        assert self.plan is not None
        if module in self.plan.folded:
            return _first_input
        layer = self.plan.layers.get(module)
        if module in self.maxima and self.composite.maximum == "proportional":
            return self._proportional(module, self.maxima[module], book)
        if layer is None:
            treatment = self.treatments[module]
            assert treatment is not None
            return treatment(module, book)
        rule = self.composite.rule(self.plan.positions.get(module, "body"))

        def ruled(values: Tensor, *context: Any) -> Tensor:
            output = rule(book, layer, values, *context)
            if layer.rectified:
                output._fair_hep_rectified = True  # type: ignore[attr-defined]
            return output

        return ruled

    def _proportional(self, module: nn.Module, total: Callable[..., Tensor], book: Book) -> Callable[..., Tensor]:
        """Return a forward pass that takes maxima, and shares relevance in proportion to the values."""
        forward = as_it_is(module, book)

        def proportional(values: Tensor, *context: Any, **options: Any) -> Tensor:
            with torch.no_grad():
                output = forward(values, *context, **options)
            path = total(module, values, *context, **options)
            return divide(book, self.names[module], output, [Term(path)], self.epsilon)

        return proportional

    @contextlib.contextmanager
    def _attached(self, forwards: Mapping[nn.Module, Callable[..., Any]], watch: Watch) -> Iterator[None]:
        """Replace forward passes for a while, and tell the watch which module is running."""
        with contextlib.ExitStack() as stack:
            for module, forward in forwards.items():
                replace(stack, module, "forward", forward)
            for module, held in self.held:
                hold(stack, module, held)
            for module in self.plain:
                replace(stack, module, "forward", unwatched_if_constant(module.forward))
            for module, name in self.names.items():
                if module not in forwards:
                    entry = (name, module)
                    enter = module.register_forward_pre_hook(lambda *_, entry=entry: watch.stack.append(entry))
                    leave = module.register_forward_hook(lambda *_: watch.stack.pop() and None)
                    stack.callback(enter.remove)
                    stack.callback(leave.remove)
            yield

    @contextlib.contextmanager
    def _observed(self, places: dict[str, Callable[[], Any]]) -> Iterator[None]:
        """Note at every place how its relevance is worked out: from activation and gradient."""
        with contextlib.ExitStack() as stack:
            for name, reduction in self.reductions.items():

                def observe(
                    module: nn.Module, inputs: Any, output: Tensor, name: str = name, reduction: Any = reduction
                ) -> None:
                    # Detached: a hook that kept its own graph would never be freed, nor would the graph.
                    if getattr(module, "weighs", False):
                        positive = getattr(inputs[0], "_fair_hep_rectified", False)
                        act = functools.partial(_reduced_sum, reduction, positive, *(part.detach() for part in inputs))
                    else:
                        act = functools.partial(reduction, output.detach())

                    def note(gradient: Tensor) -> None:
                        places[name] = functools.partial(act, gradient)

                    on_gradient(output, note)

                stack.callback(self.module.get_submodule(name).register_forward_hook(observe).remove)
            yield

    def _group(self, book: Book, output: Any) -> int:
        """Tell the book which sample each row belongs to; return the number of samples."""
        if isinstance(output, Tensor) and self.groups is None:
            book.groups = Groups(output.shape[0] if output.ndim > 1 else 1)
        elif isinstance(self.groups, int):
            book.groups = Groups(self.groups)
        elif self.groups is not None:
            book.groups = Groups(int(self.groups[0].max()) + 1, self.groups)
        return book.groups.samples


def _reduced_sum(reduction: Any, positive: bool, values: Tensor, weights: Tensor, gradient: Tensor) -> Any:
    """Reduce activations and gradients of what a sum with weights sums, given the gradient of the sum."""
    activation = values.unflatten(0, weights.shape)
    if hasattr(reduction, "weighted"):
        return reduction.weighted(activation, gradient, weights, positive=positive)
    return reduction(activation, weights[..., None] * gradient[:, None, :])


def _first_input(values: Tensor, *_: Any) -> Tensor:
    return values
