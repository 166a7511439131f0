"""Networks that the engine has never seen: PyTorch Geometric's layers, against textbook formulas in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.explain import Explainer, fidelity
from torch_geometric.nn import (
    EdgeConv,
    GATConv,
    GCNConv,
    GINConv,
    MessagePassing,
    SAGEConv,
    global_add_pool,
    global_mean_pool,
)
from torch_geometric.nn.models import MLP

from fair_hep.bundle.errors import ExplainError
from fair_hep.lrp import explain
from fair_hep.lrp.pyg import LRP
from support import oracle

RULES = {"epsilon": ("epsilon", "epsilon"), "gamma": ("gamma", "gamma"), "epsilon-plus": ("plus", "epsilon")}
NODES = 7
EDGES = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 0, 2, 5], [1, 2, 3, 4, 5, 6, 0, 3, 6, 1]])
START = torch.randn(NODES, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TARGET = [1.0, -1.0, 0.0]


class Graphs(nn.Module):
    """Two layers of message passing, a mean over the graph, and a linear head."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second, self.head = first, second, nn.Linear(5, 3)
        self.act = nn.ReLU()
        self.double().eval()
        generator = torch.Generator().manual_seed(1)
        for parameter in self.parameters():
            # PyG starts biases at zero; a test must see them.
            parameter.data.add_(0.2 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor | None = None) -> Tensor:
        x = self.act(self.first(x, edge_index))
        x = self.act(self.second(x, edge_index))
        result: Tensor = self.head(global_mean_pool(x, batch))
        return result


def dense(edge_index: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the matrix that sums over neighbours: row = where it goes, column = where it comes from."""
    matrix = torch.zeros(NODES, NODES, dtype=torch.float64)
    values = torch.ones(edge_index.shape[1], dtype=torch.float64) if weight is None else weight
    return matrix.index_put((edge_index[1], edge_index[0]), values, accumulate=True)


class Explicit:
    """Relevance of `Graphs` by formula, layer by layer."""

    def __init__(self, network: Graphs, composite: str) -> None:
        self.network, (self.body, self.head) = network, RULES[composite]

    def __call__(self) -> Tensor:
        net = self.network
        one = net.act(net.first(START, EDGES)).detach()
        two = net.act(net.second(one, EDGES)).detach()
        pooled = two.mean(0)[None]
        weight, bias = net.head.weight.detach(), net.head.bias.detach()
        relevance = (pooled @ weight.T + bias) * torch.tensor(TARGET).double()
        relevance = oracle.linear(self.head, pooled, weight, bias, relevance)[0]
        rows = torch.stack(oracle.shared(relevance, [row / NODES for row in two]))
        rows = self.layer(net.second, one, oracle.passed(rows, two))
        return self.layer(net.first, START, oracle.passed(rows, one))

    def weights(self, layer: Any) -> tuple[Tensor, Tensor | None]:
        return layer.weight.detach(), None if layer.bias is None else layer.bias.detach()

    def summed(self, matrix: Tensor, rows: Tensor, relevance: Tensor, *more: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Share relevance of ``matrix @ rows + more``; return the shares of rows and of each of ``more``."""
        result, others = torch.zeros_like(rows), [torch.zeros_like(part) for part in more]
        for i in range(NODES):
            parts = [matrix[i, j] * rows[j] for j in range(NODES)] + [part[i] for part in more]
            shares = oracle.shared(relevance[i], parts)
            result += torch.stack(shares[:NODES])
            for other, share in zip(others, shares[NODES:], strict=True):
                other[i] = share
        return result, others

    def layer(self, layer: Any, x: Tensor, relevance: Tensor) -> Tensor:
        result: Tensor = getattr(self, type(layer).__name__)(layer, x, relevance)
        return result

    def GCNConv(self, layer: Any, x: Tensor, relevance: Tensor) -> Tensor:  # noqa: N802
        loops = torch.cat([EDGES, torch.arange(NODES).expand(2, -1)], 1)
        degree = dense(loops).sum(1)
        matrix = dense(loops) / torch.sqrt(degree[:, None] * degree[None])
        weight, _ = self.weights(layer.lin)
        bias = layer.bias.detach().expand(NODES, -1)
        rows, _ = self.summed(matrix, x @ weight.T, relevance, bias)
        return oracle.linear(self.body, x, weight, None, rows)

    def SAGEConv(self, layer: Any, x: Tensor, relevance: Tensor) -> Tensor:  # noqa: N802
        matrix = dense(EDGES)
        matrix = matrix / matrix.sum(1, keepdim=True).clamp(min=1)
        mean = matrix @ x
        (left, bias), (right, _) = self.weights(layer.lin_l), self.weights(layer.lin_r)
        assert bias is not None
        one, two = mean @ left.T + bias, x @ right.T
        first, second = oracle.shared(relevance, [one, two])
        neighbours, _ = self.summed(matrix, x, oracle.linear(self.body, mean, left, bias, first))
        return neighbours + oracle.linear(self.body, x, right, None, second)

    def GINConv(self, layer: Any, x: Tensor, relevance: Tensor) -> Tensor:  # noqa: N802
        own = (1 + layer.eps) * x
        total = dense(EDGES) @ x + own
        first, last = layer.nn[0], layer.nn[2]
        (one, one_bias), (two, two_bias) = self.weights(first), self.weights(last)
        hidden = (total @ one.T + one_bias).relu()
        relevance = oracle.passed(oracle.linear(self.body, hidden, two, two_bias, relevance), hidden)
        relevance = oracle.linear(self.body, total, one, one_bias, relevance)
        neighbours, (itself,) = self.summed(dense(EDGES), x, relevance, own)
        return neighbours + itself

    def GATConv(self, layer: Any, x: Tensor, relevance: Tensor) -> Tensor:  # noqa: N802
        _, (edges, attention) = layer(x, EDGES, return_attention_weights=True)
        weight, _ = self.weights(layer.lin)
        heads, size = layer.heads, layer.out_channels
        rows, shares = x @ weight.T, []
        bias = layer.bias.detach().expand(NODES, -1)
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            matrix = dense(edges, attention[:, head].detach())
            shares.append(self.summed(matrix, rows[:, part], relevance[:, part], bias[:, part])[0])
        return oracle.linear(self.body, x, weight, None, torch.cat(shares, 1))


def gin() -> Graphs:
    def mlp(inputs: int) -> nn.Module:
        return nn.Sequential(nn.Linear(inputs, 6), nn.ReLU(), nn.Linear(6, 5))

    return Graphs(GINConv(mlp(4), eps=0.3), GINConv(mlp(5)))


NETWORKS: dict[str, Callable[[], Graphs]] = {
    "GCN": lambda: Graphs(GCNConv(4, 5), GCNConv(5, 5)),
    "SAGE": lambda: Graphs(SAGEConv(4, 5), SAGEConv(5, 5)),
    "GIN": gin,
    "GAT": lambda: Graphs(GATConv(4, 3, heads=2), GATConv(6, 5)),
}


@pytest.mark.parametrize("composite", RULES)
@pytest.mark.parametrize("name", NETWORKS)
def test_relevance_follows_the_formulas(name: str, composite: str) -> None:
    torch.manual_seed(0)
    network = NETWORKS[name]()
    found = explain(network, (START, EDGES), TARGET, composite=composite)
    # Adding the functional bias of a convolution is a sum: it takes its share, which the ledger books.
    wanted = Explicit(network, composite)()
    assert float((found.relevance - wanted).abs().max()) < 1e-10 * float(wanted.abs().max())
    assert found.ledger.closes(torch.float64)
    assert torch.allclose(found.outputs, network(START, EDGES), atol=1e-12)


def test_an_mlp_of_pyg_is_explained() -> None:
    torch.manual_seed(0)
    # Its activation is a module only if it is given as one; batch norm and dropout stand between.
    network = MLP([4, 6, 5, 3], act=nn.ReLU(), norm="batch_norm", dropout=0.2).double().eval()
    found = explain(network, START, TARGET)
    leaf = START.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad((network(leaf) @ torch.tensor(TARGET).double()).sum(), leaf)
    exact = explain(network, START, TARGET, epsilon=0.0)
    assert torch.allclose(exact.relevance, gradient * START, atol=1e-13)
    assert found.ledger.closes(torch.float64)


@pytest.mark.parametrize("name", NETWORKS)
def test_graphs_in_a_batch_are_accounted_for_one_by_one(name: str) -> None:
    torch.manual_seed(0)
    network = NETWORKS[name]()
    sizes = [NODES, 3, 5]
    small = [EDGES, torch.tensor([[0, 1, 2], [1, 2, 0]]), torch.tensor([[0, 1, 2, 3], [1, 2, 3, 4]])]
    generator = torch.Generator().manual_seed(5)
    nodes = [torch.randn(size, 4, generator=generator, dtype=torch.float64) for size in sizes]
    batch = torch.repeat_interleave(torch.arange(3), torch.tensor(sizes))
    starts = [0, NODES, NODES + 3]
    edges = torch.cat([part + start for part, start in zip(small, starts, strict=True)], 1)
    owners = [batch, batch[edges[1]]]
    together = explain(network, (torch.cat(nodes), edges, batch), TARGET, groups=owners)
    assert together.ledger.closes(torch.float64)
    for number, (x, edge_index) in enumerate(zip(nodes, small, strict=True)):
        alone = explain(network, (x, edge_index), TARGET)
        assert torch.allclose(together.relevance[batch == number], alone.relevance, atol=1e-12)
        assert torch.allclose(together.ledger.bias[number], alone.ledger.bias[0], atol=1e-12)


def test_rows_that_belong_to_nobody_are_refused() -> None:
    torch.manual_seed(0)
    network = NETWORKS["GCN"]()
    batch = torch.tensor([0, 0, 0, 1, 1, 1, 1])
    with pytest.raises(ExplainError, match="pass groups="):
        explain(network, (START, EDGES, batch), TARGET)


def test_rows_of_a_third_kind_are_refused() -> None:
    torch.manual_seed(0)
    first, second = (nn.Sequential(nn.Linear(2 * width, 5), nn.ReLU()) for width in (4, 5))
    network = Graphs(EdgeConv(first, aggr="mean"), EdgeConv(second, aggr="mean"))
    batch = torch.tensor([0, 0, 0, 1, 1, 1, 1])
    edges = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 3, 4, 5], [1, 2, 0, 4, 5, 6, 3, 5, 6, 3]])
    owners = [batch, batch[edges[1]]]
    assert explain(network, (START, edges, batch), TARGET, groups=owners).ledger.closes(torch.float64)
    # Without owners of their own, ten edges would be shared in halves.
    with pytest.raises(ExplainError, match="a tensor with 10 rows can't be shared among 2 samples: pass groups="):
        explain(network, (START, edges, batch), TARGET, groups=[batch])


def test_two_kinds_of_rows_that_only_differ_by_their_owners_are_refused() -> None:
    torch.manual_seed(0)
    network = NETWORKS["GCN"]()
    batch = torch.tensor([0, 0, 0, 1, 1, 1, 1])
    cycle = torch.stack([torch.arange(NODES), (torch.arange(NODES) + 1) % NODES])
    with pytest.raises(ExplainError, match="7 rows belong to samples in two ways"):
        explain(network, (START, cycle, batch), TARGET, groups=[batch, batch[cycle[1]]])
    # A pooled tensor has two rows as well.
    two = torch.tensor([[0, 1], [1, 2]])
    with pytest.raises(ExplainError, match="2 rows belong to samples in two ways"):
        explain(network, (START, two, batch), TARGET, groups=[batch, batch[two[1]]])


class GravNet(MessagePassing):
    """A layer of distance-weighted messages on neighbours in a learned space (arXiv:1902.07987), in plain torch."""

    held = ("weigh",)

    def __init__(self, inputs: int, space: int, outputs: int, k: int) -> None:
        super().__init__(aggr="mean")
        self.space, self.pass_on = nn.Linear(inputs, space), nn.Linear(inputs, outputs)
        self.own, self.k = nn.Linear(inputs, outputs), k

    def weigh(self, x: Tensor) -> tuple[Tensor, Tensor]:
        space = self.space(x)
        squared = (space[:, None] - space[None]).square().sum(2)
        near = squared.detach().topk(self.k + 1, largest=False).indices[:, 1:]
        edges = torch.stack([near.flatten(), torch.arange(len(x)).repeat_interleave(self.k)])
        return edges, torch.exp(-10 * squared[edges[1], edges[0]])

    def forward(self, x: Tensor) -> Tensor:
        edges, weight = self.weigh(x)
        total: Tensor = self.propagate(edges, x=self.pass_on(x), weight=weight) + self.own(x)
        return total

    def message(self, x_j: Tensor, weight: Tensor) -> Tensor:
        return weight[:, None] * x_j


class Particles(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.act, self.second = GravNet(4, 2, 5, 3), nn.ELU(), GravNet(5, 2, 5, 3)
        self.last = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.last(self.act(self.second(self.act(self.first(x)))))
        return result


def test_gravnet_holds_its_weights_constant() -> None:
    torch.manual_seed(0)
    network = Particles().double().eval()
    weights = torch.zeros(NODES, 2, dtype=torch.float64)
    weights[2, 1] = 1.0
    found = explain(network, START, weights.flatten(), composite="epsilon", groups=1, places=["first.pass_on"])
    assert found.ledger.closes(torch.float64)
    assert torch.allclose(found.outputs, network(START), atol=1e-12)
    # By formula, with dense matrices of the held weights.
    rows, layers = START, []
    for layer in (network.first, network.second):
        edges, weight = layer.weigh(rows)
        matrix = dense(edges, weight.detach()) / layer.k
        parts = [(part.weight.detach(), part.bias.detach()) for part in (layer.pass_on, layer.own)]
        sent, own = (rows @ w.T + b for w, b in parts)
        layers.append((rows, matrix, parts, sent, own))
        before = (matrix @ sent + own).detach()
        rows = nn.functional.elu(before)
    last, bias = network.last.weight.detach(), network.last.bias.detach()
    relevance = oracle.linear("epsilon", rows, last, bias, (rows @ last.T + bias) * weights)
    for start, matrix, parts, sent, own in reversed(layers):
        explicit = Explicit.summed(None, matrix, sent, relevance, own)  # type: ignore[arg-type]
        relevance = oracle.linear("epsilon", start, *parts[0], explicit[0])
        relevance = relevance + oracle.linear("epsilon", start, *parts[1], explicit[1][0])
    scale = float(relevance.abs().max())
    assert float((found.relevance - relevance).abs().max()) < 1e-10 * scale


CONFIGURATION = {"mode": "multiclass_classification", "task_level": "graph", "return_type": "raw"}


@pytest.mark.parametrize("name", NETWORKS)
def test_lrp_is_an_explainer_algorithm_of_pyg(name: str) -> None:
    torch.manual_seed(0)
    network = NETWORKS[name]()
    explainer = Explainer(
        network,
        LRP("epsilon"),
        explanation_type="model",
        node_mask_type="attributes",
        edge_mask_type="object",
        model_config=CONFIGURATION,
    )
    explanation = explainer(START, EDGES)
    assert explanation.validate()
    assert explanation.node_mask.shape == START.shape
    assert explanation.edge_mask.shape == (EDGES.shape[1],)
    target = int(network(START, EDGES).argmax())
    assert torch.allclose(explanation.node_mask, explain(network, (START, EDGES), target).relevance)
    assert float(explanation.ledger_error.max()) < 1e-10
    plus, minus = fidelity(explainer, explanation)
    assert 0 <= plus <= 1 and 0 <= minus <= 1


def test_lrp_explains_single_nodes() -> None:
    torch.manual_seed(0)

    class Nodes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.act, self.second = GCNConv(4, 5), nn.ReLU(), GCNConv(5, 3)

        def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
            result: Tensor = self.second(self.act(self.first(x, edge_index)), edge_index)
            return result

    network = Nodes().double().eval()
    explainer = Explainer(
        network,
        LRP(),
        explanation_type="model",
        node_mask_type="object",
        model_config={**CONFIGURATION, "task_level": "node"},
    )
    explanation = explainer(START, EDGES, index=2)
    assert explanation.node_mask.shape == (NODES, 1)
    # Two layers see two hops and no further.
    reached = {2, 1, 0, 5}
    assert set(explanation.node_mask.flatten().nonzero().flatten().tolist()) <= reached
    assert float(explanation.ledger_error.max()) < 1e-10


def test_lrp_wants_raw_outputs() -> None:
    with pytest.raises(ValueError, match="does not support"):
        Explainer(
            NETWORKS["GCN"](),
            LRP(),
            explanation_type="model",
            node_mask_type="attributes",
            model_config={**CONFIGURATION, "return_type": "probs"},
        )


def test_functional_calls_in_pyg_networks_are_refused() -> None:
    class Functional(Graphs):
        def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor | None = None) -> Tensor:
            result: Tensor = self.head(global_add_pool(nn.functional.relu(self.first(x, edge_index)), batch))
            return result

    network = Functional(GCNConv(4, 5), GCNConv(5, 5))
    with pytest.raises(ExplainError, match="the call relu escapes the rules"):
        explain(network, (START, EDGES), TARGET)
