"""The features on a Spark cluster: the arithmetic of one machine, where the rows lie."""
