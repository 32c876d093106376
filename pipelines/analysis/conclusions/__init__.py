"""What each section of a notebook comes to: a sentence computed from the section's own table.

Each is true of whatever home it is computed on: it says so where a figure is of too few cases,
and where what one would expect does not hold.
"""

from pipelines.analysis.conclusions.conclusion import Conclusion

__all__ = ["Conclusion"]
