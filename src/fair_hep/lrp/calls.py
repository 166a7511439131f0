"""Names of torch calls by what they do with relevance; a call that stands in none of these sets is refused.

Names are written without underscores: ``__getitem__`` is getitem, ``scatter_add_`` is scatter_add.
"""

from __future__ import annotations

__all__ = ["AGGREGATIONS", "CONTRACTIONS", "JOINS", "LINEAR", "MOVES", "NOTES", "SCALINGS", "WEIGHTED"]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Calls that only move or copy entries.
MOVES = _names("""
    view view_as reshape reshape_as flatten unflatten ravel transpose permute movedim moveaxis swapaxes swapdims t T mT
    squeeze unsqueeze expand expand_as broadcast_to contiguous clone getitem index_select gather take_along_dim narrow
    select split chunk tensor_split unbind repeat tile repeat_interleave roll flip masked_select diagonal requires_grad_
""")

#: Calls that put several tensors together, activations or constants.
JOINS = _names("""
    cat concat concatenate stack hstack vstack add sub subtract rsub radd where index_copy scatter masked_scatter
""")

#: Other calls that are linear in one activation.
LINEAR = _names("""
    neg positive sum mean cumsum scatter_add index_add diff to type type_as float double masked_fill setitem pad
""")

#: Products and quotients, linear if only one operand is an activation (the dividend).
SCALINGS = _names("mul multiply div divide true_divide rmul")

#: Sums of products, linear if only one operand is an activation and none a weight.
CONTRACTIONS = _names("matmul mm bmm mv einsum tensordot dot inner addmm baddbmm rmatmul sparse_mm spmm")

#: Calls that multiply activations by weights: only modules with a rule may do that.
WEIGHTED = _names("""
    linear bilinear conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d embedding
""")

#: Calls that sum over rows: what comes after the last of them is the head of the network.
AGGREGATIONS = _names("""
    sum mean scatter_add index_add scatter_reduce index_reduce segment_reduce matmul mm bmm einsum tensordot sparse_mm
    spmm
""")

#: Calls that ask something about a tensor, take it as constant, or make a constant like it.
NOTES = _names("""
    detach size dim numel nelement shape ndim dtype device layout stride storage_offset names len repr format
    requires_grad is_leaf grad_fn grad is_floating_point is_complex is_contiguous is_cuda is_cpu is_meta is_sparse
    is_sparse_csr is_nested is_quantized is_same_size get_device element_size itemsize nbytes data_ptr new_zeros
    new_ones new_empty new_full new_tensor zeros_like ones_like empty_like full_like register_hook
""")
