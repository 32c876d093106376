"""Why a listing stands where it does: for one row in words, and for the model as a whole."""
