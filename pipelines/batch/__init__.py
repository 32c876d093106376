"""The scheduled batches as plain functions: stages that can be cut off and gone on with.

``journal`` remembers which stages of a batch are done; ``daily``, ``weekly`` and
``backfill`` list the stages; ``session`` holds the locks and tells people how it went.
"""
