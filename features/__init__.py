"""Frame in, frame out: the features of an impression, each group in its own file.

A row is one listing shown in one search, throughout this package. Earlier events of a listing
or a guest are reached through the sources of :mod:`features.history.past_sources` only.
"""
