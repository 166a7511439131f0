"""The sum over rows within sets, written in ONNX.

The function is read, not run: torch's exporter puts its operators where it finds the operator that `sums` records. The
names of its variables stand in the graph beside those of a model's inputs and outputs, hence ``sum_``.
"""

from __future__ import annotations

from onnxscript import FLOAT, INT64, script
from onnxscript import opset18 as op

__all__ = ["sum_rows"]


@script(default_opset=op)  # type: ignore[untyped-decorator]
def sum_rows(values: FLOAT[...], index: INT64[...], source: FLOAT[...], sets: INT64) -> FLOAT[...]:
    """Add rows ``source [edges, columns]`` to ``values [rows, columns]`` at ``index [edges]``.

    Rows and edges belong to ``sets`` sets of equal size, one after the other.

    As a product with zeros and ones, which takes ``elements`` times as many operations, but at the speed of a product
    of matrices; the zeros and ones take up to four times the memory of ``source``. Where sets have more elements, or an
    edge leaves its set: one element after the other.
    """
    sum_zero, sum_one = op.Constant(value_int=0), op.Constant(value_int=1)
    sum_axis, sum_rest = op.Constant(value_ints=[1]), op.Constant(value_ints=[-1])
    sum_number = op.Reshape(sets, sum_axis)
    sum_elements = op.Div(op.Shape(values, start=0, end=1), sum_number)
    sum_starts = op.Mul(op.Range(sum_zero, op.Squeeze(sum_number), sum_one), sum_elements)
    sum_within = op.Sub(op.Reshape(index, op.Concat(sum_number, sum_rest, axis=0)), op.Unsqueeze(sum_starts, sum_axis))
    sum_outside = op.Or(op.Less(sum_within, sum_zero), op.GreaterOrEqual(sum_within, sum_elements))
    sum_strangers = op.ReduceMax(op.Cast(sum_outside, to=7), keepdims=0)
    sum_most = op.Mul(op.Shape(values, start=1, end=2), op.Constant(value_ints=[4]))
    sum_few = op.Squeeze(op.LessOrEqual(sum_elements, sum_most))
    if op.And(sum_few, op.Equal(sum_strangers, sum_zero)):
        sum_places = op.Unsqueeze(op.Range(sum_zero, op.Squeeze(sum_elements), sum_one), sum_axis)
        sum_ones = op.CastLike(op.Equal(sum_places, op.Unsqueeze(sum_within, sum_axis)), source)
        sum_parts = op.Reshape(source, op.Concat(sum_number, sum_rest, op.Shape(source, start=1), axis=0))
        sum_result = op.Add(values, op.Reshape(op.MatMul(sum_ones, sum_parts), op.Shape(values)))
    else:
        sum_slots = op.Expand(op.Unsqueeze(index, sum_axis), op.Shape(source))
        sum_result = op.ScatterElements(values, sum_slots, source, axis=0, reduction="add")
    return sum_result
