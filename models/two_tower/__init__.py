"""The two-tower retriever: a query-and-guest tower against a listing tower.

Imports torch, numpy, pyarrow and safetensors only, so that a GPU machine without
Polars, Prefect or MLflow can train: ``python -m models.two_tower.train_command``.
"""
