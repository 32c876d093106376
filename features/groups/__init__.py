"""The feature groups, one per file: what a data scientist edits.

A feature is one record in ``DEFINITIONS``: name, meaning, the expression that computes it, unit and
meaning of null. An expression reads columns of the log, other features, and columns of the past, by
name; a group's ``SOURCES`` say what is counted, in a ``HistoryAggregation``
(:mod:`features.history.aggregation_declaration`). Which columns of the log a feature needs, and
whether it is computed per row or once per search, follows from what it reads.
"""
