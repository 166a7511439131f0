"""A recorded graph made simpler: constants computed once, shapes merged, and what nothing needs dropped.

Torch's exporter would do it by itself with forty rules, each tried at every node, most of them for convolutions, clips
and scatters, which ONNX Runtime fuses itself when it opens a file. That takes a quarter of the export of a graph that
explains, thousands of nodes long. The rules here are those that change how fast such graphs are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["simplify"]

#: Each pass may make room for another; the second finds little.
ROUNDS = 2


def simplify(graph: ir.Model) -> None:
    """Make a graph simpler in place; what it computes stays the same.

    Parameters
    ----------
    graph
        A graph as the exporter recorded it.
    """
    from onnx_ir.passes import common
    from onnxscript.optimizer import fold_constants_ir
    from onnxscript.rewriter import RewritePass

    # Once, since it sorts the rules.
    rewrite = RewritePass(_rules())
    common.InlinePass()(graph)
    for _ in range(ROUNDS):
        folded = fold_constants_ir(graph, onnx_shape_inference=True)
        rewritten = rewrite(graph)
        dropped = common.RemoveUnusedNodesPass()(graph)
        if not (folded.modified or rewritten.modified or dropped.modified):
            break
    for last in (
        common.RemoveUnusedFunctionsPass(),
        common.RemoveUnusedOpsetsPass(),
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.LiftSubgraphInitializersToMainGraphPass(),
        common.DeduplicateInitializersPass(),
        common.CommonSubexpressionEliminationPass(),
        common.OutputFixPass(),
        common.NameFixPass(),
    ):
        last(graph)


def _rules() -> list[object]:
    from onnxscript.rewriter.rules import common

    return [
        *common.add_0_rule.commute(), *common.mul_by_1_rule.commute(), common.sub_0_rule, common.div_by_1_rule,
        common.cast_cast_rule, common.no_op_cast_rule, common.no_op_expand_rule, common.no_op_transpose_rule,
        common.transpose_transpose_rule, common.reshape_reshape_rule, common.squeeze_reshape_1d_rule,
        common.unsqueeze_unsqueeze_rule, common.materialize_reshape_shape_rule, common.cast_constant_of_shape_rule,
        common.collapse_slice_rule, common.collapse_slice2_rule,
    ]  # fmt: skip
