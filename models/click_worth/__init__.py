"""What a click is worth: the judge that models are compared by, which no model is made of.

``click_worth`` is the door; ``click_value`` says how likely a booking follows a click,
``examination`` how likely a result was looked at in the first place.
"""

from models.click_worth.click_worth import ClickWorth, click_worth
from models.click_worth.config import ClickWorthConfig

__all__ = ["ClickWorth", "ClickWorthConfig", "click_worth"]
