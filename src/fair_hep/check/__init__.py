"""Every promise of the model contract as a named check, to run while writing a model (``check``) and in the tests.

In the spirit of scikit-learn's ``check_estimator``: a check takes a model and what a configuration says of it, and
raises `Broken` with what was seen and what to do.
"""

from __future__ import annotations

from .checks import CHECKS, check_model
from .trial import Broken, Check, NotPossible, Outcome

__all__ = ["CHECKS", "Broken", "Check", "NotPossible", "Outcome", "check_model"]
