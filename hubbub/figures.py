"""For plugins that tell figures: how they are written and read, and which days a period has."""

from runtime.insights.figures import Number, numbers_in, shown
from runtime.insights.periods import Period, period_of

__all__ = ["Number", "Period", "numbers_in", "period_of", "shown"]
