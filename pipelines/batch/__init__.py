"""The scheduled batches as plain functions: a killed batch is continued by its next start.

``journal`` remembers which stages of a batch are done; ``daily``, ``weekly`` and
``backfill`` list the stages; ``run_batch`` holds the locks, runs the stages and sends alerts.
"""
