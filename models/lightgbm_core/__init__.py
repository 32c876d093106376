"""What models made of trees stand on: the matrix, the searches, LightGBM, calibration.

``matrix`` turns rows into the numbers that trees read, ``searches`` chooses the searches to
learn an order from, ``boosting`` is the one door to LightGBM, and ``calibration`` turns
scores into probabilities.
"""
