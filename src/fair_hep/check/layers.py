"""Layers that can be explained as they are, found by trying each that there is (a test tries them again).

Each was tried alone, by the rules ``epsilon``: nothing is refused, and the account closes.
``docs/reference/layers.md`` says the same.
"""

from __future__ import annotations

__all__ = ["PYG", "TORCH"]

#: Of ``torch.nn``.
TORCH = (
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AvgPool1d", "AvgPool2d", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d",
    "CELU", "Conv1d", "Conv2d", "Conv3d", "Dropout", "Dropout1d", "Dropout2d", "ELU", "Flatten", "GELU", "Hardshrink",
    "Hardsigmoid", "Hardswish", "Hardtanh", "Identity", "LayerNorm", "LeakyReLU", "Linear", "LogSigmoid", "MaxPool1d",
    "MaxPool2d", "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softplus", "Softshrink",
    "Softsign", "Tanh", "Tanhshrink", "Unflatten",
)  # fmt: skip
#: Of ``torch_geometric.nn.conv``, on graphs without edge features.
PYG = (
    "APPNP", "ChebConv", "ClusterGCNConv", "EdgeConv", "GATConv", "GATv2Conv", "GCNConv", "GINConv", "GeneralConv",
    "GraphConv", "HypergraphConv", "LEConv", "LGConv", "MixHopConv", "PDNConv", "SAGEConv", "SGConv", "SSGConv",
    "SimpleConv", "TAGConv", "WLConvContinuous",
)  # fmt: skip
