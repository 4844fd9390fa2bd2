"""Scoring picks: matching, curves, named protocols, intervals, tables."""

from jaxpick.evaluate.curves import Curve as Curve
from jaxpick.evaluate.curves import average_precision as average_precision
from jaxpick.evaluate.curves import score_curve as score_curve
from jaxpick.evaluate.evaluation import EvaluateSpec as EvaluateSpec
from jaxpick.evaluate.evaluation import Evaluation as Evaluation
from jaxpick.evaluate.evaluation import evaluate as evaluate
from jaxpick.evaluate.matching import Matching as Matching
from jaxpick.evaluate.matching import match_by_score as match_by_score
from jaxpick.evaluate.matching import match_hungarian as match_hungarian
from jaxpick.evaluate.matching import match_topaz as match_topaz
from jaxpick.evaluate.protocols import PROTOCOLS as PROTOCOLS
