"""A published model: plain files that outlive every framework, and all that it takes to use them.

NumPy, ONNX Runtime, pydantic, PyYAML and click are enough here. This folder imports nothing of the other rooms: the
registered model carries it whole, and the image installs it without them.
"""

from .folder import (
    EXPLAINED,
    MODEL,
    REQUEST,
    SUMS,
    WEIGHTS,
    check_files,
    read_arrays,
    schema,
    write_arrays,
    write_sums,
)
from .signature import (
    EXAMPLES,
    FORMAT,
    SIGNATURE,
    UNEXPLAINED,
    UNKNOWN,
    Examples,
    Explained,
    Relevance,
    Signature,
    TensorSpec,
    read_examples,
    read_signature,
)

__all__ = [
    "EXAMPLES",
    "EXPLAINED",
    "FORMAT",
    "MODEL",
    "REQUEST",
    "SIGNATURE",
    "SUMS",
    "UNEXPLAINED",
    "UNKNOWN",
    "WEIGHTS",
    "Examples",
    "Explained",
    "Relevance",
    "Signature",
    "TensorSpec",
    "check_files",
    "read_arrays",
    "read_examples",
    "read_signature",
    "schema",
    "write_arrays",
    "write_sums",
]
