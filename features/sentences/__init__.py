"""What each feature says for a listing to a person, in English and Portuguese.

A file per kind of feature, one record per feature: a sentence and when it may be said, or why the
feature is never told. A test holds that every feature of :mod:`features.build` has one.
"""
