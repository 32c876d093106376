"""The feature groups, one per file: what a data scientist edits.

A feature is described in the tuple ``FEATURES`` of its group (name, meaning, unit, meaning of
null, the columns it needs) and computed by an expression of the same name in the same file. A
feature of earlier events also says what is counted, in a ``HistoryAggregation``
(:mod:`features.history.aggregation_declaration`), and which columns of it the expression reads
(``_READS``). The top of such a file lists these steps for it.
"""
