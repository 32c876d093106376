"""What somebody who decides reads first: five sentences, and who recommends.

:func:`pipelines.verdict.verdict.verdict_of` computes them once from the home. The report's top,
the terminal's last screen, MLflow's note and Prefect's artifact show the same words.
"""
