"""Why a row is quarantined or a value nulled: every code with its meaning.

The documentation's table is generated from here. A row may carry several codes.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["MEANINGS", "NULL_MEANINGS", "Nulled", "Reason"]


class Reason(StrEnum):
    """A row with one of these is quarantined, whole."""

    WRONG_FIELD_COUNT = "wrong_field_count"
    NOT_TEXT = "not_text"
    NOT_JSON = "not_json"
    LINE_TOO_LONG = "line_too_long"
    LIST_UNREADABLE = "list_unreadable"
    LISTS_UNEQUAL = "lists_of_unequal_length"
    LIST_EMPTY = "list_empty"
    ACTION_NOT_IN_LIST = "action_not_in_list"
    IDENTITY_MISSING = "identity_missing"
    IDENTITY_UNREADABLE = "identity_unreadable"
    IDENTITY_INEXACT = "identity_inexact"
    MARKET_MISSING = "market_missing"
    MARKET_UNKNOWN = "market_unknown"
    LABEL_MISSING = "label_missing"
    LABEL_UNKNOWN = "label_unknown"
    TIME_MISSING = "time_missing"
    TIME_UNREADABLE = "time_unreadable"
    TIME_WITHOUT_OFFSET = "time_without_offset"
    TIME_DISAGREES = "time_disagrees_with_date"
    TIME_AHEAD = "time_ahead"
    STAY_BACKWARDS = "checkout_not_after_checkin"
    PARTY_BELOW_ONE = "party_below_one"
    PRICE_NOT_POSITIVE = "price_not_positive"
    PRICE_NOT_FINITE = "price_not_finite"
    COORDINATES = "coordinates_out_of_range"
    BOOKED_BEFORE_SEARCH = "booked_before_search"
    CONTACTED_BEFORE_SEARCH = "contacted_before_search"
    BOOKED_WITHOUT_DATE = "booked_without_date"
    CONTACTED_WITHOUT_DATE = "contacted_without_date"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    SEARCH_TWO_USERS = "search_names_two_users"
    SEARCH_TWO_TIMES = "search_names_two_times"


MEANINGS: dict[Reason, str] = {
    Reason.WRONG_FIELD_COUNT: "the line has more or fewer fields than the header",
    Reason.NOT_TEXT: "the line holds bytes that are not text in the file's encoding",
    Reason.NOT_JSON: "the line is not one JSON object, or names a key twice",
    Reason.LINE_TOO_LONG: "the line is longer than 16 MB; only its beginning is kept",
    Reason.LIST_UNREADABLE: "a cell that holds a list of the search is no array, nor divided as "
    "the mapping says (separator, brackets)",
    Reason.LISTS_UNEQUAL: "the lists of one search (listings, prices …) differ in length",
    Reason.LIST_EMPTY: "the list of the search's listings is empty",
    Reason.ACTION_NOT_IN_LIST: "the guest acted on a listing that the search's list does not "
    "hold; the listings shown are rows of their own",
    Reason.IDENTITY_MISSING: "id_search or id_listing is empty",
    Reason.IDENTITY_UNREADABLE: "an id is longer than 256 characters or holds control characters",
    Reason.IDENTITY_INEXACT: "an id went through a float and may have lost digits (1.23457E+15)",
    Reason.MARKET_MISSING: "query_market is empty",
    Reason.MARKET_UNKNOWN: "query_market is none of the source's markets",
    Reason.LABEL_MISSING: "label is empty",
    Reason.LABEL_UNKNOWN: "label is no known spelling of impressed, clicked, contacted, booked",
    Reason.TIME_MISSING: "ts_search is empty",
    Reason.TIME_UNREADABLE: "ts_search or ds_search is no date and time between 1990 and 2100",
    Reason.TIME_WITHOUT_OFFSET: "ts_search has no offset from UTC as others have, and the mapping "
    "names no time zone for its market",
    Reason.TIME_DISAGREES: "ds_search is another day than that of ts_search, by the market's clock "
    "and as it was written",
    Reason.TIME_AHEAD: "ts_search is of a day that had not come when a scheduled batch met it",
    Reason.STAY_BACKWARDS: "query_checkout is not after query_checkin",
    Reason.PARTY_BELOW_ONE: "query_num_guests is below one",
    Reason.PRICE_NOT_POSITIVE: "listing_total_price is zero or negative",
    Reason.PRICE_NOT_FINITE: "listing_total_price is not a finite number",
    Reason.COORDINATES: "a latitude is outside ±90 or a longitude outside ±180",
    Reason.BOOKED_BEFORE_SEARCH: "ds_book is before the day of the search",
    Reason.CONTACTED_BEFORE_SEARCH: "ds_contact is before the day of the search",
    Reason.BOOKED_WITHOUT_DATE: "the label says booked and ds_book is empty or unreadable",
    Reason.CONTACTED_WITHOUT_DATE: "the label says contacted and ds_contact is empty or unreadable",
    Reason.DUPLICATE: "another row of the same id_search and id_listing came first or went further",
    Reason.SUPERSEDED: "accepted once; a later file brought the same key with a further label",
    Reason.SEARCH_TWO_USERS: "its search's rows name two users; which is right cannot be known",
    Reason.SEARCH_TWO_TIMES: "its search's rows name two times; which is right cannot be known",
}


class Nulled(StrEnum):
    """Why a value was nulled; its row stays."""

    UNREADABLE = "unreadable"
    OUT_OF_RANGE = "out_of_range"
    UNKNOWN_VALUE = "unknown_value"
    DATE_WITHOUT_ACTION = "date_without_action"


NULL_MEANINGS: dict[Nulled, str] = {
    Nulled.UNREADABLE: "the text is no value of the column's kind",
    Nulled.OUT_OF_RANGE: "the value is outside the column's sound range",
    Nulled.UNKNOWN_VALUE: "the word is none of the column's known values",
    Nulled.DATE_WITHOUT_ACTION: "a booking or contact date on a row whose label does not say so",
}
