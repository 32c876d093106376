"""Frame in, frame out: the features of an impression, each group in its own file.

What a row is, everywhere in this room: one listing shown in one search. The past of a
listing or a guest is reached through :mod:`features.history.point_in_time` only.
"""
