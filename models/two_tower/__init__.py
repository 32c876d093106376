"""The two-tower retriever: a query-and-guest tower against a listing tower.

Imports torch, numpy, pyarrow and safetensors only, on a GPU also triton (which comes with torch's
CUDA build), so that a GPU machine without Polars, Prefect or MLflow can train:
``python -m models.two_tower.train_command``.
"""
