"""What the models made of trees share.

``feature_matrix`` turns rows into the numbers that trees read, ``search_groups`` chooses the
searches to learn an order from, ``boosting`` is the one place that calls LightGBM (on a Dask
cluster ``dask_trainer``), ``calibration`` turns scores into probabilities, ``position_bias``
and ``label_completeness`` estimate what labels miss: results never looked at, and outcomes
still to come.
"""
